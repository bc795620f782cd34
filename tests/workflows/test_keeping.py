"""A request stays with its leases: whoever holds an id, and whatever is said about it, the access is added once and taken back."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError

from activities.bundle import Keys
from activities.engine import MEMO_ISSUE_ID, MEMO_TICKET_KEY
from domain.extension import ExtensionVerdict
from domain.ids import TicketRef, request_workflow_id
from domain.lease import EndReason, LeaseState, Sent
from domain.lease_messages import LeaseNews, LeaseOutcome
from domain.messages import ExtendInput, FollowResult
from domain.queues import Queue, queue_name
from tests.house import House
from tests.queues import all_but
from tests.workflows import hands
from tests.workflows.forging import FOR_EVER, approved_unheard, complete, invented_receipt
from tests.workflows.hostile import SquattingWorkflow
from tests.workflows.porter import employ
from tests.workflows.stories import A_MINUTE, Handle, actions, assert_proved_gone, close, hold, reset, until_event
from workflows.access_request import AccessRequestWorkflow
from workflows.lease import LeaseWorkflow
from workflows.service import make_workers

ONCE = ["absent", "added", "present", "removed", "absent", "absent"]


async def squat(house: House) -> WorkflowHandle[Any, Any]:
    """Have something that is no lease hold the id of alice's, in the place of whatever held it. It needs no worker for that."""
    return await house.client.start_workflow(
        SquattingWorkflow.run,
        id=house.lease_id(),
        task_queue=f"{house.prefix}strangers",
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
    )


async def put_ending_lease(house: House, ticket: TicketRef) -> WorkflowHandle[LeaseWorkflow, LeaseOutcome]:
    """Put a lease that only ends, of this ticket, in the place of whatever holds the id of alice's."""
    return await house.client.start_workflow(
        LeaseWorkflow.run,
        house.order(ticket, lasts=timedelta(hours=1), end_only=True),
        id=house.lease_id(),
        task_queue=queue_name(house.prefix, Queue.LEASES),
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
        memo={MEMO_ISSUE_ID: ticket.issue_id, MEMO_TICKET_KEY: ticket.key},
    )


def current_run(house: House, handle: Handle) -> Handle:
    """The request by its id, so that its latest run is meant."""
    return house.client.get_workflow_handle(handle.id)


async def end(house: House, handle: Handle) -> None:
    await handle.signal("revoke", {"by": "carol"})
    await close(house, handle)


async def test_stranger_under_the_id_of_a_lease_before_the_grant_is_named_and_nothing_is_added(house: House) -> None:
    """What holds the id and is no lease would not revoke: the ticket says where to look, and the vendor hears nothing."""
    async with house.working():
        await squat(house)
        ticket, handle = await house.approved()
        await house.soon(handle.result())
        await house.told(ticket, "something that is no lease holds the id of this access")
    assert house.provider.ledger == []


async def test_stranger_that_leaves_while_it_is_asked_about_holds_nobody_up(jumping_house: House) -> None:
    """An id that came free meanwhile is asked for again: access is granted once, and taken back."""
    house = jumping_house
    gate = employ(house).hold("describe_holder")
    async with house.working():
        stranger = await squat(house)
        ticket, handle = await house.approved()
        await gate.reached()
        await stranger.terminate("by hand")
        gate.release()
        await house.told(ticket, "Access is active")
        await end(house, handle)
    assert_proved_gone(house, ticket)
    assert actions(house) == ONCE


async def test_replacing_a_stranger_that_was_failed_from_outside_is_done_again(jumping_house: House) -> None:
    """ "It cannot be replaced" by somebody's word is no end: the keeper begins anew until the access is proved gone."""
    house = jumping_house
    gate = employ(house).hold("replace_holder")
    async with house.working():
        ticket, handle = await hold(house)
        await squat(house)
        await gate.reached()
        await complete(house, handle, "replace_holder", ApplicationError("it cannot be replaced", non_retryable=True))
        gate.release()
        await close(house, handle)
    assert_proved_gone(house, ticket)


