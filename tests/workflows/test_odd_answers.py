"""Odd answers at odd moments, for a request: lost hints, floods, invented or failed judgements. It still ends, and says why."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError, CancelledError

from domain.approval import ApprovalOutcome, ApprovalVerdict, RefusedAnswer
from domain.ids import TicketRef
from domain.messages import JudgeResult, OpenResult
from domain.terms import RequestTerms, resolve_terms
from tests.fakes.script import Gate
from tests.house import House
from tests.workflows.forging import complete
from tests.workflows.stories import Handle, actions, assert_proved_gone, close, hold
from workflows.access_request import AccessRequestWorkflow
from workflows.approving import MAX_ROUNDS
from workflows.paper import MAX_FACTS
from workflows.request_book import MAX_ENTRIES


async def waiting(house: House) -> tuple[TicketRef, Handle]:
    """A request of alice's whose question is posted and has been looked at once."""
    ticket = house.ask()
    handle = await house.start(ticket)
    await house.asked(ticket)
    await house.settled(handle)
    return ticket, handle


async def at_gate(house: House, call: str, handle: Handle, signal: str) -> Gate:
    """Send a hint, and return when what it leads to stands before the ticket system."""
    gate = house.tickets.hold(call)
    await handle.signal(signal, {"by": "bob"})
    await gate.reached()
    return gate


async def test_ticket_declined_with_the_hint_lost_grants_nothing(house: House) -> None:
    """The ticket decides and not the hint: one that says yes over a declined ticket ends the request as denied."""
    async with house.working():
        ticket, handle = await waiting(house)
        house.tickets.transition_as(ticket, "Declined", "bob")
        await handle.signal("approve", {"by": "bob"})
        await house.soon(handle.result())
    assert house.provider.ledger == []
    assert any("Closed: denied (bob set the ticket to 'Declined')" in text for text in house.comments(ticket))


async def test_ticket_that_never_stands_still_is_refused(house: House) -> None:
    """Whoever changes what is asked for after every question wears out nobody: the request ends, and grants nothing."""
    async with house.working():
        ticket = house.ask()
        handle = await house.start(ticket)
        for number in range(1, MAX_ROUNDS):
            await house.asked(ticket, number)
            house.tickets.edit(ticket, "Duration", f"{number + 1}h", "alice")
            await handle.signal("approve", {"by": "bob"})
        await house.soon(handle.result())
    assert house.provider.ledger == []
    assert any(f"changed {MAX_ROUNDS - 1} times" in text for text in house.comments(ticket))


async def terms_of(house: House, ticket: TicketRef) -> RequestTerms:
    terms = resolve_terms(await house.tickets.read(ticket), house.current(), house.tickets.rules)
    assert isinstance(terms, RequestTerms)
    return terms


@pytest.mark.parametrize(
    ("invent", "why"),
    [
        (lambda _terms: "opened", "open_request gave an answer that cannot be read"),
        (lambda _terms: ApplicationError("no such project", non_retryable=True), "no such project"),
        (lambda terms: OpenResult(terms=terms), "the question was never posted"),
    ],
    ids=["a word", "failed for good", "no question"],
)
async def test_opening_that_was_invented_grants_nothing(
    house: House, invent: Callable[[RequestTerms], object], why: str
) -> None:
    """Without a question that was posted there is nothing to approve: the request is refused, and the ticket says why."""
    async with house.working():
        ticket = house.ask()
        terms = await terms_of(house, ticket)
        gate = house.tickets.hold("read")
        handle = await house.start(ticket)
        await gate.reached()
        await complete(house, handle, "open_request", invent(terms))
        gate.release()
        await house.soon(handle.result())
    assert house.provider.ledger == []
    assert any(f"Closed: refused ({why}" in text for text in house.comments(ticket))


