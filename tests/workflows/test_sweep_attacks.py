"""What is done, by people, vendors and tickets, so that a sweep leaves access on that is over, or says nothing of it."""

import asyncio
import json
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType

from activities.ports import Look
from activities.records import TicketRecords, judge_writer
from domain.catalogue import TargetKind, TargetMode
from domain.errors import ForbiddenError, RateLimitedError, RetryableError
from domain.evidence import RecordKind, property_key
from domain.ids import SubjectRef, TargetRef, TicketRef
from domain.paper import Fact
from domain.sweep import SweepOrder
from domain.values import render_instant
from starter.sweep import Pace, Sweep
from tests.fakes.providers import FakeAccessProviders
from tests.house import House
from tests.workflows.forging import start_lease
from tests.workflows.stories import A_MINUTE, hold, until_event
from tests.workflows.test_sweep import LATE, SHORT, add_by_hand, admin, kinds, lost_engine, sweep

ENFORCE = TargetMode.ENFORCE


def refusing(
    house: House, ticket: TicketRef, error: Exception, monkeypatch: pytest.MonkeyPatch, times: int = 10_000
) -> None:
    """The ticket's properties cannot be read so often; those of all others can."""
    honest, left = house.tickets.read_properties, [times]

    async def read(asked: TicketRef, prefix: str) -> dict[str, str]:
        if asked == ticket and left[0] > 0:
            left[0] -= 1
            raise error
        return await honest(asked, prefix)

    monkeypatch.setattr(house.tickets, "read_properties", read)


async def judged(
    house: House, ticket: TicketRef, lasts: timedelta, *, name: str = "admin", kind: str = TargetKind.OKTA_GROUP.value
) -> None:
    """The judge arms a lease of dave's on `ticket`, without an engine."""
    at = house.clock()
    facts = {"run": "another-run", "until": render_instant(at + lasts), "kind": kind, "name": name}
    fact = Fact(fact_id="armed/another-run", kind=RecordKind.ARMED, at=at, facts=facts)
    records = TicketRecords(house.tickets, house.keys.trusted)
    assert house.keys.judge is not None
    await records.append(ticket, judge_writer(house.lease_id(name, "dave")), (fact,), house.keys.judge, ())