async def test_lease_that_another_ticket_ended_is_over_by_that_proof(jumping_house: House) -> None:
    """An ending lease of another ticket took the id: the request follows it and closes on what a witness signed."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        gate = house.provider.hold("revoke")
        await put_ending_lease(house, other := house.ask())
        await gate.reached()
        await following(handle)
        gate.release()
        await close(house, handle)
    assert_proved_gone(house, other)
    assert actions(house) == ONCE
    assert "closed" in house.kinds(ticket, handle.id)


async def test_lease_of_the_same_ticket_on_other_terms_is_ended_before_the_grant(jumping_house: House) -> None:
    """What the ticket holds by terms that nobody approved now is taken back first; then the approved access is added."""
    house = jumping_house
    async with house.working():
        ticket = await approved_unheard(house)
        gate = house.provider.hold("revoke")
        await put_ending_lease(house, ticket)
        await gate.reached()
        handle = house.client.get_workflow_handle(request_workflow_id(ticket))
        await handle.signal("approve")
        await following(handle)
        assert house.ledger("added") == []
        gate.release()
        await house.until(lambda: len(house.ledger("looked")) > 0)
        await house.jump(house.lease(), A_MINUTE)
        await house.told(ticket, "Access is active")
        await end(house, handle)
    assert_proved_gone(house, ticket)
    assert actions(house) == ["(removed)", "absent", "absent", *ONCE]


async def test_request_that_was_revoked_while_it_waited_for_the_id_never_starts_its_lease(jumping_house: House) -> None:
    """Another ticket's lease was on its way out; when the id is free, nobody wants it any more."""
    house = jumping_house
    async with house.working():
        gate = house.provider.hold("revoke")
        other = await put_ending_lease(house, house.ask())
        await gate.reached()
        ticket, handle = await house.approved()
        await following(handle)
        await handle.signal("revoke", {"by": "carol"})
        gate.release()
        await house.until(lambda: len(house.ledger("looked")) > 0)
        await house.jump(other, A_MINUTE)
        await house.soon(handle.result())
    assert actions(house) == ["(removed)", "absent", "absent"]
    assert house.kinds(ticket, house.lease_id()) == []


async def test_request_that_was_reset_and_revoked_ends_its_lease_whatever_is_said_of_the_holder(house: House) -> None:
    """Nonsense for an answer about who holds the id is none: it is asked again, by a keeper that only ends."""
    gate = employ(house).hold("describe_holder")
    async with house.working():
        ticket, handle = await hold(house)
        await reset(house, handle)
        current = current_run(house, handle)
        await gate.reached()
        await current.signal("revoke", {"by": "carol"})
        await complete(house, current, "describe_holder", "nobody")
        gate.release()
        await house.until(lambda: not house.is_member())
        await house.soon(current.result())
    assert_proved_gone(house, ticket)
    assert actions(house) == ONCE


def unproved(house: House) -> FollowResult:
    outcome = LeaseOutcome(lease_id=house.lease_id(), run_id="r", reason=EndReason.EXPIRED, sent=Sent.NOTHING)
    return FollowResult(outcome=outcome)


@pytest.mark.parametrize("said", ["unproved", "failed", "nonsense"])
async def test_end_of_a_followed_lease_that_was_invented_closes_no_ticket(house: House, said: str) -> None:
    """A reset request follows its lease: only a proof tells it that the access is gone, and it still obeys revoke."""
    gate = employ(house).hold("follow_lease")
    ended = {"unproved": unproved(house), "failed": ApplicationError("gone", non_retryable=True), "nonsense": "gone"}
    async with house.working():
        ticket, handle = await hold(house)
        await reset(house, handle)
        current = current_run(house, handle)
        await gate.reached()
        await complete(house, current, "follow_lease", ended[said])
        await following(current)
        assert house.is_member()
        assert "closed" not in house.kinds(ticket, handle.id)
        gate.release()
        await current.signal("revoke", {"by": "carol"})
        await house.until(lambda: not house.is_member())
        await house.soon(current.result())
    assert_proved_gone(house, ticket)


async def test_lease_that_was_deleted_from_the_engine_does_not_take_its_end_along(jumping_house: House) -> None:
    """No run is left that could hear the revoke or the cancel: the request that followed it starts one that ends the access."""
    house = jumping_house
    gate = employ(house).hold("follow_lease")
    async with house.working():
        ticket, handle = await hold(house)
        await reset(house, handle)
        current = current_run(house, handle)
        await gate.reached()
        await hands.delete(house, house.lease_id())
        await hands.until_forgotten(house.lease())
        await current.signal("revoke", {"by": "carol"})
        await unheard(current)
        assert house.is_member()
        gate.release()
        await close(house, current)
    assert_proved_gone(house, ticket)


