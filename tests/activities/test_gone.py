"""Tickets that are gone: absence is believed late, beside the control ticket, and what belongs on them is kept there."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.gone import LOOKS
from domain.errors import NotFoundError
from domain.evidence import RecordKind
from domain.ids import TicketRef
from domain.lease_messages import VoidExtensionInput
from domain.messages import ArmedInput, WishesInput
from domain.paper import EvidenceInput, EvidenceResult, Fact
from domain.terms import RequestTerms
from tests.activities.office import LEASE, Office


def told(office: Office, ticket: TicketRef, *names: str, final: bool = True) -> EvidenceInput:
    facts = tuple(Fact(fact_id=name, kind=RecordKind.ACTIVE, at=office.at) for name in names)
    return EvidenceInput(ticket=ticket, writer=LEASE, facts=facts, final=final)


async def attempt(office: Office, number: int, function: Callable[[Any], Awaitable[Any]], request: object) -> Any:
    return await office.caller(attempt=number).run(function, request)


async def record(office: Office, number: int, request: EvidenceInput) -> EvidenceResult:
    result: EvidenceResult = await attempt(office, number, office.scribe.record_evidence, request)
    return result


async def kept_aside(office: Office, ticket: TicketRef) -> list[str]:
    return [found.record_id for found in await office.records.chain(ticket, LEASE, office.control)]


async def test_records_of_a_deleted_ticket_are_kept_on_the_control_ticket_once_and_whole(office: Office) -> None:
    """Nothing that became true is lost with its ticket, and the control ticket says whose it is."""
    ticket = office.ask()
    await record(office, 1, told(office, ticket, "one", final=False))
    office.tickets.delete(ticket)
    assert (await record(office, LOOKS, told(office, ticket, "two", final=False))).records == 0
    assert await kept_aside(office, ticket) == []
    for _ in range(2):
        assert (await record(office, LOOKS, told(office, ticket, "one", "two"))).records == 2
    assert await kept_aside(office, ticket) == ["one", "two"]
    (comment,) = office.tickets.comments(office.control)
    assert f"{ticket.key} was deleted, or is hidden from Nightlatch" in comment.text


async def test_records_of_two_deleted_tickets_about_one_pair_stand_side_by_side(office: Office) -> None:
    """The same lease id writes for one ticket after another: neither chain is taken for the other."""
    first, second = office.ask(), office.ask()
    for ticket in (first, second):
        office.tickets.delete(ticket)
        await record(office, LOOKS, told(office, ticket, "one"))
    assert len(office.tickets.comments(office.control)) == 2
    assert await kept_aside(office, first) == ["one"]
    assert await office.records.chain(second, f"{LEASE}~2", office.control)


async def test_ticket_that_was_not_found_once_is_not_given_up(office: Office) -> None:
    """The first attempts fail and are made again: the ticket may be back by then, and gets its records itself."""
    ticket = office.ask()
    for number in range(1, LOOKS):
        office.tickets.fail("read_properties", NotFoundError("hidden", thing="ticket"))
        with pytest.raises(ApplicationError, match="hidden"):
            await record(office, number, told(office, ticket, "one"))
    office.tickets.fail("read_properties", NotFoundError("hidden", thing="ticket"))
    with pytest.raises(ApplicationError, match="hidden"):
        await record(office, LOOKS, told(office, ticket, "one"))
    assert (await record(office, LOOKS + 1, told(office, ticket, "one"))).records == 1
    assert office.tickets.comments(office.control) == ()


async def test_absence_is_not_believed_when_the_control_ticket_is_not_found_either(office: Office) -> None:
    """An account that lost its rights knows nothing: the writing waits."""
    ticket = office.ask()
    office.tickets.delete(ticket)
    office.tickets.delete(office.control)
    with pytest.raises(ApplicationError, match="does not exist, or we may not see it"):
        await record(office, LOOKS, told(office, ticket, "one"))


async def test_nothing_is_wished_for_armed_or_voided_on_a_deleted_ticket(office: Office) -> None:
    """What waits for a ticket at the end of a request or lease does not wait for one that will not come back."""
    order = await office.approved()
    ticket, terms = order.ticket, await terms_of(office, order.ticket)
    office.tickets.delete(ticket)
    wishes = WishesInput(
        ticket=ticket, terms=terms, first_end=order.expires_at, current_end=order.expires_at, times_extended=0
    )
    void = VoidExtensionInput(order=order, wish_id="1", end=order.expires_at)
    for function, request in (
        (office.judge.judge_wishes, wishes),
        (office.judge.find_armed, ArmedInput(ticket=ticket)),
        (office.arming.void_extension, void),
    ):
        with pytest.raises(ApplicationError):
            await attempt(office, 1, function, request)
        result = await attempt(office, LOOKS, function, request)
        assert not any(getattr(result, name, None) for name in ("verdicts", "leases", "records"))


async def terms_of(office: Office, ticket: TicketRef) -> RequestTerms:
    opened = await office.open(ticket)
    assert opened.terms is not None
    return opened.terms