async def test_search_for_armed_leases_that_was_failed_from_outside_is_done_again(house: House) -> None:
    """No request closes its ticket before the ticket has been looked through for leases that must end."""
    async with house.working():
        ticket, handle = await waiting(house)
        gate = await at_gate(house, "read_properties", handle, "deny")
        await complete(house, handle, "find_armed", ApplicationError("there are none", non_retryable=True))
        assert "closed" not in house.kinds(ticket, handle.id)
        gate.release()
        await house.soon(handle.result())
    history = await handle.fetch_history()
    names = [event.activity_task_scheduled_event_attributes.activity_type.name for event in history.events]
    assert names.count("find_armed") > 1
    assert "closed" in house.kinds(ticket, handle.id)


async def test_judging_of_wishes_cancelled_from_outside_ends_the_access(jumping_house: House) -> None:
    """A request that can judge no wish any more does not hold on: access is taken back, and the ticket names the error."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        gate = await at_gate(house, "read", handle, "extend")
        await complete(house, handle, "judge_wishes", CancelledError("by hand"))
        gate.release()
        await close(house, handle)
    assert_proved_gone(house, ticket)
    assert any("Closed: ended (an error of its own: ActivityError" in text for text in house.comments(ticket))


async def test_flood_of_hints_is_one_line_and_a_revoke_behind_it_is_obeyed(house: House) -> None:
    """Hints without number fill no list for people: the one that takes away is heard, and told, all the same."""
    async with house.working():
        ticket, handle = await waiting(house)
        async with asyncio.TaskGroup() as senders:
            for _ in range(MAX_ENTRIES + 10):
                senders.create_task(handle.signal("approve", {"by": "mallory"}))
        timeline = await handle.query(AccessRequestWorkflow.timeline)
        assert [entry.what for entry in timeline.entries] == [
            "asked for admin for alice (round 1)",
            "the ticket has changed: it is read again",
        ]
        await handle.signal("revoke", {"by": "carol"})
        await house.soon(handle.result())
    assert house.provider.ledger == []
    assert any("Closed: denied (revoked)" in text for text in house.comments(ticket))


async def test_flood_of_refused_answers_leaves_room_for_the_end(house: House) -> None:
    """A judgement invented with more refusals than a ticket should bear is cut; that the request closed is recorded."""
    refused = tuple(RefusedAnswer(answer_id=str(n), by=f"mallory{n}", reason="no") for n in range(MAX_FACTS + 10))
    flood = JudgeResult(verdict=ApprovalVerdict(outcome=ApprovalOutcome.PENDING, refused=refused))
    async with house.working():
        ticket, handle = await waiting(house)
        gate = await at_gate(house, "read", handle, "approve")
        await complete(house, handle, "judge_request", flood)
        gate.release()
        await house.until(lambda: house.kinds(ticket, handle.id).count("answered") == MAX_FACTS)
        timeline = await handle.query(AccessRequestWorkflow.timeline)
        assert len(timeline.entries) == MAX_ENTRIES
        await handle.signal("deny", {"by": "bob"})
        await house.soon(handle.result())
    assert house.kinds(ticket, handle.id) == ["answered"] * MAX_FACTS + ["closed"]


async def test_writing_that_was_completed_from_outside_is_done_again(jumping_house: House) -> None:
    """ "It is written", said by a stranger, writes nothing: the lease writes it, each fact once and in order."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        await house.settled(handle)
        await house.settled(house.lease())
        gate = await at_gate(house, "write_property", handle, "revoke")
        await complete(house, house.lease(), "record_evidence", "it is written")
        gate.release()
        await house.jump(house.lease(), timedelta(seconds=6))
        await close(house, handle)
    assert_proved_gone(house, ticket)
    assert house.kinds(ticket, house.lease_id()) == ["granted", "ending", "removed", "proved", "sessions_ended"]


async def test_pair_that_the_vendor_objects_to_is_refused_with_the_objection(house: House) -> None:
    """A group that a rule assigns is not ours to hold: nothing is sent, and the ticket says what stands against it."""
    house.provider.groups["00gadmin"].rules.append("everyone-in-finance")
    async with house.working():
        ticket, handle = await house.approved()
        await house.soon(handle.result())
    assert actions(house) == ["absent"]
    assert any("rule everyone-in-finance assigns to group 00gadmin" in text for text in house.comments(ticket))
