"""What an operator does to single activities of a lease: whatever is said in their name, the vendor's own word ends the access."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from domain.catalogue import SURFACES, TargetKind
from domain.errors import RetryableError
from tests.house import House, build_house
from tests.workflows import phases
from tests.workflows.hands import change_activity, pending, result_of, terminate
from tests.workflows.phases import Case
from tests.workflows.porter import employ
from tests.workflows.stories import assert_proved_gone, close, hold
from workflows.options import fence

FENCE = fence(SURFACES[TargetKind.OKTA_GROUP].landing_lag)
CHANGED = ("--start-to-close-timeout", "1h", "--heartbeat-timeout", "1h", "--retry-maximum-attempts", "1")

Meddling = Callable[[Case, str], Awaitable[None]]


async def complete_with_nonsense(case: Case, name: str) -> None:
    await change_activity(case.house, case.house.lease(), "complete", name, "--result", '"done"')


async def complete_with_old_words(case: Case, name: str) -> None:
    """With what a witness did sign for this very lease, earlier: the look before the grant, which says absent."""
    look = (await result_of(case.house.lease(), "look_before_grant"))["observation"]
    await change_activity(
        case.house, case.house.lease(), "complete", name, "--result", json.dumps({"observation": look})
    )


async def fail(case: Case, name: str) -> None:
    await change_activity(case.house, case.house.lease(), "fail", name, "--reason", "there is nothing to do")


async def reset(case: Case, name: str) -> None:
    await change_activity(case.house, case.house.lease(), "reset", name)


async def pause_for_a_while(case: Case, name: str) -> None:
    await change_activity(case.house, case.house.lease(), "pause", name)
    await change_activity(case.house, case.house.lease(), "unpause", name)


async def allow_one_attempt_of_an_hour(case: Case, name: str) -> None:
    case.house.provider.fail(name.split("_", maxsplit=1)[0], RetryableError("503"), times=1)
    await change_activity(case.house, case.house.lease(), "update-options", name, *CHANGED)


MEDDLINGS: list[Meddling] = [
    complete_with_nonsense,
    complete_with_old_words,
    fail,
    reset,
    pause_for_a_while,
    allow_one_attempt_of_an_hour,
]


@pytest.mark.parametrize(
    ("phase", "name"), [(phases.revoking, "revoke_access"), (phases.second_look, "observe_access")]
)
async def test_activity_that_was_meddled_with_is_done_for_real(
    jumping_house: House, phase: phases.Phase, name: str
) -> None:
    """Completed, failed, reset, paused or given other options while it takes away or looks: it is done again until it is proved."""
    async with asyncio.TaskGroup() as cases:
        for meddling in MEDDLINGS:
            house = build_house(jumping_house.client, jumping_house.environment)
            cases.create_task(_meddle(house, phase, name, meddling), name=meddling.__name__)


async def _meddle(house: House, phase: phases.Phase, name: str, meddling: Meddling) -> None:
    async with house.working():
        case = await phase(house)
        await house.until(lambda: "ending" in house.kinds(case.ticket, house.lease_id()))
        witnessed = [kind for kind in house.kinds(case.ticket, house.lease_id()) if kind != "ending"]
        await meddling(case, name)
        await phases.heard(case)
        assert [kind for kind in house.kinds(case.ticket, house.lease_id()) if kind != "ending"] == witnessed
        case.let_go()
        await close(house, case.request)
    assert_proved_gone(house, case.ticket)
    once = house.kinds(case.ticket, house.lease_id())
    assert [kind for kind in once if kind != "stuck"] == ["granted", "ending", "removed", "proved", "sessions_ended"]


async def test_grant_that_is_paused_holds_no_revoke_up(jumping_house: House) -> None:
    """A grant between two attempts, which an operator has stopped for good: a revoke does not wait for it."""
    house = jumping_house
    async with house.working():
        house.provider.fail("grant", RetryableError("503"))
        ticket, handle = await house.approved()
        await pending(house.lease(), "grant_access", attempt=2)
        await change_activity(house, house.lease(), "pause", "grant_access")
        await change_activity(
            house, house.lease(), "update-options", "grant_access", "--schedule-to-close-timeout", "1h"
        )
        await handle.signal("revoke", {"by": "carol"})
        await house.until(lambda: bool(house.ledger("removed")), seconds=5)
        await close(house, handle)
    assert_proved_gone(house, ticket)


async def test_revoke_whose_attempts_are_counted_anew_is_still_fenced(jumping_house: House) -> None:
    """A reset of the activity makes its next attempt the first; what earlier ones sent may land all the same."""
    house = jumping_house
    async with house.working():
        case = await phases.backing_off(house)
        lease = house.lease()
        await change_activity(house, lease, "pause", "revoke_access")
        house.provider.succeed("revoke")
        await change_activity(house, lease, "reset", "revoke_access")
        await close(house, case.request)
    assert_proved_gone(house, case.ticket)
    removed, last = house.ledger("removed")[0], house.ledger("looked")[-1]
    assert last.at - removed.at >= FENCE - timedelta(seconds=1)


async def test_ending_of_sessions_by_the_receipt_of_the_grant_is_done_for_real(jumping_house: House) -> None:
    """A witness's receipt for something else, out of the history of the same lease, ends no session."""
    house = jumping_house
    gate = employ(house).hold("end_sessions")
    async with house.working():
        ticket, handle = await hold(house)
        await handle.signal("revoke", {"by": "carol"})
        await house.until(lambda: "removed" in house.kinds(ticket, house.lease_id()))
        house.provider.fail("end_sessions", RetryableError("503"), times=1)
        await gate.reached()
        genuine = (await result_of(house.lease(), "grant_access"))["receipt"]
        lie = json.dumps({"sessions": "ended", "receipt": genuine})
        await change_activity(house, house.lease(), "complete", "end_sessions", "--result", lie)
        await pending(house.lease(), "end_sessions")
        assert "sessions_ended" not in house.kinds(ticket, house.lease_id())
        gate.release()
        await close(house, handle)
    assert_proved_gone(house, ticket)


async def test_lease_whose_revoke_is_paused_is_ended_by_terminating_it(jumping_house: House) -> None:
    """What a person can do who does not wait for the reconciler: with the lease goes its activity, and the request starts anew."""
    house = jumping_house
    async with house.working():
        case = await phases.backing_off(house)
        await change_activity(house, house.lease(), "pause", "revoke_access")
        case.let_go()
        await terminate(house, house.lease_id())
        await close(house, case.request)
    assert_proved_gone(house, case.ticket)
