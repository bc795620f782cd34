"""Tickets that vanish under a running request: it is told to revoke, once, and only when the absence is certain."""

from datetime import timedelta

import pytest

from domain.errors import RetryableError
from domain.ids import TicketRef
from starter.vanished import BATCH, VanishedTickets
from tests.bridge.conftest import House, created, until


@pytest.fixture
def control(house: House) -> TicketRef:
    return house.create(creator="712020:carol")


@pytest.fixture
def vanished(house: House, control: TicketRef) -> VanishedTickets:
    settings = house.settings().model_copy(
        update={"control_issue_id": control.issue_id, "control_issue_key": control.key}
    )
    return VanishedTickets(settings, house.client, house.tickets, interval=timedelta(minutes=1))


async def asked(house: House, *tickets: TicketRef) -> None:
    """A running request for each of them, that Temporal lists."""
    async with house.bridge() as address:
        for ticket in tickets:
            await house.post(address, created(ticket))
    listed = "ExecutionStatus = 'Running' AND NightlatchTicket IN ({})".format(
        ", ".join(f"'{ticket.key}'" for ticket in tickets)
    )
    await until(lambda: _is_listed(house, listed, len(tickets)))


async def _is_listed(house: House, query: str, number: int) -> bool:
    running = [found async for found in house.client.list_workflows(query) if f":{house.site}/" in found.id]
    return len(running) == number


async def test_tell_request_to_revoke_when_its_ticket_is_missed_twice(house: House, vanished: VanishedTickets) -> None:
    """Deleted under a running request: the second look tells it to revoke, a third says nothing more, the others hear nothing."""
    ticket, other = house.create(), house.create()
    await asked(house, ticket, other)
    await vanished.look_once()
    house.tickets.delete(ticket)
    await vanished.look_once()
    assert await house.names(ticket) == []
    await vanished.look_once()
    await vanished.look_once()
    assert await house.names(ticket) == ["revoke"]
    assert await house.names(other) == []


async def test_believe_no_absence_while_the_control_ticket_is_missing_too(
    house: House, control: TicketRef, vanished: VanishedTickets
) -> None:
    """An account that lost its rights sees nothing at all: that ends no access."""
    ticket = house.create()
    await asked(house, ticket)
    house.tickets.delete(ticket)
    house.tickets.delete(control)
    for _ in range(3):
        await vanished.look_once()
    assert await house.names(ticket) == []


async def test_begin_anew_when_a_look_in_between_failed_or_found_the_ticket(
    house: House, vanished: VanishedTickets
) -> None:
    """A look that failed proves nothing, and forgets nothing of the look before it."""
    ticket = house.create()
    await asked(house, ticket)
    house.tickets.delete(ticket)
    await vanished.look_once()
    house.tickets.fail("missing_among", RetryableError("down"))
    with pytest.raises(RetryableError):
        await vanished.look_once()
    assert await house.names(ticket) == []
    await vanished.look_once()
    assert await house.names(ticket) == ["revoke"]


async def test_tell_at_once_when_the_webhook_says_deleted(house: House) -> None:
    """A ticket whose deletion Jira tells of needs no second look: taking away is obeyed from anyone who can sign."""
    ticket = house.create()
    async with house.bridge() as address:
        body = created(ticket)
        await house.post(address, body)
        house.tickets.delete(ticket)
        answer = await house.post(address, body | {"webhookEvent": "jira:issue_deleted"})
        assert (answer.status_code, answer.json()["outcome"]) == (200, "accepted")
    assert await house.names(ticket) == ["revoke"]


def test_ask_for_no_more_tickets_at_once_than_can_be_shown() -> None:
    """The control ticket goes along in every call: together they are the hundred that Jira shows."""
    assert BATCH + 1 == 100
