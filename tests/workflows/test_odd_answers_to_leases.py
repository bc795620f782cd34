"""Odd answers at odd moments, for a lease: floods, looks and receipts that do not hold, results from outside. It takes back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError

from activities.bundle import Activities
from domain.canonical import KeyRole
from domain.errors import RateLimitedError, RetryableError
from domain.ids import TicketRef
from domain.lease import EndReason, LeaseState
from domain.lease_messages import (
    ArmResult,
    ExtensionCommit,
    ExtensionOffer,
    GrantResult,
    LeaseOutcome,
    RevokeResult,
    SessionsResult,
)
from domain.queues import Queue
from domain.signed import Signed
from domain.values import whole_millis
from domain.witness import Observation, Presence, Receipt, SessionsEnded
from tests.house import APPROVED, House
from tests.queues import all_but
from tests.workflows.forging import (
    STRANGER,
    complete,
    digest_on,
    invented_receipt,
    invented_warrant,
    over_the_fence,
    start_lease,
)
from tests.workflows.porter import employ
from tests.workflows.stories import A_MINUTE, Handle, assert_proved_gone, close, hold
from workflows.lease import LeaseWorkflow
from workflows.options import STUCK_AFTER, fence
from workflows.prolonging import MAX_WAITING

FENCE = fence(timedelta(seconds=2))


def witnessed(house: House, presence: Presence) -> Signed:
    """A look that bears our witness's own signature, whatever the vendor would say."""
    assert house.keys.witness is not None
    look = Observation(lease_id=house.lease_id(), run_id="r", presence=presence, observed_at=datetime.now(UTC))
    return Signed.seal(look, house.keys.witness)


def receipt(house: House, action: str) -> Signed:
    """As `invented_receipt`, under our witness's own signature."""
    assert house.keys.witness is not None
    words = Receipt(lease_id=house.lease_id(), run_id="r", action=action, acknowledged_at=datetime.now(UTC))
    return Signed.seal(words, house.keys.witness)


async def scheduled(lease: WorkflowHandle[Any, Any], activity: str) -> int:
    """How often the lease has asked this activity."""
    history = await lease.fetch_history()
    names = [event.activity_task_scheduled_event_attributes.activity_type.name for event in history.events]
    return names.count(activity)


async def until_asked(lease: WorkflowHandle[Any, Any], activity: str, times: int = 1) -> None:
    async with asyncio.timeout(20):
        while await scheduled(lease, activity) < times:
            await asyncio.sleep(0.05)


# Before the grant.


@dataclass
class DeafHouse(House):
    """Its activities find no engine to ask."""

    nowhere: Client | None = None

    def activities(self) -> Activities:
        assert self.nowhere is not None
        house = House(**{name: value for name, value in vars(self).items() if name != "nowhere"})
        return replace(house, client=self.nowhere).activities()


@asynccontextmanager
async def refused_lease(house: House, odd: House) -> AsyncIterator[WorkflowHandle[LeaseWorkflow, LeaseOutcome]]:
    """A lease that nobody approved, and whose own queue is served by `odd` within the block."""
    async with house.working([Queue.GRANTS, Queue.TICKETS]):
        async with odd.working([Queue.LEASES], cache=0):
            lease = await start_lease(house, house.order(house.ask(), lasts=timedelta(hours=1)))
            yield lease
        async with house.working([Queue.LEASES], cache=0):
            outcome = await lease.result()
    assert (outcome.reason, outcome.sent) == (EndReason.REFUSED, "nothing")
    assert outcome.disclaimer is not None
    assert house.ledger("added", "removed") == []


async def test_word_of_a_stranger_that_nothing_was_sent_is_not_believed(house: House) -> None:
    """A run that sent nothing says so only by a witness's signature, and asks until it has one."""
    odd = replace(house, keys=replace(house.keys, witness=STRANGER[KeyRole.WITNESS]))
    async with refused_lease(house, odd) as lease:
        await until_asked(lease, "trace_run", times=2)


async def test_word_from_outside_that_nothing_was_sent_is_not_believed(house: House) -> None:
    """With the engine out of reach for its witness, a lease waits, and asks again whatever somebody answers instead."""
    nowhere = await Client.connect("127.0.0.1:1", lazy=True)
    async with refused_lease(house, DeafHouse(**vars(house), nowhere=nowhere)) as lease:
        await until_asked(lease, "trace_run")
        await complete(house, lease, "trace_run", "nothing was sent")
        await until_asked(lease, "trace_run", times=2)


# The grant, and holding.


async def test_grant_that_a_witness_reads_back_absent_is_no_grant(jumping_house: House) -> None:
    """Acknowledged and not there is not granted: what may still come of it is taken away behind the fence."""
    house = jumping_house
    gate = house.provider.hold("grant")
    async with house.working():
        ticket, handle = await house.approved()
        await gate.reached()
        result = GrantResult(receipt=receipt(house, "grant"), observation=witnessed(house, Presence.ABSENT))
        await complete(house, house.lease(), "grant_access", result)
        gate.release()
        await over_the_fence(house, ticket, handle)
    assert_proved_gone(house, ticket)
    assert any("read back absent" in text for text in house.comments(ticket))


