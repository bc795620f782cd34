"""Weeks and days: leases and requests that outlive deploys, on a server whose workflows' clocks a test lets jump."""

from datetime import datetime, timedelta

from domain.ids import TicketRef
from domain.values import parse_instant
from tests.house import House
from tests.workflows.stories import PROMPTLY


def armed_until(house: House, ticket: TicketRef) -> datetime:
    return parse_instant(str(house.chains(ticket)[f"judge/{house.lease_id()}"][0].facts["until"]))


def removed_at(house: House) -> datetime:
    (entry,) = (entry for entry in house.ledger("removed") if entry.changed)
    return entry.at


async def test_lease_of_thirty_days_ends_on_its_last_second(jumping_house: House) -> None:
    """Held for all of its time and not a moment longer, through a timer that no worker has to be there for."""
    house = jumping_house
    async with house.working():
        ticket, handle = await house.approved("30d")
        await house.told(ticket, "Access is active")
        await house.jump(house.lease(), timedelta(days=29, hours=23, minutes=59))
        assert house.is_member()
        await house.jump(house.lease(), timedelta(minutes=2))
        await house.soon(handle.result())
    assert armed_until(house, ticket) - house.ledger("added")[0].at > timedelta(days=29, hours=23, minutes=59)
    assert timedelta(0) <= removed_at(house) - armed_until(house, ticket) < PROMPTLY
    assert "proved" in house.kinds(ticket, house.lease_id())


async def test_lease_that_expired_while_every_worker_was_away_is_ended_by_the_first_one_back(
    jumping_house: House,
) -> None:
    """The end is kept by the engine, with nobody there to run it, and is carried out as soon as somebody is."""
    house = jumping_house
    async with house.working():
        ticket, handle = await house.approved("30d")
        await house.told(ticket, "Access is active")
        await house.settled(house.lease())
    await house.jump(house.lease(), timedelta(days=30))
    assert house.is_member()
    async with house.working():
        await house.until(lambda: not house.is_member())
        await house.jump(house.lease(), timedelta(minutes=1))
        await house.soon(handle.result())
    assert removed_at(house) >= armed_until(house, ticket)
    assert "proved" in house.kinds(ticket, house.lease_id())


async def test_lease_that_is_extended_after_twenty_nine_days_ends_an_hour_later(jumping_house: House) -> None:
    """An extension is on top of the end, however old the lease is."""
    house = jumping_house
    async with house.working():
        ticket, handle = await house.approved("30d")
        await house.told(ticket, "Access is active")
        await house.jump(house.lease(), timedelta(days=29))
        house.tickets.comment_as(ticket, "/extend 1h", "alice")
        await handle.signal("extend", {"by": "alice"})
        await house.told(ticket, "Extended by alice's wish")
        await house.jump(house.lease(), timedelta(days=1, minutes=50))
        assert house.is_member()
        await house.jump(house.lease(), timedelta(minutes=15))
        await house.soon(handle.result())
    late = removed_at(house) - armed_until(house, ticket) - timedelta(hours=1)
    assert timedelta(0) <= late < PROMPTLY


async def test_request_that_waited_for_23_hours_and_59_minutes_is_still_approved(jumping_house: House) -> None:
    """The wait for an approval is durable, and counts until its last minute."""
    house = jumping_house
    async with house.working():
        ticket = house.ask("1h")
        handle = await house.start(ticket)
        await house.asked(ticket)
        await house.settled(handle)
        await house.jump(handle, timedelta(hours=23, minutes=59))
        house.clock.ahead = timedelta(hours=23, minutes=59)
        assert house.provider.ledger == []
        await house.approve(ticket, handle)
        await house.told(ticket, "Access is active")
        asked_at = house.tickets.comments(ticket)[0].at
        assert house.ledger("added")[0].at - asked_at > timedelta(hours=23, minutes=58)
        await handle.signal("revoke", {})
        await house.soon(handle.result())
    assert not house.is_member()


async def test_request_that_nobody_approved_within_a_day_lapses(jumping_house: House) -> None:
    """It ends by itself, says so on the ticket, and has asked nothing of the vendor."""
    house = jumping_house
    async with house.working():
        ticket = house.ask("1h")
        handle = await house.start(ticket)
        await house.asked(ticket)
        await house.settled(handle)
        await house.jump(handle, timedelta(hours=24, minutes=1))
        await house.soon(handle.result())
        await house.told(ticket, "Closed: lapsed (nobody approved it within 1d)")
    assert house.provider.ledger == []
