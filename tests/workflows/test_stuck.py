"""What `nightlatch stuck` tells of leases that are late: on which rung, since when, how often tried, and what is in the way."""

import asyncio
from datetime import UTC, datetime, timedelta

from domain.errors import RateLimitedError
from domain.search import STATE
from tests.e2e.cli_process import nightlatch
from tests.e2e.telling import to
from tests.house import PATIENCE_SECONDS, House
from tests.workflows import phases
from tests.workflows.hands import change_activity, pending
from tests.workflows.phases import Case
from tests.workflows.stories import A_MINUTE, assert_proved_gone, close, hold, late_ones
from workflows.options import STUCK_AFTER

A_SECOND, PUT_OFF = timedelta(seconds=1), timedelta(minutes=10)


async def until_shown(house: House, state: str) -> None:
    """Return when the lease is found by that state: what is listed lags what is true."""
    wanted = f"WorkflowId = '{house.lease_id()}' AND {STATE} = '{state}' AND ExecutionStatus = 'Running'"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not [run async for run in house.client.list_workflows(wanted)]:
            await asyncio.sleep(0.05)


async def refused(house: House) -> Case:
    """A removal that the vendor has put off for ten minutes, in many words, and that is late by now."""
    case = await phases.active(house)
    house.provider.fail("revoke", RateLimitedError(f"429: {'later ' * 1000}", delay=PUT_OFF))
    await phases.end(case)
    await pending(house.lease(), "revoke_access", attempt=2)
    await house.jump(house.lease(), STUCK_AFTER + A_SECOND)
    return case


async def test_late_removal_is_told_with_its_error_until_it_is_done(jumping_house: House) -> None:
    """By the command too, with exit code 1; once it is proved, nobody is told of it any more."""
    house = jumping_house
    async with house.working():
        before = datetime.now(UTC)
        case = await refused(house)
        await until_shown(house, "stuck")
        (stuck,) = await late_ones(house)
        assert (stuck.rung, stuck.ticket, stuck.subject, stuck.target) == ("removal", case.ticket.key, "alice", "admin")
        assert stuck.problem.startswith("revoke_access: RateLimited: 429: later later")
        assert (stuck.attempts >= 2, len(stuck.problem) < 400) == (True, True)
        assert before < stuck.since < before + A_MINUTE
        said = await nightlatch("stuck", "--json", env=to(house.client))
        assert (said.code, said.document["ok"]) == (1, False), said
        assert stuck.lease_id in [each["lease_id"] for each in said.document["stuck"]]
        said = await nightlatch("stuck", env=to(house.client))
        assert (said.code, case.ticket.key in said.out, "late" in said.err) == (1, True, True), said
        await change_activity(house, house.lease(), "pause", "revoke_access")
        (paused,) = await late_ones(house)
        assert (paused.problem, paused.since) == ("revoke_access was paused by hand; unpause it", stuck.since)
        await change_activity(house, house.lease(), "unpause", "revoke_access")
        house.provider.succeed("revoke")
        await house.jump(house.lease(), PUT_OFF)
        await close(house, case.request)
        assert await late_ones(house) == []
    assert_proved_gone(house, case.ticket)


async def test_sessions_that_are_not_ended_are_a_rung_of_their_own(jumping_house: House) -> None:
    """The access is proved gone; what the vendor once issued is still to be ended."""
    house = jumping_house
    async with house.working():
        case = await phases.active(house)
        house.provider.fail("end_sessions", RateLimitedError("429", delay=A_SECOND))
        await phases.end(case)
        await pending(house.lease(), "end_sessions", attempt=2)
        assert await late_ones(house) == []
        await phases.heard(case)
        (stuck,) = await late_ones(house, after=2 * A_MINUTE)
        assert (stuck.rung, stuck.problem) == ("sessions", "end_sessions: RateLimited: 429")
        house.provider.succeed("end_sessions")
        await close(house, case.request)
    assert_proved_gone(house, case.ticket)


async def test_lease_that_no_worker_moves_is_told_too(jumping_house: House) -> None:
    """It cannot say of itself that it is late. One that is active in its time, or whose paper is late, is not."""
    house = jumping_house
    async with house.working(cache=0):
        ticket, request = await hold(house)
        assert await late_ones(house) == []
    await house.jump(house.lease(), timedelta(hours=1))
    (stuck,) = await late_ones(house, after=timedelta(hours=2))
    house.tickets.fail("write_property", RateLimitedError("429", delay=PUT_OFF), times=None)
    assert (stuck.rung, stuck.problem) == ("removal", "it does not move: no worker takes its workflow task")
    async with house.working():
        await house.until(lambda: not house.is_member())
        await house.jump(house.lease(), A_MINUTE)
        await until_shown(house, "recording")
        assert await late_ones(house, after=timedelta(hours=3)) == []
        house.tickets.succeed("write_property")
        for waiting in (house.lease(), request):
            await house.jump(waiting, PUT_OFF)
        await close(house, request)
    assert_proved_gone(house, ticket)
