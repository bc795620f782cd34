"""Leases that are live and approved, beside which a sweep runs that sees little, late, or wrong: it takes none of them away."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from activities.ports import Look
from domain.catalogue import TargetMode
from domain.errors import NotFoundError
from domain.ids import SubjectRef, TargetRef, TicketRef
from domain.sweep import SweepMemory
from tests.house import House
from tests.workflows.stories import hold
from tests.workflows.test_sweep import LATE, add_by_hand, admin, lost_engine, sweep
from tests.workflows.test_sweep_attacks import judged, refusing

ENFORCE = TargetMode.ENFORCE


def allow(house: House, duration: timedelta) -> None:
    """The catalogue lets everything be held that long."""
    longer = {
        key: each.model_copy(update={"max_duration": duration}) for key, each in house.catalogue.entitlements.items()
    }
    house.catalogue = house.catalogue.model_copy(update={"entitlements": longer})


async def test_lease_of_a_hundred_days_is_still_covered_in_its_last_week(house: House) -> None:
    """Nobody has touched its ticket since the grant; the catalogue may allow up to a year."""
    allow(house, timedelta(days=120))
    house.watch("admin", ENFORCE)
    async with house.working():
        await hold(house, "100d")
    house.clock.ahead = timedelta(days=95)
    assert admin(await sweep(house)).removed == ()
    assert house.is_member()


async def test_lease_of_a_hundred_days_is_ended_when_it_is_over(house: House) -> None:
    """In a target that is only observed, what the sweep forgets nobody ends."""
    allow(house, timedelta(days=120))
    async with house.working():
        await hold(house, "100d")
    house.clock.ahead = timedelta(days=101)
    assert admin(await sweep(house)).removed
    assert not house.is_member()


async def test_ticket_that_is_not_found_once_takes_no_cover_away(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine believes a 404 only after several, beside a control ticket that stands; so does who removes."""
    house.watch("admin", ENFORCE)
    async with lost_engine(house) as ticket:
        house.clock.ahead = timedelta(minutes=30)
        refusing(house, ticket, NotFoundError("no such ticket", thing="ticket"), monkeypatch, times=1)
        report = await sweep(house)
    assert (admin(report).removed, house.is_member()) == ((), True)


async def test_lease_whose_ticket_the_search_shows_minutes_late_is_left_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By no more than the lag that the ledger itself reckons with (`INDEX_LAG`)."""
    house.watch("admin", ENFORCE)
    async with lost_engine(house) as ticket:
        honest = house.tickets.changed_since

        async def lagging(since: datetime) -> Sequence[TicketRef]:
            return [each for each in await honest(since) if each != ticket]

        monkeypatch.setattr(house.tickets, "changed_since", lagging)
        report = await sweep(house, memory=SweepMemory())
    assert (admin(report).removed, house.is_member()) == ((), True)


async def test_lease_that_was_granted_while_others_were_being_removed_is_left_alone(house: House) -> None:
    """A removal may come many minutes after the look that asked for it: what stands there by then is judged again."""
    house.watch("admin", ENFORCE)
    house.watch("left", ENFORCE)
    add_by_hand(house)
    add_by_hand(house, name="left")
    granting: list[asyncio.Task[None]] = []

    async def grant() -> None:
        await judged(house, house.ask(), timedelta(hours=1), name="left")
        add_by_hand(house, name="left")

    def go_on(words: str) -> None:
        if words.startswith("taking"):
            house.provider.remove_by_hand(house.target("left"), house.subject("dave"))
            granting.append(asyncio.create_task(grant()))

    report = await sweep(house, tell=go_on)
    await granting[0]
    assert house.is_member("left", "dave"), report
    assert not house.is_member(person="dave")


async def test_vendor_that_tells_no_time_ends_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own clock is the one that counts: a host that runs two hours ahead must not be believed instead."""
    async with lost_engine(house):
        house.clock.ahead = LATE
        honest = house.provider.verify

        async def timeless(target: TargetRef, subject: SubjectRef) -> Look:
            return (await honest(target, subject)).model_copy(update={"vendor_at": None})

        monkeypatch.setattr(house.provider, "verify", timeless)
        report = await sweep(house)
    assert (admin(report).removed, house.is_member(), admin(report).problem != "") == ((), True, True)