async def test_lease_that_is_flooded_ends_before_its_history_does(house: House) -> None:
    """The engine would terminate it at its limit, with the access on: at a tenth of that it takes the access back itself."""
    async with house.working():
        ticket, handle = await hold(house)
        shown = await house.lease().query(LeaseWorkflow.status)
        assert (shown.state, shown.target_name) == (LeaseState.ACTIVE, "admin")
        for _ in range(4):
            await house.lease().signal("offer_extension", "x" * 1_500_000)
        await house.soon(handle.result())
    assert_proved_gone(house, ticket)
    (ending,) = [record for record in house.chains(ticket)[house.lease_id()] if record.kind == "ending"]
    assert ending.facts["reason"] == EndReason.HISTORY_FULL


# Extensions.


async def test_flood_of_invented_offers_moves_no_end(house: House) -> None:
    """Sixteen are kept and judged by the ticket, which knows none of them; one beyond the last end is not even asked about."""
    async with house.working():
        ticket, handle = await hold(house)
        lease = house.lease()
        end = (await lease.query(LeaseWorkflow.status)).expires_at
        assert end is not None
        gate = house.tickets.hold("read")
        await lease.signal("offer_extension", ExtensionOffer(wish_id="w0", new_end=end + timedelta(minutes=30)))
        await gate.reached()
        for number in range(1, MAX_WAITING + 5):
            beyond = timedelta(days=30) if number == 1 else timedelta(minutes=30)
            await lease.signal("offer_extension", ExtensionOffer(wish_id=f"w{number}", new_end=end + beyond))
        gate.release()
        await until_asked(lease, "arm_extension", MAX_WAITING - 1)
        await house.settled(lease)
        assert (await lease.query(LeaseWorkflow.status)).expires_at == end
        await handle.signal("revoke", {"by": "carol"})
        await house.soon(handle.result())
        assert await scheduled(lease, "arm_extension") == MAX_WAITING - 1
    assert_proved_gone(house, ticket)
    assert "extended" not in house.kinds(ticket, f"judge/{house.lease_id()}")


async def test_extension_that_a_vendor_may_have_taken_ends_the_lease(jumping_house: House) -> None:
    """A vendor that holds the deadline itself has moved it, and the extension did not come about: the end is now."""
    house = jumping_house
    house.provider.capabilities = house.provider.capabilities.model_copy(update={"native_expiry": True})
    async with house.working():
        ticket = house.ask()
        handle = await house.start(ticket)
        await house.asked(ticket)
        await house.settled(handle)
        house.tickets.transition_as(ticket, APPROVED, "bob")
        order = house.order(ticket, lasts=timedelta(minutes=50))
        end = whole_millis(order.expires_at)
        changes = {
            "terms_digest": digest_on(house, ticket),
            "expires_at": end,
            "never_after": end + timedelta(hours=1),
            "surface": order.surface.model_copy(update={"native_expiry": True}),
        }
        lease = await start_lease(house, order.model_copy(update=changes))
        await house.until(lambda: "granted" in house.kinds(ticket, house.lease_id()))
        wish_id = house.tickets.comment_as(ticket, "/extend 30m", "alice")
        later = end + timedelta(minutes=30)
        await lease.signal("offer_extension", ExtensionOffer(wish_id=wish_id, new_end=later))
        await house.until(lambda: house.provider.deadline(house.target(), house.subject()) == later)
        await lease.signal("commit_extension", ExtensionCommit(wish_id=wish_id, commit=False))
        await house.until(lambda: not house.is_member())
        await house.jump(lease, A_MINUTE)
        outcome = await lease.result()
    assert outcome.reason is EndReason.EXTENSION_UNCERTAIN
    assert_proved_gone(house, ticket)


async def test_extension_that_was_armed_while_nobody_worked_is_too_late(house: House) -> None:
    """The answer came in time and the lease woke after its end: by its own clock there is nothing left to prolong."""
    async with house.working(all_but(Queue.LEASES)):
        async with house.working([Queue.LEASES], cache=0):
            ticket, handle = await hold(house, "10s")
            lease = house.lease()
            end = (await lease.query(LeaseWorkflow.status)).expires_at
            assert end is not None
            gate = house.tickets.hold("read")
            await lease.signal("offer_extension", ExtensionOffer(wish_id="w", new_end=end + timedelta(minutes=30)))
            await gate.reached()
        order = house.order(ticket, lasts=timedelta(hours=1))
        await complete(house, lease, "arm_extension", ArmResult(warrant=invented_warrant(order)))
        gate.release()
        await house.until(lambda: datetime.now(UTC) > end)
        async with house.working([Queue.LEASES], cache=0):
            await house.soon(handle.result())
        assert await scheduled(lease, "prolong_access") == 0
    assert_proved_gone(house, ticket)


