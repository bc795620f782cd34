"""An end at its time, with nothing uncertain, is told in one write; whatever is otherwise is told as it comes (ADR 11)."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from temporalio.client import WorkflowHistory
from temporalio.common import SearchAttributeKey

from domain import search
from domain.errors import ForbiddenError, RateLimitedError, RetryableError
from domain.ids import TicketRef
from domain.ticket import TicketView
from starter.engine_reading import find_rows
from tests.fakes.tickets import FakeTickets
from tests.house import PATIENCE_SECONDS, House
from tests.workflows import phases
from tests.workflows.hands import pending, terminate
from tests.workflows.stories import A_MINUTE, actions, assert_proved_gone, close, hold, late_ones
from workflows.access_request import MOST_LOOKS
from workflows.options import START_TO_CLOSE, STUCK_AFTER

AN_HOUR, A_SECOND = timedelta(hours=1), timedelta(seconds=1)
TOLD = ["granted", "ending", "removed", "proved", "sessions_ended"]


async def state_of(house: House) -> str:
    """What the list of workflows shows of the lease."""
    shown = (await house.lease().describe()).typed_search_attributes
    return shown.get(SearchAttributeKey.for_keyword(search.STATE)) or ""


async def until_shown(house: House, state: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await state_of(house) != state:
            await asyncio.sleep(0.05)


async def states_listed(house: House, state: str) -> list[str]:
    """The states of the rows that `nightlatch list` finds by `state`; of this house's own target, as others share the server."""
    filters = {search.TARGET: str(house.target())}
    rows, _ = await find_rows(
        house.client, datetime.now(UTC) + AN_HOUR, filters=filters, state=state, closed_too=True, limit=9
    )
    return [row.state for row in rows if row.workflow_id == house.lease_id()]


async def until_listed_as(house: House, state: str) -> None:
    """What is listed lags what is true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await states_listed(house, state) != [state]:
            await asyncio.sleep(0.05)


def writes(history: WorkflowHistory) -> int:
    names = [event.activity_task_scheduled_event_attributes.activity_type.name for event in history.events]
    return names.count("record_evidence")


async def removing(house: House) -> phases.Case:
    """At its end, with the removal on its way."""
    case = await phases.quietly_revoking(house)
    await pending(house.lease(), "revoke_access")
    return case


async def test_quiet_end_is_told_in_one_write_with_the_instants_of_what_it_tells(jumping_house: House) -> None:
    """Until it is proved the ticket says nothing new, and nothing that is wrong; then everything, in order."""
    house = jumping_house
    async with house.working():
        case = await removing(house)
        assert house.kinds(case.ticket, house.lease_id()) == []
        assert await state_of(house) == "active"
        case.let_go()
        await house.soon(case.request.result())
        history = await house.lease().fetch_history()
    assert_proved_gone(house, case.ticket)
    assert (house.kinds(case.ticket, house.lease_id()), writes(history)) == (TOLD, 1)
    at = {str(record.kind): record.at for record in house.chains(case.ticket)[house.lease_id()]}
    assert sorted(at.values()) == list(at.values())
    assert at["granted"] + AN_HOUR - A_MINUTE < at["ending"] < at["removed"] < at["proved"]


async def test_grant_stands_on_the_ticket_while_its_lease_has_written_nothing(house: House) -> None:
    """The request bears the witness's receipt of every grant, one record for each target."""
    async with house.working():
        ticket, handle = await hold(house, entitlement="pair")
        told = [record for record in house.chains(ticket)[handle.id] if record.kind == "active"]
        receipts = [word["body"] for record in told for word in record.facts["witness"]]
        assert {(body["lease_id"], body["action"]) for body in receipts} == {
            (house.lease_id(name), "grant") for name in ("left", "right")
        }
        assert [house.kinds(ticket, house.lease_id(name)) for name in ("left", "right")] == [[], []]
        assert sum("Access is active" in text for text in house.comments(ticket)) == 1
        await handle.signal("revoke", {})
        await house.soon(handle.result())


async def test_end_that_somebody_wanted_is_told_before_the_removal_has_come_back(house: House) -> None:
    """The ticket did not name it: whoever reads it without the engine must know that the access is due."""
    async with house.working():
        case = await phases.revoking(house)
        await house.until(lambda: house.kinds(case.ticket, house.lease_id()) == TOLD[:2])
        assert house.is_member()
        await until_shown(house, "revoking")
        case.let_go()
        await house.soon(case.request.result())
    assert_proved_gone(house, case.ticket)


async def test_removal_that_hangs_at_its_time_is_told_after_a_minute(jumping_house: House) -> None:
    """No later than when it is late: the ticket hears everything that waited, and the list says so."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        house.provider.fail("revoke", ForbiddenError("403"))
        await house.jump(house.lease(), AN_HOUR)
        await pending(house.lease(), "revoke_access", attempt=2)
        assert house.kinds(ticket, house.lease_id()) == []
        await house.jump(house.lease(), STUCK_AFTER + A_SECOND)
        await house.told(ticket, "The removal from admin is late: it was due at")
        assert house.kinds(ticket, house.lease_id()) == [*TOLD[:2], "stuck"]
        await until_shown(house, "stuck")
        house.provider.succeed("revoke")
        await close(house, handle)
    assert_proved_gone(house, ticket)


async def test_removal_that_succeeds_at_its_second_attempt_is_told_while_its_fence_lasts(jumping_house: House) -> None:
    """What the first attempt sent may land yet: that it was removed is known, and not held back until it is proved."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        house.provider.fail("revoke", RetryableError("503"), times=1)
        await house.jump(house.lease(), AN_HOUR)
        await house.until(lambda: house.kinds(ticket, house.lease_id()) == TOLD[:3])
        assert actions(house)[-1] == "absent"
        await until_shown(house, "revoking")
        await close(house, handle)
    assert_proved_gone(house, ticket)
    assert house.ledger("looked")[-1].at - house.ledger("removed")[0].at >= START_TO_CLOSE