async def test_news_of_a_prolonging_that_no_witness_signed_answers_no_offer(jumping_house: House) -> None:
    """Somebody says in the lease's name that it prolonged: the lease's own answer decides, and here it is no."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        gate = house.provider.hold("verify")
        wish_id = house.tickets.comment_as(ticket, "/extend 30m", "alice")
        answer = asyncio.create_task(ask_about(handle, wish_id))
        await gate.reached()
        news = LeaseNews(
            lease_id=house.lease_id(),
            run_id="r",
            state=LeaseState.ACTIVE,
            at=datetime.now(UTC),
            expires_at=FOR_EVER,
            wish_id=wish_id,
            prolonged=True,
            receipt=invented_receipt(house, "prolong"),
        )
        await handle.signal("lease_news", news)
        house.provider.remove_by_hand(house.target(), house.subject())
        looks = len(house.ledger("looked"))
        gate.release()
        await house.until(lambda: len(house.ledger("looked")) > looks)
        await house.jump(house.lease(), timedelta(seconds=10))
        verdict = await house.soon(answer)
        assert isinstance(verdict, ExtensionVerdict)
        assert not verdict.granted
        assert "read back absent" in verdict.reason
        await end(house, handle)
    assert_proved_gone(house, ticket)


async def test_wishes_that_were_judged_by_nobody_are_refused(jumping_house: House) -> None:
    """A judgement that was completed from outside with nonsense extends nothing, and harms nothing either."""
    house = jumping_house
    gate = employ(house).hold("judge_wishes")
    async with house.working():
        ticket, handle = await hold(house)
        wish_id = house.tickets.comment_as(ticket, "/extend 30m", "alice")
        answer = asyncio.create_task(ask_about(handle, wish_id))
        await gate.reached()
        await complete(house, handle, "judge_wishes", "granted")
        verdict = await house.soon(answer)
        assert isinstance(verdict, ExtensionVerdict)
        assert (verdict.granted, verdict.reason) == (False, "no such wish could be read on the ticket")
        gate.release()
        assert house.is_member()
        await end(house, handle)
    assert_proved_gone(house, ticket)


async def test_wish_that_was_granted_when_every_lease_was_over_extends_nothing(house: House) -> None:
    """Judged in time, but heard of together with the end of the lease: the ticket says that it came to nothing."""
    gate = employ(house).hold("judge_wishes", "after")
    async with house.working(all_but(Queue.REQUESTS)):
        async with house.working([Queue.REQUESTS]):
            ticket, handle = await hold(house)
            house.tickets.comment_as(ticket, "/extend 30m", "alice")
            await handle.signal("extend", {"by": "alice"})
            await gate.reached()
        lease = house.lease()
        await lease.signal("revoke")
        await until_event(handle, EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED)
        gate.release()
        await answered(handle)
        async with house.working([Queue.REQUESTS]):
            await house.soon(handle.result())
    await house.told(ticket, "Not extended, as alice wished: no lease of this request is live")
    assert_proved_gone(house, ticket)
    assert actions(house) == ONCE


async def test_process_without_the_key_of_witnesses_serves_no_queue_that_adds(house: House) -> None:
    """It gets no worker for grants, so that none of its slots takes a grant that it could not sign for."""
    house.keys = Keys(house.keys.trusted, judge=house.keys.judge, scribe=house.keys.scribe)
    workers = make_workers(house.client, house.prefix, house.activities(), Queue)
    served = {worker.task_queue for worker in workers}
    assert served == {queue_name(house.prefix, queue) for queue in all_but(Queue.GRANTS)}


async def ask_about(handle: Handle, wish_id: str) -> ExtensionVerdict:
    return await handle.execute_update(AccessRequestWorkflow.request_extension, ExtendInput(wish_id=wish_id))


async def pending(handle: WorkflowHandle[Any, Any]) -> set[str]:
    """The names of a workflow's pending activities."""
    described = (await handle.describe()).raw_description
    return {each.activity_type.name for each in described.pending_activities}


async def following(handle: Handle) -> None:
    """Return when a request waits for a lease that it did not start itself."""
    async with asyncio.timeout(20):
        while "follow_lease" not in await pending(handle):
            await asyncio.sleep(0.02)


async def answered(handle: Handle) -> None:
    """Return when none of a request's activities is pending."""
    async with asyncio.timeout(20):
        while await pending(handle):
            await asyncio.sleep(0.02)


async def unheard(handle: Handle) -> None:
    """Return when the cancel that a request sent to its lease has failed."""
    failed = EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED
    async with asyncio.timeout(20):
        while failed not in [event.event_type for event in (await handle.fetch_history()).events]:
            await asyncio.sleep(0.05)
