"""The sweep, which has only the tickets and the vendor: the leases were begun by the real kernel, and then the engine is lost."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from activities.records import judge_writer
from domain.catalogue import StandingException, TargetMode
from domain.drift import DriftKind
from domain.errors import InvalidInputError, NotFoundError, RetryableError
from domain.evidence import property_key
from domain.freeze import PROPERTY, read_freeze
from domain.ids import TicketRef
from domain.sweep import SweepMemory, SweepOrder, SweepReport, TargetSweep
from starter.sweep import Pace, Sweep
from tests.fakes.providers import FakeAccessProviders
from tests.house import House, engine_now
from tests.workflows.stories import actions, hold

ENFORCE = TargetMode.ENFORCE
SHORT, A_SECOND = timedelta(milliseconds=50), timedelta(seconds=1)
LATE = timedelta(hours=2)
"""Later than the end of any lease here."""


async def sweep(
    house: House,
    order: SweepOrder | None = None,
    tell: Callable[[str], None] = lambda _: None,
    memory: SweepMemory | None = None,
) -> SweepReport:
    """One run, with its pauses cut short; its `memory` tells of every stranger since long ago, unless it is given."""
    people = ("alice", "bob", "carol", "dave")
    long_ago = house.clock() - timedelta(days=1)
    known = {house.lease_id(name, person): long_ago for name in house.catalogue.targets for person in people}
    return await Sweep(
        order or SweepOrder(),
        tickets=house.tickets,
        providers=FakeAccessProviders({house.provider.instance: house.provider}),
        catalogues=house,
        control=house.control,
        keys=house.keys,
        pace=Pace(apart=SHORT, between_rounds=SHORT, fence=SHORT, admitted=SHORT, reading=A_SECOND, patience=A_SECOND),
        clock=house.clock,
        memory=memory or SweepMemory(strangers=known),
        tell=tell,
    ).run()


@asynccontextmanager
async def lost_engine(house: House) -> AsyncIterator[TicketRef]:
    """An active lease of alice's, for an hour, and nobody who will ever end it."""
    async with house.working():
        ticket, _ = await hold(house)
    yield ticket


def admin(report: SweepReport) -> TargetSweep:
    (told,) = [target for target in report.targets if target.target == "admin"]
    return told


def kinds(report: SweepReport) -> list[DriftKind]:
    return [finding.kind for finding in admin(report).findings]


def add_by_hand(house: House, person: str = "dave", name: str = "admin") -> None:
    house.provider.add_by_hand(house.target(name), house.subject(person))


@pytest.mark.parametrize("mode", TargetMode)
async def test_live_lease_is_left_alone(house: House, mode: TargetMode) -> None:
    """Its ticket says that it may be held, for longer than now: nothing is found, and nothing is sent."""
    house.watch("admin", mode)
    async with lost_engine(house):
        report = await sweep(house)
    assert (kinds(report), report.faults) == ([], ())
    assert actions(house).count("removed") == 0
    assert house.is_member()


@pytest.mark.parametrize("mode", TargetMode)
async def test_overdue_access_is_ended_and_told_on_its_ticket(house: House, mode: TargetMode) -> None:
    """Whatever the mode, since we granted it: seen absent twice at the vendor, with the witness's word on the ticket."""
    house.watch("admin", mode)
    async with lost_engine(house) as ticket:
        house.clock.ahead = LATE
        report = await sweep(house)
    (gone,) = admin(report).removed
    assert (gone.ticket, gone.was_ours, gone.problem, report.faults) == (ticket.key, True, "", ())
    assert not house.is_member()
    assert actions(house)[-3:] == ["removed", "absent", "absent"]
    assert house.kinds(ticket, f"sweep/{house.lease_id()}") == ["removed", "proved", "sessions_ended"]
    assert "The sweep took away admin" in house.comments(ticket)[-1]
    assert house.ledger("sessions_ended")
    assert (await sweep(house)).removed == ()


async def test_access_that_has_just_ended_is_left_to_the_engine(house: House) -> None:
    """A lease is given some seconds to begin by itself, and more where the operator says so."""
    async with lost_engine(house):
        house.clock.ahead = timedelta(hours=1, seconds=5)
        assert not admin(await sweep(house)).removed
        house.clock.ahead = timedelta(hours=1, minutes=4)
        report = await sweep(house, SweepOrder(older_than=timedelta(minutes=5)))
        assert [finding.protected for finding in admin(report).findings] == ["the engine still has time for it"]
        assert house.is_member()
        house.clock.ahead = timedelta(hours=1, minutes=6)
        assert admin(await sweep(house, SweepOrder(older_than=timedelta(minutes=5)))).removed
    assert not house.is_member()


