"""What the kernel cannot undo by itself, as it is today: the access stays on, and each test says by what it can be seen.

Each of these waits for the reconciler, which looks from outside at who is a member and what is leased (DESIGN 3 and 6).
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import RateLimitedError
from domain.lease import LeaseState
from domain.search import STATE
from tests.house import PATIENCE_SECONDS, House
from tests.workflows import hands, phases
from tests.workflows.phases import Case
from tests.workflows.stories import actions, assert_proved_gone, close, hold
from workflows.options import STUCK_AFTER


async def is_leased(house: House) -> bool:
    """Whether a run holds the id of the lease of alice's."""
    try:
        return (await house.lease().describe()).status is WorkflowExecutionStatus.RUNNING
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False


async def state_of_lease(house: House) -> str | None:
    """What a filter in the engine's list goes by."""
    attributes = (await house.lease().describe()).typed_search_attributes
    return attributes.get(SearchAttributeKey.for_keyword(STATE))


async def holders(house: House) -> list[str]:
    """Who is a member, as the vendor lists it."""
    return [holder.subject.user_id async for holder in house.provider.list_holders(house.target())]


@pytest.mark.parametrize("how", [hands.terminate, hands.delete])
async def test_request_and_lease_ended_together_wait_for_the_reconciler(
    house: House, how: Callable[[House, str], Awaitable[None]]
) -> None:
    """Nobody is left to take away. To be seen by: a holder at the vendor under whose lease id nothing runs."""
    async with house.working():
        ticket, handle = await hold(house)
        await house.settled(handle)
        await house.settled(house.lease())
    await how(house, handle.id)
    await how(house, house.lease_id())
    async with house.working():
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await is_leased(house):
                await asyncio.sleep(0.02)
        assert (await holders(house), await is_leased(house)) == (["00ualice"], False)
    assert actions(house) == ["absent", "added", "present"]
    assert house.kinds(ticket, house.lease_id()) == ["granted"]


async def pause(case: Case) -> None:
    await hands.change_activity(case.house, case.house.lease(), "pause", "revoke_access")


async def send_elsewhere(case: Case) -> None:
    await hands.change_activity(
        case.house, case.house.lease(), "update-options", "revoke_access", "--task-queue", "nobody"
    )


@pytest.mark.parametrize("hand", [pause, send_elsewhere])
async def test_revoke_that_may_not_run_waits_for_the_reconciler(
    jumping_house: House, hand: Callable[[Case], Awaitable[None]]
) -> None:
    """No cancel helps. To be seen by: a holder under a lease that is stuck and says so on its ticket; undone, it ends."""
    house = jumping_house
    async with house.working():
        house.provider.fail("revoke", RateLimitedError("429", delay=STUCK_AFTER))
        case = await phases.active(house)
        await case.request.signal("revoke", {"by": "carol"})
        await hands.pending(house.lease(), "revoke_access", attempt=2)
        await house.jump(house.lease(), STUCK_AFTER + timedelta(seconds=1))
        await house.told(case.ticket, "The removal from admin is late")
        await hand(case)
        house.provider.succeed("revoke")
        await hands.cancel(house, house.lease_id())
        await phases.heard(case)
        assert (await holders(house), await state_of_lease(house)) == (["00ualice"], LeaseState.STUCK)
        await hands.change_activity(house, house.lease(), "reset", "revoke_access", "--restore-original-options")
        await close(house, case.request)
    assert_proved_gone(house, case.ticket)


async def test_lease_whose_revoke_is_paused_is_ended_by_terminating_it(jumping_house: House) -> None:
    """What a person can do until then: with the lease goes its paused activity, and the request starts one that revokes."""
    house = jumping_house
    async with house.working():
        case = await phases.backing_off(house)
        await pause(case)
        case.let_go()
        await hands.terminate(house, house.lease_id())
        await close(house, case.request)
    assert_proved_gone(house, case.ticket)
