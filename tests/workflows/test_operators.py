"""What operators and other requests do to a request in the engine: cancel, terminate, reset, start again, ask for the same."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from domain.ids import request_workflow_id
from domain.lease import EndReason
from domain.messages import RequestInput
from domain.queues import Queue, queue_name
from domain.values import parse_instant
from tests.figures import Measured
from tests.house import House
from tests.workflows import hands
from tests.workflows.stories import A_MINUTE, PROMPTLY, Handle, actions, assert_proved_gone, close, hold, reset
from workflows.access_request import AccessRequestWorkflow
from workflows.lease import LeaseWorkflow


async def test_second_request_for_the_same_pair_is_told_who_holds_it(house: House) -> None:
    """One pair has one lease: the second ticket names the first, which is left as it is."""
    async with house.working():
        first, holder = await hold(house)
        second, handle = await house.approved()
        await house.soon(handle.result())
        await house.told(second, f"{first.key} holds this access already; extend it there")
        assert actions(house) == ["absent", "added", "present"]
        await holder.signal("revoke", {})
        await house.soon(holder.result())
    assert_proved_gone(house, first)


async def test_second_request_while_the_first_is_revoking_gets_it_afterwards(house: House) -> None:
    """Who comes while the lock is being opened waits for it: added again only after the first removal was proved."""
    async with house.working():
        first, leaving = await hold(house)
        gate = house.provider.hold("revoke")
        await leaving.signal("revoke", {})
        await gate.reached()
        second, coming = await house.approved()
        await until_following(coming)
        gate.release()
        await house.told(second, "Access is active")
        await coming.signal("revoke", {})
        await house.soon(coming.result())
        await house.soon(leaving.result())
    once = ["absent", "added", "present", "removed", "absent", "absent"]
    assert actions(house) == once + once
    assert_proved_gone(house, first)
    assert_proved_gone(house, second)


async def until_following(handle: Handle) -> None:
    """Return when a request waits for a lease that is not its own."""
    async with asyncio.timeout(20):
        while True:
            described = (await handle.describe()).raw_description
            if any(pending.activity_type.name == "follow_lease" for pending in described.pending_activities):
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("how", [hands.cancel, hands.terminate, hands.delete])
@pytest.mark.parametrize("whose", ["request", "lease"])
async def test_stopped_by_hand_and_access_is_gone_within_seconds(
    jumping_house: House, how: Callable[[House, str], Awaitable[None]], whose: str, measured: Measured
) -> None:
    """Cancelled, terminated or deleted while access is on: the vendor has removed it within five seconds of the command."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        await how(house, handle.id if whose == "request" else house.lease_id())
        told_at = datetime.now(UTC)
        await house.until(lambda: not house.is_member(), PROMPTLY.total_seconds())
        measured(f"{whose}: {how.__name__}", datetime.now(UTC) - told_at)
        await house.jump(house.lease(), A_MINUTE)
        await house.until(lambda: "proved" in house.kinds(ticket, house.lease_id()))
        if how is hands.cancel or whose == "lease":
            await house.soon(handle.result())
            assert not any("the time was over" in text for text in house.comments(ticket))
        else:
            await house.soon(house.lease().result())
    assert_proved_gone(house, ticket)


async def test_every_lease_terminated_by_one_command_and_each_request_ends_the_access(jumping_house: House) -> None:
    """A batch of the engine's over all leases leaves no access on: each request ends its own anew, and its ticket says so."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house, entitlement="pair")
        await house.until_listed(ticket)
        await hands.batch(house, "terminate", leases_of(house))
        await close(house, handle, "left", "right")
    assert_proved_gone(house, ticket, "left")
    assert_proved_gone(house, ticket, "right")
    await house.told(ticket, "Closed: ended (access without a live lease was found)")


async def test_every_lease_told_to_revoke_by_one_command_and_the_access_is_gone(jumping_house: House) -> None:
    """What a person does who wants all access off now, with nothing but the engine's own program."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house, entitlement="pair")
        await house.until_listed(ticket)
        await hands.batch(house, "signal", leases_of(house), "--name", "revoke")
        await close(house, handle, "left", "right")
    assert_proved_gone(house, ticket, "left")
    assert_proved_gone(house, ticket, "right")
    await house.told(ticket, "Closed: ended (it was revoked)")


def leases_of(house: House) -> str:
    """A query for the running leases of one house."""
    return f"WorkflowId STARTS_WITH 'lease:{house.provider.instance}/' AND ExecutionStatus = 'Running'"


async def test_request_that_was_reset_still_obeys_revoke(house: House) -> None:
    """The new run finds its own lease, follows it by id, and ends it when it is told to."""
    async with house.working():
        ticket, handle = await hold(house)
        await reset(house, handle)
        await until_following(house.client.get_workflow_handle(handle.id))
        assert actions(house) == ["absent", "added", "present"]
        current = house.client.get_workflow_handle(handle.id)
        await current.signal("revoke", {"by": "carol"})
        await house.soon(current.result())
    assert_proved_gone(house, ticket)
    assert actions(house).count("added") == 1


async def test_request_that_was_reset_gives_no_second_beyond_the_first_end(jumping_house: House) -> None:
    """A reset request prolongs nothing: the lease keeps its own time."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        await reset(house, handle)
        current = house.client.get_workflow_handle(handle.id)
        await until_following(current)
        await house.jump(house.lease(), timedelta(hours=1, seconds=10))
        await close(house, current)
    (armed,) = house.chains(ticket)[f"judge/{house.lease_id()}"]
    late = house.ledger("removed")[0].at - parse_instant(str(armed.facts["until"]))
    assert timedelta(0) <= late < PROMPTLY
    assert_proved_gone(house, ticket)


async def test_lease_that_was_reset_to_its_beginning_is_revoked(jumping_house: House) -> None:
    """Its new run finds access of its own for which it has no warrant: it ends it, and grants nothing anew."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        await reset(house, house.lease())
        await house.until(lambda: not house.is_member())
        await close(house, handle)
    assert_proved_gone(house, ticket)
    assert actions(house).count("added") == 1


async def test_request_that_was_started_with_a_timeout_is_refused(house: House) -> None:
    """A workflow that the engine may end unheard promises nothing, and so it gives nothing."""
    async with house.working():
        ticket = house.ask()
        handle = await house.client.start_workflow(
            AccessRequestWorkflow.run,
            RequestInput(ticket=ticket),
            id=request_workflow_id(ticket),
            task_queue=queue_name(house.prefix, Queue.REQUESTS),
            execution_timeout=timedelta(days=1),
        )
        await house.soon(handle.result())
    assert house.provider.ledger == []
    assert any("Closed: refused (it was started with a timeout" in text for text in house.comments(ticket))


async def test_lease_that_was_started_with_a_timeout_is_refused(house: House) -> None:
    """The same for a lease that somebody starts by hand."""
    async with house.working():
        ticket = house.ask()
        handle = await house.client.start_workflow(
            LeaseWorkflow.run,
            house.order(ticket, lasts=timedelta(hours=1)),
            id=house.lease_id(),
            task_queue=queue_name(house.prefix, Queue.LEASES),
            run_timeout=timedelta(hours=2),
        )
        outcome = await handle.result()
    assert outcome.reason is EndReason.REFUSED
    assert house.provider.ledger == []