# The removal.


async def removed(house: House) -> tuple[TicketRef, Handle]:
    """A request whose access was taken away and is not yet proved gone."""
    ticket, handle = await hold(house)
    await handle.signal("revoke", {"by": "carol"})
    await house.until(lambda: "removed" in house.kinds(ticket, house.lease_id()))
    return ticket, handle


async def test_second_look_that_was_failed_from_outside_is_taken_again(jumping_house: House) -> None:
    """A look that never happened proves nothing: the removal begins again, and two looks prove it."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        await handle.signal("revoke", {"by": "carol"})
        await house.until(lambda: not house.is_member())
        gate = house.provider.hold("verify")
        await gate.reached()
        await until_asked(house.lease(), "observe_access")
        await complete(house, house.lease(), "observe_access", ApplicationError("seen enough", non_retryable=True))
        gate.release()
        await over_the_fence(house, ticket, handle)
    assert_proved_gone(house, ticket)
    assert house.kinds(ticket, house.lease_id()).count("proved") == 1


async def test_receipt_of_a_stranger_shortens_no_fence(jumping_house: House) -> None:
    """Only a witness says that a removal went through at its first attempt; otherwise the second look waits for late writes."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        gate = house.provider.hold("revoke")
        await handle.signal("revoke", {"by": "carol"})
        await gate.reached()
        first = datetime.now(UTC)
        result = RevokeResult(observation=witnessed(house, Presence.ABSENT), receipt=invented_receipt(house, "revoke"))
        await complete(house, house.lease(), "revoke_access", result)
        gate.release()
        await over_the_fence(house, ticket, handle)
    assert_proved_gone(house, ticket)
    assert house.ledger("looked")[-1].at - first >= FENCE


@pytest.mark.parametrize("how", ["failed for good", "signed by a stranger"])
async def test_ending_of_sessions_that_was_invented_is_done_again(jumping_house: House, how: str) -> None:
    """Sessions are ended once more behind the proof, and a lease closes only over a witness's receipt for it."""
    house = jumping_house
    gate = employ(house).hold("end_sessions")
    async with house.working():
        ticket, handle = await removed(house)
        house.provider.fail("end_sessions", RetryableError("503"), times=1)
        await gate.reached()
        lie = SessionsResult(sessions=SessionsEnded.ENDED, receipt=invented_receipt(house, "end sessions: ended"))
        failure = ApplicationError("there are none", non_retryable=True)
        await complete(house, house.lease(), "end_sessions", failure if how == "failed for good" else lie)
        assert "sessions_ended" not in house.kinds(ticket, house.lease_id())
        gate.release()
        await over_the_fence(house, ticket, handle)
    assert_proved_gone(house, ticket)
    assert house.ledger("sessions_ended")[-1].at >= house.ledger("looked")[-1].at
    assert house.kinds(ticket, house.lease_id()).count("sessions_ended") == 1


async def test_ending_of_sessions_that_stays_refused_is_named_stuck_and_goes_on(jumping_house: House) -> None:
    """The access is proved gone, its sessions are not: that is said on the ticket, and asked for until it is done."""
    house = jumping_house
    async with house.working():
        house.provider.fail("end_sessions", RateLimitedError("429", delay=STUCK_AFTER))
        ticket, handle = await removed(house)
        await house.until(lambda: "proved" in house.kinds(ticket, house.lease_id()))
        await house.jump(house.lease(), STUCK_AFTER + timedelta(seconds=1))
        await house.told(ticket, "The ending of sessions at admin is late: it was due at")
        house.provider.succeed("end_sessions")
        await close(house, handle)
    assert_proved_gone(house, ticket)
    assert house.kinds(ticket, house.lease_id())[-2:] == ["stuck", "sessions_ended"]


async def test_removal_that_stays_late_is_named_stuck_once(jumping_house: House) -> None:
    """Later and later is still one thing to say: the ticket is not filled, and the vendor goes on being asked."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        house.provider.fail("revoke", RateLimitedError("429", delay=STUCK_AFTER))
        await handle.signal("revoke", {"by": "carol"})
        await house.until(lambda: bool(house.ledger("sessions_ended")))
        await house.jump(house.lease(), STUCK_AFTER + timedelta(seconds=1))
        await house.told(ticket, "The removal from admin is late")
        await house.jump(house.lease(), 2 * STUCK_AFTER + timedelta(seconds=1))
        assert house.is_member()
        house.provider.succeed("revoke")
        await house.jump(house.lease(), A_MINUTE)
        await close(house, handle)
    assert_proved_gone(house, ticket)
    assert house.kinds(ticket, house.lease_id()).count("stuck") == 1
