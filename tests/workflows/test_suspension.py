"""The last rung: an account whose access cannot be taken away in time is suspended, where its target says so; never earlier."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import PendingActivityState

from domain.catalogue import TargetMode
from domain.errors import ForbiddenError, RateLimitedError
from domain.lease import EndReason
from domain.lease_messages import SuspendResult
from domain.messages import RequestResult
from domain.witness import SUSPEND
from tests.house import House
from tests.workflows import phases
from tests.workflows.forging import complete, invented_receipt
from tests.workflows.giving_up import PUT_OFF, ask_to_forget, over_the_fence, stuck, wish
from tests.workflows.hands import change_activity, pending, pending_names
from tests.workflows.phases import Case
from tests.workflows.reconciling import reconcile
from tests.workflows.stories import assert_proved_gone, close, late_ones
from workflows.options import STUCK_AFTER

CANCEL_REQUESTED = PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
SUSPEND_AFTER = timedelta(minutes=30)
A_SECOND = timedelta(seconds=1)
ROUNDING = timedelta(seconds=5)
"""The jumping server moves in whole seconds."""


@pytest.fixture
def house(jumping_house: House) -> House:
    """Its catalogue has the account suspended when a removal is half an hour late."""
    target = jumping_house.catalogue.targets["admin"].model_copy(update={"suspend_after": SUSPEND_AFTER})
    targets = {**jumping_house.catalogue.targets, "admin": target}
    jumping_house.catalogue = jumping_house.catalogue.model_copy(update={"targets": targets})
    return jumping_house


async def refused(house: House, call: str = "revoke", activity: str = "revoke_access") -> Case:
    """A lease that has ended, and whose removal (or ending of sessions) the vendor puts off by ten minutes each time."""
    case = await phases.active(house)
    house.provider.fail(call, RateLimitedError("429", delay=PUT_OFF))
    await phases.end(case)
    await pending(house.lease(), activity, attempt=2)
    return case


async def suspended(house: House, case: Case) -> None:
    """Jump to where it is due, and return when the ticket tells of it."""
    await house.jump(house.lease(), SUSPEND_AFTER)
    await house.until(lambda: "suspended" in house.kinds(case.ticket, house.lease_id()))


async def until_it_knows(house: House) -> None:
    """Return when the attempt that suspends has been told, by the answer to a heartbeat, that it is wanted no more."""
    while (asked := await pending(house.lease(), "suspend_subject")).state != CANCEL_REQUESTED:
        await asyncio.sleep(0.02)
    told_at = asked.last_heartbeat_time
    while (await pending(house.lease(), "suspend_subject")).last_heartbeat_time == told_at:
        await asyncio.sleep(0.02)


async def give_way(house: House, case: Case, call: str = "revoke") -> None:
    house.provider.succeed(call)
    await house.jump(house.lease(), PUT_OFF)
    await close(house, case.request)
    assert_proved_gone(house, case.ticket)


async def test_account_is_suspended_when_its_removal_is_too_late(house: House) -> None:
    """Not before its time, once, and told to people; the removal goes on and is proved as ever."""
    async with house.working():
        case = await refused(house)
        await house.told(case.ticket, "A removal that is late by 30m has the whole account suspended")
        due_at = house.provider.ledger[-1].at
        await house.jump(house.lease(), SUSPEND_AFTER - A_SECOND - ROUNDING)
        await house.told(case.ticket, "the whole account is suspended, as the catalogue has it")
        assert house.ledger("suspended") == []
        await house.jump(house.lease(), ROUNDING + A_SECOND)
        await house.told(case.ticket, "was suspended at")
        await house.until(lambda: any("was suspended" in alarm.summary for alarm in house.pager.told))
        (stuck,) = await late_ones(house, after=2 * SUSPEND_AFTER)
        assert stuck.rung == "suspension"
        await house.jump(house.lease(), SUSPEND_AFTER)
        await give_way(house, case)
    (done,) = house.ledger("suspended")
    assert done.at - due_at >= SUSPEND_AFTER - ROUNDING
    assert (done.subject, done.changed) == (house.subject(), True)
    await house.told(case.ticket, "The account is suspended. Nightlatch restores no account")


async def test_removal_in_time_suspends_nobody(house: House) -> None:
    """Also one that is late, paged, and done before its account's time has come."""
    async with house.working():
        case = await refused(house)
        await house.jump(house.lease(), STUCK_AFTER + A_SECOND)
        await house.until(lambda: len(house.pager.told) == 1)
        await give_way(house, case)
    assert house.ledger("suspended") == []
    assert "suspended" not in house.kinds(case.ticket, house.lease_id())