async def test_dry_run_writes_nowhere(house: House) -> None:
    """It looks once and tells what it would take away."""
    async with lost_engine(house) as ticket:
        house.clock.ahead = LATE
        before = (dict(house.tickets.properties(ticket)), len(house.comments(ticket)))
        for drain_all in (False, True):
            report = await sweep(house, SweepOrder(dry_run=True, drain_all=drain_all))
            assert "still a member" in "; ".join(report.faults)
        assert (dict(house.tickets.properties(ticket)), len(house.comments(ticket))) == before
    assert house.is_member()
    assert house.tickets.properties(house.control).keys() == {PROPERTY}


async def test_stranger_is_reported_or_taken_out_as_the_catalogue_says(house: House) -> None:
    """Observed: reported. Excepted by name: reported. Enforced: out, and the control ticket tells of it."""
    add_by_hand(house)
    assert [finding.protected for finding in admin(await sweep(house)).findings] == ["its target is only observed"]
    until = engine_now().date() + timedelta(days=1)
    house.watch("admin", ENFORCE, StandingException(account="00udave", reason="a robot", until=until))
    assert "a robot" in admin(await sweep(house)).findings[0].protected
    assert house.is_member(person="dave")
    house.watch("admin", ENFORCE)
    (gone,) = admin(await sweep(house)).removed
    assert (gone.ticket, gone.was_ours) == (house.control.key, False)
    assert not house.is_member(person="dave")
    assert any("The sweep took away admin" in text for text in house.comments(house.control))


async def test_limit_puts_off_strangers_and_nothing_that_was_ours(house: House) -> None:
    """The rest waits for the next run, and the run says so."""
    house.watch("admin", ENFORCE)
    async with lost_engine(house):
        house.clock.ahead = LATE
        for person in ("bob", "carol", "dave"):
            add_by_hand(house, person)
        report = await sweep(house, SweepOrder(limit=1))
    assert len(admin(report).removed) == 2
    assert not house.is_member()
    assert report.faults == ("admin: 2 more wait for the next run",)


async def test_only_what_two_looks_have_found_is_taken_away(house: House) -> None:
    """A member who has gone by the second look, and one who has come by then, are left alone."""
    house.watch("admin", ENFORCE)
    add_by_hand(house)

    def leave(words: str) -> None:
        if words.startswith("looking again"):
            house.provider.remove_by_hand(house.target(), house.subject("dave"))
            add_by_hand(house, "bob")

    assert (await sweep(house, tell=leave)).removed == ()
    assert house.is_member(person="bob")


async def test_revoked_lease_whose_removal_never_came_is_ended(house: House) -> None:
    """Its own time is not over, and the ticket says that it ends."""
    house.provider.fail("revoke", RetryableError("down"))
    async with house.working():
        ticket, handle = await hold(house)
        await handle.signal("revoke", {"by": "bob"})
        await house.until(lambda: "ending" in house.kinds(ticket, house.lease_id()))
    house.provider.succeed("revoke")
    house.clock.ahead = timedelta(minutes=3)
    (gone,) = admin(await sweep(house)).removed
    assert (gone.ticket, house.is_member()) == (ticket.key, False)


async def test_member_who_came_back_after_the_proof_is_taken_out(house: House) -> None:
    """The ticket has told that it is over: what stands there is nobody's, and was ours once."""
    async with lost_engine(house):
        house.clock.ahead = LATE
        await sweep(house)
        add_by_hand(house, "alice")
        assert admin(await sweep(house)).removed
    assert not house.is_member()


async def test_evidence_that_does_not_verify_shields_nobody(house: House) -> None:
    """Somebody who writes a proof in the name of a live lease ends it; what the judge has signed still says that it was ours."""
    async with lost_engine(house) as ticket:
        properties = house.tickets.properties(ticket)
        armed = properties[property_key(judge_writer(house.lease_id()), 0)]
        assert '"armed"' in armed
        forged = armed.replace('"armed"', '"proved"').replace(judge_writer(house.lease_id()), house.lease_id())
        properties[property_key(house.lease_id(), 0)] = forged
        (gone,) = admin(await sweep(house)).removed
    assert (gone.was_ours, house.is_member()) == (True, False)


async def test_target_that_the_catalogue_no_longer_names_is_swept(house: House) -> None:
    """Its ticket names it, for ninety days."""
    target = house.target()
    async with lost_engine(house):
        house.catalogue = house.catalogue.model_copy(
            update={"targets": {name: each for name, each in house.catalogue.targets.items() if name != "admin"}}
        )
        house.clock.ahead = LATE
        assert admin(await sweep(house)).removed
        house.provider.delete_group(target)
        assert admin(await sweep(house)).problem == "", "its ticket tells that what we granted there is gone"


