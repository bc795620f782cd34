"""Whatever an operator stops, and when: the vendor is asked to remove, and is then seen without the pair twice.

A matrix of phases and of hands; the hands run side by side, each in its own house.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from domain.values import parse_instant
from tests.house import House, build_house
from tests.workflows import hands, phases
from tests.workflows.phases import PHASES, Case, Phase, heard, over

Hand = Callable[[Case], Awaitable[None]]


async def cancel_twice(case: Case) -> None:
    await hands.cancel(case.house, case.request.id)
    await heard(case)
    await hands.cancel(case.house, case.request.id)


async def terminate(case: Case) -> None:
    await hands.terminate(case.house, case.request.id)


async def delete(case: Case) -> None:
    await hands.delete(case.house, case.request.id)


async def revoke_with_junk(case: Case) -> None:
    await hands.signal(case.house, case.request.id, "revoke", '["carol", {"by": 7}]', "null")


async def cancel_lease(case: Case) -> None:
    await hands.cancel(case.house, case.house.lease_id())


async def terminate_lease(case: Case) -> None:
    await hands.terminate(case.house, case.house.lease_id())


async def delete_lease(case: Case) -> None:
    await hands.delete(case.house, case.house.lease_id())


ON_REQUEST: list[Hand] = [cancel_twice, terminate, revoke_with_junk]
ON_LEASE: list[Hand] = [cancel_lease, terminate_lease]
DELETING: list[Hand] = [delete, delete_lease]
END_THE_REQUEST = (terminate, delete)
END_THE_LEASE = (terminate_lease, delete_lease)


@pytest.mark.parametrize("phase", PHASES)
async def test_stopped_in_any_phase_and_access_is_gone(jumping_house: House, phase: Phase) -> None:
    """Request or lease cancelled, terminated or told to revoke: it ends with a proof of absence, told once on the ticket."""
    await _try_all(jumping_house, phase, ON_REQUEST if phase is phases.pending else ON_REQUEST + ON_LEASE)


@pytest.mark.parametrize("phase", [phases.granting_after, phases.backing_off, phases.second_look])
async def test_deleted_with_its_history_and_access_is_gone(jumping_house: House, phase: Phase) -> None:
    """A request or a lease of which the engine knows nothing any more has not taken the end of the access along."""
    await _try_all(jumping_house, phase, DELETING)


@pytest.mark.parametrize("phase", [phases.granting_after, phases.extending, phases.second_look])
async def test_stopped_while_nothing_is_cached_and_access_is_gone(jumping_house: House, phase: Phase) -> None:
    """The same with every workflow evicted after each step, so that all of it is replayed each time."""
    await _try_all(jumping_house, phase, [cancel_twice, terminate_lease], cache=0)


async def _try_all(like: House, phase: Phase, tried: list[Hand], *, cache: int = 1000) -> None:
    async with asyncio.TaskGroup() as cases:
        for hand in tried:
            house = build_house(like.client, like.environment)
            cases.create_task(_try(house, phase, hand, cache), name=hand.__name__)


async def _try(house: House, phase: Phase, hand: Hand, cache: int) -> None:
    async with house.working(cache=cache):
        case = await phase(house)
        await hand(case)
        await heard(case)
        if hand not in END_THE_LEASE:
            beside = {"grant_access", "revoke_access"}
            assert not beside <= await hands.pending_names(house.lease()), "a revoke began beside a running grant"
        case.let_go()
        if hand not in END_THE_REQUEST:
            await over(case, case.request)
            assert sum(text.startswith("Closed: ") for text in house.comments(case.ticket)) == 1
        elif phase is not phases.pending:
            await over(case, house.lease())
    _assert_gone(house)
    _assert_told_once_and_in_order(case)


def _assert_gone(house: House) -> None:
    assert not house.is_member()
    actions = [str(entry.action) for entry in house.provider.ledger]
    if "added" not in actions:
        return
    last = max(place for place, action in enumerate(actions) if action in {"added", "removed"})
    assert actions[last] == "removed"
    looks = [entry for entry in house.provider.ledger[last:] if str(entry.action) == "looked"]
    assert len(looks) >= 2
    assert not any(look.changed for look in looks)


def _assert_told_once_and_in_order(case: Case) -> None:
    """Each lease run that ended what was added says so on the ticket, in the order in which it did it, and before its end."""
    house, ticket = case.house, case.ticket
    comments = house.comments(ticket)
    assert len(set(comments)) == len(comments)
    told = house.chains(ticket).get(house.lease_id(), ())
    assert len({record.record_id for record in told}) == len(told)
    if not house.ledger("added"):
        return
    last_run = [str(record.kind) for record in told if record.facts["run"] == told[-1].facts["run"]]
    ended = last_run[last_run.index("ending") :]
    assert [kind for kind in ended if kind != "stuck"] == ["ending", "removed", "proved", "sessions_ended"]
    assert any("is gone: " in text for text in comments)
    armed = house.chains(ticket)[f"judge/{house.lease_id()}"][0]
    assert (house.ledger("removed")[0].at >= parse_instant(str(armed.facts["until"]))) is case.at_its_time