async def test_target_that_says_nothing_suspends_nobody(jumping_house: House) -> None:
    """However late: a whole account is more than one target, and is only touched where a catalogue says so."""
    house = jumping_house
    async with house.working():
        case = await refused(house)
        await house.jump(house.lease(), 2 * SUSPEND_AFTER)
        await house.told(case.ticket, "is late")
        await give_way(house, case)
    assert house.ledger("suspended") == []


async def test_sessions_that_cannot_be_ended_have_the_account_suspended(house: House) -> None:
    """The access is proved gone, and somebody may still be signed in by it."""
    async with house.working():
        case = await refused(house, "end_sessions", "end_sessions")
        await suspended(house, case)
        assert not house.is_member()
        await give_way(house, case, "end_sessions")
    assert len(house.ledger("suspended")) == 1


async def test_orphan_that_cannot_be_removed_has_its_account_suspended(house: House) -> None:
    """The ladder is the same for access that nobody asked for: the reconciler's order carries what the catalogue says."""
    house.watch("admin", TargetMode.ENFORCE)
    house.provider.fail("revoke", RateLimitedError("429", delay=PUT_OFF))
    async with house.working():
        house.provider.add_by_hand(house.target(), house.subject())
        await reconcile(house)
        await pending(house.lease(), "revoke_access", attempt=2)
        await house.jump(house.lease(), SUSPEND_AFTER)
        await house.until(lambda: bool(house.ledger("suspended")))
        house.provider.succeed("revoke")
        await house.jump(house.lease(), PUT_OFF)
        await house.until(lambda: not house.is_member())


async def test_account_that_cannot_be_suspended_holds_no_removal_up(house: House) -> None:
    """The rung is tried for as long as it is due, told by its own error, and given up when the access is proved gone."""
    house.provider.fail("suspend", ForbiddenError("403: our role may not"))
    async with house.working():
        case = await refused(house)
        await house.jump(house.lease(), SUSPEND_AFTER)
        await pending(house.lease(), "suspend_subject", attempt=2)
        (stuck,) = await late_ones(house, after=2 * SUSPEND_AFTER)
        assert (stuck.rung, "suspend_subject: Forbidden: 403" in stuck.problem) == ("suspension", True)
        await give_way(house, case)
    assert house.ledger("suspended") == []


async def test_suspension_that_lands_when_it_is_wanted_no_more_is_told(house: House) -> None:
    """What was done to somebody's account stands on the ticket, though nobody wants it any more."""
    gate = house.provider.hold("suspend", "after")
    async with house.working():
        case = await refused(house, "end_sessions", "end_sessions")
        await house.jump(house.lease(), SUSPEND_AFTER)
        await gate.reached()
        house.provider.succeed("end_sessions")
        await change_activity(house, house.lease(), "reset", "end_sessions")
        await house.until(lambda: "sessions_ended" in house.kinds(case.ticket, house.lease_id()))
        await until_it_knows(house)
        gate.release()
        await close(house, case.request)
    assert_proved_gone(house, case.ticket)
    assert "suspended" in house.kinds(case.ticket, house.lease_id())
    assert len(house.ledger("suspended")) == 1


async def test_suspension_that_lands_while_its_lease_is_forgotten_is_told(house: House) -> None:
    """People who give a lease up learn what was done to somebody's account in the last moment."""
    gate = house.provider.hold("suspend", "after")
    async with house.working():
        case = await stuck(house)
        house.provider.fail("revoke", RateLimitedError("429", delay=PUT_OFF))
        await house.jump(house.lease(), SUSPEND_AFTER - STUCK_AFTER)
        await gate.reached()
        wish(house, case.ticket)
        await ask_to_forget(house, case.ticket)
        await until_it_knows(house)
        gate.release()
        await over_the_fence(house)
        result: RequestResult = await case.request.result()
    assert [outcome.reason for outcome in result.leases] == [EndReason.FORGOTTEN]
    assert "suspended" in house.kinds(case.ticket, house.lease_id())
    assert len(house.ledger("suspended")) == 1


async def test_suspension_that_only_somebody_claims_is_asked_for_again(house: House) -> None:
    """An activity that was completed from outside, with a word that no witness signed, suspends nobody: the vendor is asked."""
    gate = house.provider.hold("suspend")
    async with house.working():
        case = await refused(house)
        await house.jump(house.lease(), SUSPEND_AFTER)
        await gate.reached()
        claimed = SuspendResult(receipt=invented_receipt(house, SUSPEND))
        await complete(house, house.lease(), "suspend_subject", claimed)
        while "suspend_subject" in await pending_names(house.lease()):
            await asyncio.sleep(0.02)
        gate.release()
        await suspended(house, case)
        await give_way(house, case)
    assert any(entry.changed for entry in house.ledger("suspended"))