async def test_member_who_is_put_back_at_once_holds_up_nobody_else(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given up within the patience of one removal, and told."""
    house.watch("admin", ENFORCE)
    house.watch("left", ENFORCE)
    add_by_hand(house)
    add_by_hand(house, "bob", "left")
    honest = house.provider.revoke

    async def revoke(target: TargetRef, subject: SubjectRef, window: object) -> object:
        answered = await honest(target, subject, window)  # type: ignore[arg-type]
        if subject == house.subject("dave"):
            loop = asyncio.get_running_loop()
            loop.call_later(0.1, house.provider.add_by_hand, target, subject)
        return answered

    monkeypatch.setattr(house.provider, "revoke", revoke)
    async with asyncio.timeout(8):
        report = await sweep(house)
    assert not house.is_member("left", "bob")
    assert house.lease_id(person="dave") in "; ".join(report.faults)


@pytest.mark.parametrize("writer", ["\ud800", "judge/nonsense", ["judge/"]])
async def test_property_of_a_strangers_stops_no_run(house: House, writer: object) -> None:
    """Whoever may edit a ticket can write one."""
    async with lost_engine(house) as ticket:
        house.tickets.properties(ticket)["nightlatch.x.0"] = json.dumps({"records": [{"writer": writer}]})
        house.clock.ahead = LATE
        await sweep(house)
    assert not house.is_member()


async def test_record_that_this_release_cannot_read_stops_no_run(house: House) -> None:
    """A kind of target that only a newer release knows: told, and everybody else is judged."""
    async with lost_engine(house):
        await judged(house, house.ask(), timedelta(hours=1), kind="newer_kind")
        house.clock.ahead = LATE
        report = await sweep(house)
    assert not house.is_member()
    assert report.faults


async def test_one_ticket_that_cannot_be_read_keeps_no_other_access_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is over by the tickets that were read is ended; that one was not is told."""
    async with lost_engine(house):
        refusing(house, house.ask(), ForbiddenError("hidden by its security level"), monkeypatch)
        house.clock.ahead = LATE
        report = await sweep(house)
    assert report.faults
    assert not house.is_member()


async def test_ticket_system_that_asks_for_patience_once_does_not_end_the_run(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run makes thousands of calls: one that is to come again is made again."""
    async with lost_engine(house) as ticket:
        error = RateLimitedError("slower", delay=timedelta(milliseconds=10))
        refusing(house, ticket, error, monkeypatch, times=1)
        house.clock.ahead = LATE
        report = await sweep(house)
    assert (house.is_member(), report.faults) == (False, ())


async def test_sessions_that_were_not_ended_are_told_as_such(house: House) -> None:
    """The access is proved gone: that is said, and recorded, whatever else is left to do."""
    async with lost_engine(house) as ticket:
        house.clock.ahead = LATE
        house.provider.fail("end_sessions", RetryableError("the vendor is down"))
        report = await sweep(house)
    assert not house.is_member()
    assert report.faults
    assert "not proved to be gone" not in "; ".join(report.faults)
    assert house.kinds(ticket, f"sweep/{house.lease_id()}")[:2] == ["removed", "proved"]


async def test_sessions_that_were_not_ended_are_ended_by_the_next_run(house: House) -> None:
    """Or it says that they were not: the member is gone from the list, and is not forgotten for that."""
    async with lost_engine(house):
        house.clock.ahead = LATE
        house.provider.fail("end_sessions", RetryableError("the vendor is down"))
        await sweep(house)
        house.provider.succeed("end_sessions")
        report = await sweep(house)
    assert house.ledger("sessions_ended") or report.faults


async def test_lease_that_was_armed_and_refused_covers_nobody(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its run has told that nothing was sent: who is put in by hand afterwards is no holder of it."""
    house.watch("admin", ENFORCE)
    armed, go_on = asyncio.Event(), asyncio.Event()
    honest, judged_at = house.tickets.write_property, property_key(judge_writer(house.lease_id()), 0)

    async def write(ticket: TicketRef, key: str, text: str) -> None:
        await honest(ticket, key, text)
        if key == judged_at:
            armed.set()
            await go_on.wait()

    monkeypatch.setattr(house.tickets, "write_property", write)
    async with house.working():
        ticket, handle = await house.approved()
        await house.soon(armed.wait())
        await house.lease().signal("revoke")
        await until_event(house.lease(), EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED)
        go_on.set()
        await house.soon(handle.result())
    assert house.kinds(ticket, judge_writer(house.lease_id())) == ["armed"]
    assert "refused" in house.kinds(ticket, house.lease_id())
    assert not house.ledger("added")
    add_by_hand(house, "alice")
    assert kinds(await sweep(house))


@pytest.mark.parametrize("nonsense", ["{}", '{"records":[{"writer":"somebody"}]}'])
async def test_ending_that_was_written_over_covers_nobody(house: House, nonsense: str) -> None:
    """A chain that does not verify shields nobody, however little of it is left under its key."""
    house.provider.fail("revoke", RetryableError("down"))
    async with house.working():
        ticket, handle = await hold(house)
        await handle.signal("revoke", {"by": "bob"})
        await house.until(lambda: "ending" in house.kinds(ticket, house.lease_id()))
    house.provider.succeed("revoke")
    house.tickets.properties(ticket)[property_key(house.lease_id(), 0)] = nonsense
    house.clock.ahead = timedelta(minutes=3)
    assert admin(await sweep(house)).removed
    assert not house.is_member()


@pytest.mark.parametrize("nonsense", ["{}", '{"records":[{"writer":"somebody"}]}', ""])
async def test_access_whose_arming_was_cut_out_of_its_ticket_is_still_ours(house: House, nonsense: str) -> None:
    """The lease's own records stand: in an observed target it is ended all the same, or at least told by the exit code."""
    async with lost_engine(house) as ticket:
        key = property_key(judge_writer(house.lease_id()), 0)
        if nonsense:
            house.tickets.properties(ticket)[key] = nonsense
        else:
            del house.tickets.properties(ticket)[key]
        house.clock.ahead = LATE
        report = await sweep(house)
    assert not house.is_member() or report.faults


@pytest.mark.parametrize("how", ["move", "delete"])
async def test_overdue_access_whose_ticket_was_taken_away_is_not_passed_over_in_silence(house: House, how: str) -> None:
    """Whoever may move or delete tickets must not turn what is over into a member who is merely observed."""
    async with lost_engine(house) as ticket:
        before = await sweep(house)
        assert before.faults == ()
        if how == "move":
            house.tickets.move(ticket, "OTHER")
        else:
            house.tickets.delete(ticket)
        house.clock.ahead = LATE
        report = await sweep(house, memory=before.memory)
    assert (house.is_member(), report.faults) == (False, ())


async def test_lease_that_the_sweep_has_ended_early_covers_nobody_any_more(house: House) -> None:
    """A drain takes out a live lease, and proves it: who is put back by hand is a stranger."""
    async with lost_engine(house):
        assert (await sweep(house, SweepOrder(drain_all=True))).faults == ()
        add_by_hand(house, "alice")
        assert kinds(await sweep(house))


async def test_lease_whose_successor_proved_it_gone_covers_nobody(jumping_house: House) -> None:
    """A run that only ends, in the place of one that was terminated, tells it on the same ticket under the same lease id."""
    house = jumping_house
    house.watch("admin", ENFORCE)
    async with house.working():
        ticket, handle = await hold(house)
        await handle.terminate()
        await house.lease().terminate()
        ending = await start_lease(house, house.order(ticket, lasts=timedelta(hours=1), end_only=True))
        await house.until(lambda: not house.is_member())
        await house.jump(house.lease(), A_MINUTE)
        await house.soon(ending.result())
    assert "proved" in house.kinds(ticket, house.lease_id())
    add_by_hand(house, "alice")
    assert kinds(await sweep(house))


async def test_drain_waits_for_what_had_been_admitted_before_it_froze(house: House) -> None:
    """A grant under way when the freeze is written lands within its fence, and the drain takes it out as well."""
    gate = house.provider.hold("grant")
    async with house.working():
        await house.approved()
        await gate.reached()
        pace = Pace(apart=SHORT, between_rounds=SHORT, fence=SHORT, admitted=timedelta(seconds=3))
        draining = asyncio.create_task(
            Sweep(
                SweepOrder(drain_all=True),
                tickets=house.tickets,
                providers=FakeAccessProviders({house.provider.instance: house.provider}),
                catalogues=house,
                control=house.control,
                keys=house.keys,
                pace=pace,
                clock=house.clock,
            ).run()
        )
        await asyncio.wait({draining}, timeout=1)
        gate.release()
        await house.until(lambda: bool(house.ledger("added")))
        report = await draining
        assert (house.is_member(), report.faults) == (False, ())


async def test_member_who_has_left_by_then_is_not_said_to_have_been_taken_away(house: House) -> None:
    """Between the second look and the removal the lease may have ended it itself: the ticket's fields stay its own."""
    async with lost_engine(house) as ticket:
        house.clock.ahead = LATE
        before = len(house.comments(ticket))

        def leave(words: str) -> None:
            if words.startswith("taking"):
                house.provider.remove_by_hand(house.target(), house.subject())

        report = await sweep(house, tell=leave)
    told = house.comments(ticket)[before:]
    assert not any("The sweep took away" in text for text in told)
    assert any("had lost admin" in text for text in told)
    assert report.faults == ()


async def test_limit_is_one_for_the_run(house: House) -> None:
    """As the reconciler counts it, however many targets there are."""
    for name in ("admin", "left"):
        house.watch(name, ENFORCE)
        add_by_hand(house, name=name)
    report = await sweep(house, SweepOrder(limit=1))
    assert len(report.removed) == 1


async def test_member_who_cannot_be_read_keeps_no_other_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor may hide one account from us, an administrator's say: the time is told by another answer."""
    add_by_hand(house)
    honest = house.provider.verify

    async def verify(target: TargetRef, subject: SubjectRef) -> Look:
        if subject == house.subject("dave"):
            raise ForbiddenError("an administrator")
        return await honest(target, subject)

    async with lost_engine(house):
        monkeypatch.setattr(house.provider, "verify", verify)
        house.clock.ahead = LATE
        await sweep(house)
    assert not house.is_member()
