"""Workers of somebody else, or of a bad build, on the queue of the leases: access ends all the same, and only proof closes a ticket."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.worker import Worker

from domain.lease import EndReason, Sent
from domain.lease_messages import LeaseOutcome
from domain.queues import Queue
from domain.signed import Signed
from domain.witness import Observation, Presence
from tests.house import House
from tests.queues import all_but
from tests.replay.edited import EditedLeaseWorkflow
from tests.workflows.forging import invented_look
from tests.workflows.hostile import RogueLease
from tests.workflows.stories import assert_proved_gone, close, hold, serving_leases, until_event


def nothing_was_sent(house: House, disclaimer: Signed | None, sent: Sent = Sent.NOTHING) -> LeaseOutcome:
    return LeaseOutcome(
        lease_id=house.lease_id(), run_id="r", reason=EndReason.REFUSED, sent=sent, disclaimer=disclaimer
    )


def witnessed(house: House, *, own: bool, at: datetime) -> Signed:
    assert house.keys.witness is not None
    look = Observation(lease_id=house.lease_id(), run_id="r", presence=Presence.ABSENT, observed_at=at, own=own)
    return Signed.seal(look, house.keys.witness)


def inventions(house: House) -> dict[str, LeaseOutcome]:
    soon = datetime.now(UTC) + timedelta(minutes=1)
    before = datetime.now(UTC) - timedelta(hours=1)
    return {
        "no witness": nothing_was_sent(house, None),
        "sent after all": nothing_was_sent(house, witnessed(house, own=False, at=soon), Sent.GRANTED),
        "a stranger's word": nothing_was_sent(house, invented_look(house, Presence.ABSENT)),
        "an old word": nothing_was_sent(house, witnessed(house, own=False, at=before)),
        "its own access": nothing_was_sent(house, witnessed(house, own=True, at=soon)),
    }


def rogue(house: House, outcome: LeaseOutcome) -> Worker:
    @activity.defn
    async def invented_outcome() -> dict[str, Any]:
        return outcome.model_dump(mode="json")

    return serving_leases(house, RogueLease, [invented_outcome])


@pytest.mark.parametrize(
    "invention", ["no witness", "sent after all", "a stranger's word", "an old word", "its own access"]
)
async def test_outcome_invented_by_a_rogue_worker_does_not_close_a_ticket(jumping_house: House, invention: str) -> None:
    """A request whose lease ended with words alone starts one that ends, and closes when a witness has proved it gone."""
    house = jumping_house
    async with house.working(all_but(Queue.LEASES), cache=0):
        async with rogue(house, inventions(house)[invention]):
            ticket, handle = await house.approved()
            await until_event(handle, EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED)
            assert "closed" not in house.kinds(ticket, handle.id)
        async with house.working([Queue.LEASES], cache=0):
            await house.jump(handle, timedelta(seconds=6))
            await close(house, handle)
    assert_proved_gone(house, ticket)
    assert house.ledger("added") == []


async def test_build_that_cannot_replay_ends_no_lease_and_the_one_after_it_revokes(jumping_house: House) -> None:
    """A failed replay fails a workflow task and never the workflow: the lease stands still, and is taken up where it stood."""
    house = jumping_house
    async with house.working(all_but(Queue.LEASES), cache=0):
        async with house.working([Queue.LEASES], cache=0):
            ticket, handle = await hold(house)
            await house.settled(house.lease())
        async with serving_leases(house, EditedLeaseWorkflow, house.activities().by_queue[Queue.LEASES]):
            await handle.signal("revoke", {"by": "carol"})
            await until_event(house.lease(), EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
            assert house.is_member()
        async with house.working([Queue.LEASES], cache=0):
            await close(house, handle)
    assert_proved_gone(house, ticket)
