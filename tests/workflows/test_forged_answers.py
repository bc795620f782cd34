"""Answers of activities, invented or copied by somebody who may write to the Temporal namespace: none adds a second of access."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Worker

from domain.approval import ApprovalOutcome, ApprovalVerdict
from domain.extension import ExtensionVerdict
from domain.ids import TicketRef
from domain.lease_messages import ArmResult, GrantResult
from domain.messages import JudgeResult, OpenResult, WishesResult
from domain.paper import EvidenceResult
from domain.queues import Queue, queue_name
from domain.witness import Presence
from tests.fakes.script import Gate
from tests.house import PATIENCE_SECONDS, House
from tests.queues import all_but
from tests.workflows import hands
from tests.workflows.forging import FOR_EVER, complete, invented_look, invented_receipt, invented_warrant
from tests.workflows.hostile import RogueLease, SquattingWorkflow
from tests.workflows.porter import employ
from tests.workflows.stories import A_MINUTE, Handle, actions, assert_proved_gone, close, hold, until_event
from workflows.sandbox import workflow_runner

ONCE = ["absent", "added", "present", "removed", "absent", "absent"]


async def opened(house: House, handle: WorkflowHandle[Any, Any]) -> OpenResult:
    """The judge's own answer, as anybody can read it in the history of a request."""
    history = await handle.fetch_history()
    (scheduled,) = [
        event.event_id
        for event in history.events
        if event.activity_task_scheduled_event_attributes.activity_type.name == "open_request"
    ]
    for event in history.events:
        done = event.activity_task_completed_event_attributes
        if done.scheduled_event_id == scheduled:
            (result,) = await house.client.data_converter.decode(done.result.payloads, [OpenResult])
            return OpenResult.model_validate(result)
    raise AssertionError("that request was never opened")


async def test_invented_approval_arms_nothing(jumping_house: House) -> None:
    """ "Bob has approved" in the judge's place starts a lease, and the judge whom that lease asks has read no such thing."""
    house = jumping_house
    gate = employ(house).hold("judge_request")
    async with house.working():
        ticket = house.ask()
        handle = await house.start(ticket)
        await house.asked(ticket)
        await handle.signal("approve", {"by": "bob"})
        await gate.reached()
        verdict = ApprovalVerdict(outcome=ApprovalOutcome.APPROVED, approver="bob", answer_id="1")
        await complete(house, handle, "judge_request", JudgeResult(verdict=verdict, armed_until=FOR_EVER))
        gate.release()
        await house.until(lambda: any("was not granted" in text for text in house.comments(ticket)))
        await house.until(lambda: len(house.ledger("looked")) > 1)
        await house.jump(house.lease(), A_MINUTE)
        await house.soon(handle.result())
    assert house.ledger("added") == []
    assert f"judge/{house.lease_id()}" not in house.chains(ticket)
    assert any("the approval does not stand" in text for text in house.comments(ticket))


async def test_terms_copied_from_an_approved_ticket_grant_nothing_on_another(house: House) -> None:
    """What was asked on one ticket, and approved there, is no question that was put on this one."""
    porter = employ(house)
    async with house.working():
        look = house.provider.hold("verify")
        _approved, first = await house.approved()
        await look.reached()
        copied = await opened(house, first)
        gate = porter.hold("open_request")
        ticket = house.ask("4h")
        handle = await house.start(ticket)
        await gate.reached()
        await complete(house, handle, "open_request", copied)
        gate.release()
        await house.approve(ticket, handle)
        await house.settled(handle)
        await handle.signal("revoke")
        await first.signal("revoke")
        look.release()
        await house.soon(handle.result())
        await house.soon(first.result())
    assert house.ledger("added") == []


async def extending(house: House, gate: Gate) -> tuple[TicketRef, Handle]:
    """An active request of alice's with a wish on its ticket, whose extension has come to the gate."""
    ticket, handle = await hold(house, "30s")
    house.tickets.comment_as(ticket, "/extend 30m", "alice")
    await handle.signal("extend", {"by": "alice"})
    await gate.reached()
    return ticket, handle