async def test_removal_is_proved_on_the_ticket_while_its_sessions_are_late(jumping_house: House) -> None:
    """The second look's one try to end them fails: the proof does not wait for the next."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        house.provider.fail("end_sessions", RateLimitedError("429", delay=timedelta(minutes=10)))
        await house.jump(house.lease(), AN_HOUR)
        await house.until(lambda: house.kinds(ticket, house.lease_id()) == TOLD[:4])
        await pending(house.lease(), "end_sessions", attempt=2)
        await until_shown(house, "recording")
        (stuck,) = await late_ones(house, after=2 * AN_HOUR)
        assert stuck.rung == "sessions"
        house.provider.succeed("end_sessions")
        await house.jump(house.lease(), timedelta(minutes=10))
        await house.soon(handle.result())
    assert [kind for kind in house.kinds(ticket, house.lease_id()) if kind != "stuck"] == TOLD


async def test_lease_whose_paper_alone_is_late_is_not_called_late(jumping_house: House) -> None:
    """Proved, its sessions ended, and the ticket system away: after a minute the list says that it is recording."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        await house.settled(handle)
        house.tickets.down()
        await house.jump(house.lease(), AN_HOUR)
        await pending(house.lease(), "record_evidence")
        assert await state_of(house) == "active"
        await house.jump(house.lease(), STUCK_AFTER)
        await until_shown(house, "recording")
        assert await late_ones(house, after=2 * AN_HOUR) == []
        house.tickets.up()
        await house.soon(handle.result())
    assert house.kinds(ticket, house.lease_id()) == TOLD
    assert house.pager.told == []


async def test_lease_terminated_in_its_quiet_end_is_proved_by_the_one_in_its_place(jumping_house: House) -> None:
    """What it had not written yet is lost with it, and told by its successor; the grant is in the request's record."""
    house = jumping_house
    async with house.working():
        case = await removing(house)
        await terminate(house, house.lease_id())
        case.let_go()
        await close(house, case.request)
    assert_proved_gone(house, case.ticket)
    assert house.kinds(case.ticket, house.lease_id()) == TOLD[1:]


async def test_who_asks_while_a_lease_ends_at_its_time_waits_and_gets_it(house: House) -> None:
    """It shows nothing of its end but its time, and that is over: nobody is sent away to extend it there."""
    async with house.working():
        _, first = await hold(house, "3s")
        gate = house.provider.hold("revoke")
        await gate.reached()
        ticket, second = await house.approved()
        await house.until(lambda: house.kinds(ticket, second.id) == ["answered"])
        gate.release()
        await house.soon(first.result())
        await house.told(ticket, "Access is active")
        await second.signal("revoke", {})
        await house.soon(second.result())
    assert actions(house) == ["absent", "added", "present", "removed", "absent", "absent"] * 2


async def test_lease_past_its_time_is_listed_as_being_revoked(jumping_house: House) -> None:
    """By its end, whatever it says itself; one that is over is listed as closed, and as nothing else."""
    house = jumping_house
    async with house.working():
        case = await removing(house)
        await until_listed_as(house, "revoking")
        assert [await states_listed(house, state) for state in ("active", "recording")] == [[], []]
        case.let_go()
        await house.soon(case.request.result())
        await until_listed_as(house, "closed")
        assert [await states_listed(house, state) for state in ("active", "revoking")] == [[], []]


async def test_wish_that_nobody_was_told_of_is_answered_before_the_ticket_is_closed(house: House) -> None:
    """The last write finds it, and waits: its answer stands before the end, in the comments and in the records."""
    async with house.working():
        ticket, handle = await hold(house, "3s")
        house.tickets.comment_as(ticket, "/extend 30m", "alice")
        await house.soon(handle.result())
    assert house.kinds(ticket, handle.id) == ["answered", "active", "extension_judged", "closed"]
    told = house.comments(ticket)
    answer, end = (next(n for n, text in enumerate(told) if words in text) for words in ("Not extended", "Closed: "))
    assert answer < end


class Crowded(FakeTickets):
    """A ticket system in which another wish stands on the ticket each time that it is read."""

    wished = 0

    async def read(self, ticket: TicketRef) -> TicketView:
        self.wished += 1
        self.comment_as(ticket, f"/extend {self.wished}m", "alice")
        return await super().read(ticket)


async def test_crowd_that_goes_on_wishing_keeps_no_ticket_open(house: House) -> None:
    """So many times those who came too late are answered; then the ticket is closed all the same."""
    async with house.working():
        ticket, handle = await hold(house, "3s")
        house.tickets.__class__ = Crowded
        await house.soon(handle.result())
    kinds: Sequence[str] = house.kinds(ticket, handle.id)
    assert (kinds[-1], kinds.count("closed")) == ("closed", 1)
    assert kinds.count("extension_judged") >= MOST_LOOKS


async def test_extension_that_was_broken_off_at_the_provider_is_fenced(jumping_house: House) -> None:
    """Whether the provider took it, nobody knows: what it was sent may land, and the second look waits for that."""
    house = jumping_house
    async with house.working():
        case = await phases.extending(house)
        await phases.end(case)
        await house.until(lambda: bool(house.ledger("removed")))
        case.let_go()
        await close(house, case.request)
    assert_proved_gone(house, case.ticket)
    assert house.ledger("looked")[-1].at - house.ledger("removed")[0].at >= START_TO_CLOSE