async def test_unreadable_catalogue_is_told_and_leaves_what_is_ours(house: House) -> None:
    """What we granted is known from the tickets."""
    async with lost_engine(house):
        house.clock.ahead = LATE
        house.catalogue_fault = InvalidInputError("no catalogue")
        report = await sweep(house)
    assert "the catalogue cannot be read: no catalogue" in report.faults
    assert not house.is_member()


async def test_nobody_is_judged_without_the_tickets(house: House) -> None:
    """A Jira that is down would make every lease a stranger: nothing is taken away, and the run fails."""
    house.watch("admin", ENFORCE)
    async with lost_engine(house):
        house.tickets.fail("changed_since", RetryableError("down"), times=None)
        report = await sweep(house)
    assert (report.targets, "the tickets cannot be read" in report.faults[0]) == ((), True)
    assert house.is_member()


async def test_tickets_that_fall_silent_between_the_looks_end_the_run(house: House) -> None:
    """The second look confirms nothing then."""
    house.watch("admin", ENFORCE)
    add_by_hand(house)

    def silence(words: str) -> None:
        if words.startswith("looking again"):
            house.tickets.fail("changed_since", RetryableError("down"), times=None)

    report = await sweep(house, tell=silence)
    assert admin(report).problem == "nobody is judged without the tickets"
    assert house.is_member(person="dave")


async def test_target_that_cannot_be_listed_holds_no_other_up(house: House) -> None:
    """It is told, and the rest is swept."""
    house.watch("left", ENFORCE)
    add_by_hand(house, name="left")
    house.provider.delete_group(house.target("admin"))
    report = await sweep(house)
    assert "group" in admin(report).problem
    assert not house.is_member("left", "dave")


async def test_clock_that_disagrees_with_the_vendors_ends_nothing(house: House) -> None:
    """By more than half a minute: who is overdue is then anybody's guess."""
    async with lost_engine(house):
        vendors = house.provider._clock
        house.provider._clock = lambda: vendors() + timedelta(minutes=90)
        report = await sweep(house)
    assert "the clock of this host differs" in admin(report).problem
    assert house.is_member()


async def test_removal_that_fails_is_told_and_tried_by_the_next_run(house: House) -> None:
    """Nothing is said to be gone that was not seen gone."""
    async with lost_engine(house) as ticket:
        house.clock.ahead = LATE
        house.provider.fail("revoke", RetryableError("the vendor is down"))
        report = await sweep(house)
        assert "not proved to be gone: the vendor is down" in report.faults[0]
        assert f"sweep/{house.lease_id()}" not in house.chains(ticket)
        house.provider.succeed("revoke")
        assert (await sweep(house)).faults == ()
    assert not house.is_member()


async def test_removal_on_a_ticket_that_takes_nothing_is_told(house: House) -> None:
    """The access is gone all the same; on a ticket that is gone, the control ticket tells of it."""
    async with lost_engine(house):
        house.clock.ahead = LATE
        house.tickets.fail("comment", NotFoundError("no such ticket", thing="ticket"), times=1)
        (gone,) = admin(await sweep(house)).removed
        assert gone.ticket == house.control.key
        add_by_hand(house, "alice")
        house.tickets.fail("comment", RetryableError("down"), times=None)
        report = await sweep(house)
    assert "gone, and not told on" in report.faults[0]
    assert not house.is_member()


async def test_drain_freezes_and_takes_everybody_out(house: House) -> None:
    """Live leases and strangers of an enforced target; who only stands in an observed one, or is excepted, stays."""
    until = engine_now().date() + timedelta(days=1)
    house.watch("left", ENFORCE, StandingException(account="00ubob", reason="a robot", until=until))
    async with lost_engine(house):
        add_by_hand(house)
        add_by_hand(house, "bob", "left")
        add_by_hand(house, "dave", "left")
        report = await sweep(house, SweepOrder(drain_all=True))
    assert report.faults == ()
    assert {each.lease_id for each in report.removed} == {house.lease_id(), house.lease_id("left", "dave")}
    assert [house.is_member(*pair) for pair in (("admin", "alice"), ("left", "dave"))] == [False, False]
    assert [house.is_member(*pair) for pair in (("admin", "dave"), ("left", "bob"))] == [True, True]
    word = read_freeze(
        house.tickets.properties(house.control)[PROPERTY], house.control, house.keys.trusted, house.clock()
    )
    assert word.frozen


async def test_drain_goes_on_without_the_ticket_system(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be granted then either; what can be known from the vendor alone is taken out, and the run fails."""
    monkeypatch.setattr("starter.sweep.MOST_ROUNDS", 3)
    house.watch("admin", ENFORCE)
    async with lost_engine(house):
        for call in ("write_property", "changed_since", "comment", "read_properties"):
            house.tickets.fail(call, RetryableError("down"), times=None)
        report = await sweep(house, SweepOrder(drain_all=True))
    assert not house.is_member()
    assert any("the freeze could not be written" in fault for fault in report.faults)