async def test_invented_verdict_on_a_wish_extends_nothing(jumping_house: House) -> None:
    """ "Granted until 2099, as alice wished": the judge whom the lease asks finds no such wish on the ticket."""
    house = jumping_house
    gate = employ(house).hold("judge_wishes")
    async with house.working():
        ticket, handle = await extending(house, gate)
        end = house.ledger("added")[0].at + timedelta(minutes=50)
        verdict = ExtensionVerdict(wish_id="77", person="alice", granted=True, new_end=end)
        await complete(house, handle, "judge_wishes", WishesResult(verdicts=(verdict,)))
        gate.release()
        await house.told(ticket, "that comment is not an extension wish")
        await handle.signal("revoke")
        await close(house, handle)
    assert_proved_gone(house, ticket)
    assert actions(house) == ONCE


@pytest.mark.parametrize("name", ["arm_extension", "prolong_access"])
async def test_invented_prolonging_moves_no_end(jumping_house: House, name: str) -> None:
    """Neither a warrant by a stranger's key nor a stranger's receipt prolongs: the old end is in force, and the ticket says so."""
    house = jumping_house
    gate = employ(house).hold(name)
    async with house.working():
        ticket, handle = await extending(house, gate)
        warrant = invented_warrant(house.order(ticket, lasts=A_MINUTE))
        prolonged = GrantResult(
            receipt=invented_receipt(house, "prolong"), observation=invented_look(house, Presence.PRESENT)
        )
        invented = ArmResult(warrant=warrant) if name == "arm_extension" else prolonged
        await complete(house, house.lease(), name, invented)
        gate.release()
        await house.told(ticket, "Not extended, as alice wished")
        status = await house.lease().query("status")
        assert datetime.fromisoformat(status["expires_at"]) <= datetime.now(UTC) + timedelta(seconds=30)
        await handle.signal("revoke")
        await close(house, handle)
    assert_proved_gone(house, ticket)


async def pending(handle: WorkflowHandle[Any, Any], name: str) -> None:
    """Return when it waits for such an activity."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            waiting = (await handle.describe()).raw_description.pending_activities
            if name in {each.activity_type.name for each in waiting}:
                return
            await asyncio.sleep(0.02)


async def test_evidence_that_somebody_says_was_written_is_written_all_the_same(house: House) -> None:
    """What goes on the ticket in one write is not lost with one lie: only the scribe's signature says that it stands there."""
    async with house.working():
        ticket, handle = await hold(house, "3s")
        await house.settled(handle)
        house.tickets.down()
        await hands.pending(house.lease(), "record_evidence", attempt=2)
        await complete(house, house.lease(), "record_evidence", EvidenceResult(records=5))
        house.tickets.up()
        await house.soon(handle.result())
    assert_proved_gone(house, ticket)
    assert house.kinds(ticket, house.lease_id()) == ["granted", "ending", "removed", "proved", "sessions_ended"]
    assert house.kinds(ticket, handle.id) == ["answered", "active", "closed"]


async def test_outcome_that_cannot_be_read_does_not_stop_the_request(jumping_house: House) -> None:
    """A rogue worker ends a lease with words that are no outcome: the request starts one that ends the access."""
    house = jumping_house
    async with house.working(all_but(Queue.LEASES), cache=0):
        async with rogue(house, {"sent": "two of everything"}):
            ticket, handle = await house.approved()
            await until_event(handle, EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED)
        async with house.working([Queue.LEASES], cache=0):
            await house.jump(handle, timedelta(seconds=6))
            await close(house, handle)
    assert_proved_gone(house, ticket)
    assert house.ledger("added") == []


def rogue(house: House, outcome: dict[str, str]) -> Worker:
    @activity.defn
    async def invented_outcome() -> dict[str, str]:
        return outcome

    return Worker(
        house.client,
        task_queue=queue_name(house.prefix, Queue.LEASES),
        workflows=[RogueLease],
        activities=[invented_outcome],
        workflow_runner=workflow_runner(),
        max_cached_workflows=0,
    )


async def test_replacing_a_stranger_answered_with_what_cannot_be_read_is_followed_all_the_same(
    jumping_house: House,
) -> None:
    """The answer bears nothing that anybody needs: whether the stranger is gone is seen by who holds the id then."""
    house = jumping_house
    gate = employ(house).hold("replace_holder", "after")
    async with house.working():
        ticket, handle = await hold(house)
        await house.client.start_workflow(
            SquattingWorkflow.run,
            id=house.lease_id(),
            task_queue=f"{house.prefix}strangers",
            id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
        )
        await gate.reached()
        await complete(house, handle, "replace_holder", {"replaced": ["nothing"]})
        gate.release()
        await close(house, handle)
    assert_proved_gone(house, ticket)
