"""Whatever is stopped, by whom and when: the vendor is asked to remove, and is then seen without the pair twice.

A matrix of phases and of the ways in which operators and people stop things; the ways run side by side, each in its own house.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import RetryableError
from domain.ids import TicketRef
from tests.fakes.script import Gate
from tests.house import PATIENCE_SECONDS, House, build_house

Handle = WorkflowHandle[Any, Any]


@dataclass
class Case:
    """One request in its own house. `let_go` undoes what holds it in its phase."""

    house: House
    ticket: TicketRef
    request: Handle
    let_go: Callable[[], None] = lambda: None

    def holding(self, gate: Gate) -> "Case":
        self.let_go = gate.release
        return self


# Phases: each returns a case that stands in it.


async def pending(house: House) -> Case:
    ticket = house.ask()
    request = await house.start(ticket)
    await house.asked(ticket)
    return Case(house, ticket, request)


async def looking(house: House) -> Case:
    return await _held(house, house.provider.hold("preflight"))


async def arming(house: House) -> Case:
    ticket = house.ask()
    request = await house.start(ticket)
    await house.asked(ticket)
    look = house.provider.hold("preflight")
    await house.approve(ticket, request)
    await look.reached()
    gate = house.tickets.hold("read")
    look.release()
    await gate.reached()
    return Case(house, ticket, request).holding(gate)


async def granting_before(house: House) -> Case:
    return await _held(house, house.provider.hold("grant"))


async def granting_after(house: House) -> Case:
    return await _held(house, house.provider.hold("grant", "after"))


async def active(house: House) -> Case:
    ticket, request = await house.approved()
    await house.told(ticket, "Access is active")
    return Case(house, ticket, request)


async def extending(house: House) -> Case:
    case = await active(house)
    gate = house.provider.hold("verify")
    house.tickets.comment_as(case.ticket, "/extend 30m", "alice")
    await case.request.signal("extend", {"by": "alice"})
    await gate.reached()
    return case.holding(gate)


async def revoking(house: House) -> Case:
    case = await active(house)
    gate = house.provider.hold("revoke")
    await case.request.signal("revoke", {})
    await gate.reached()
    return case.holding(gate)


async def revoked_unread(house: House) -> Case:
    case = await active(house)
    gate = house.provider.hold("revoke", "after")
    await case.request.signal("revoke", {})
    await gate.reached()
    return case.holding(gate)


async def backing_off(house: House) -> Case:
    case = await active(house)
    house.provider.fail("revoke", RetryableError("503"))
    await case.request.signal("revoke", {})
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await _attempt(house, "revoke_access") < 3:
            await asyncio.sleep(0.02)
    case.let_go = lambda: house.provider.succeed("revoke")
    return case


async def second_look(house: House) -> Case:
    case = await active(house)
    await case.request.signal("revoke", {})
    await house.until(lambda: "removed" in house.kinds(case.ticket, house.lease_id()))
    gate = house.provider.hold("verify")
    await gate.reached()
    return case.holding(gate)


async def writing(house: House) -> Case:
    case = await active(house)
    gate = house.tickets.hold("write_property")
    await case.request.signal("revoke", {})
    await gate.reached()
    await house.until(lambda: not house.is_member())
    return case.holding(gate)


# Ways to stop.


async def cancel(case: Case) -> None:
    await case.request.cancel()


async def cancel_twice(case: Case) -> None:
    await case.request.cancel()
    await _at_rest(case.request)
    await case.request.cancel()


async def terminate(case: Case) -> None:
    await case.request.terminate("by hand")


async def cancel_lease(case: Case) -> None:
    await case.house.lease().cancel()


async def revoke(case: Case) -> None:
    await case.request.signal("revoke", {"by": "carol"})


PHASES = [
    pending,
    looking,
    arming,
    granting_before,
    granting_after,
    active,
    extending,
    revoking,
    revoked_unread,
    backing_off,
    second_look,
    writing,
]
WAYS = [cancel, cancel_twice, terminate, cancel_lease, revoke]


@pytest.mark.parametrize("phase", PHASES)
async def test_stopped_in_any_phase_and_access_is_gone(
    jumping_house: House, phase: Callable[[House], Awaitable[Case]]
) -> None:
    """Cancelled once or twice, terminated, cancelled beneath, revoked: in every phase it ends with a proof of absence."""
    async with asyncio.TaskGroup() as cases:
        for way in WAYS:
            if (phase, way) != (pending, cancel_lease):
                house = build_house(jumping_house.client, jumping_house.environment)
                cases.create_task(_stop(house, phase, way, cache=1000), name=way.__name__)


@pytest.mark.parametrize("phase", [granting_after, extending, revoking, second_look])
async def test_stopped_while_nothing_is_cached_and_access_is_gone(
    jumping_house: House, phase: Callable[[House], Awaitable[Case]]
) -> None:
    """The same with every workflow evicted after each step, so that all of it is replayed each time."""
    async with asyncio.TaskGroup() as cases:
        for way in (cancel_twice, terminate):
            house = build_house(jumping_house.client, jumping_house.environment)
            cases.create_task(_stop(house, phase, way, cache=0), name=way.__name__)


async def _stop(
    house: House,
    phase: Callable[[House], Awaitable[Case]],
    way: Callable[[Case], Awaitable[None]],
    *,
    cache: int,
) -> None:
    async with house.working(cache=cache):
        case = await phase(house)
        began_with = len(house.ledger("removed"))
        await way(case)
        await _heard(case)
        if phase in {granting_before, granting_after}:
            assert house.ledger("removed") == [], "a revoke began while a grant attempt was running"
        case.let_go()
        if phase is not pending:
            await _over(case, terminated=way is terminate)
        elif way is not terminate:
            await house.soon(case.request.result())
        assert len(house.ledger("removed")) >= began_with
        _assert_gone(house)


async def _over(case: Case, *, terminated: bool) -> None:
    """Return when the lease has closed, and the request where it still runs; what might land late is jumped over."""
    house, lease = case.house, case.house.lease()
    closed = asyncio.ensure_future(lease.result())
    while not closed.done():
        await house.until(lambda: closed.done() or "removed" in house.kinds(case.ticket, house.lease_id()))
        if not closed.done():
            await house.jump(lease, timedelta(minutes=1))
            await asyncio.wait([closed], timeout=1)
    await closed
    if not terminated:
        await house.soon(case.request.result())


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


async def _held(house: House, gate: Gate) -> Case:
    ticket, request = await house.approved()
    await gate.reached()
    return Case(house, ticket, request).holding(gate)


async def _heard(case: Case) -> None:
    """Return when request and lease have taken in what they were told, as far as they can while they are held."""
    await _at_rest(case.request)
    await _at_rest(case.house.lease())


async def _at_rest(handle: Handle) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                described = await handle.describe()
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return
            is_running = described.status is WorkflowExecutionStatus.RUNNING
            if not (is_running and described.raw_description.HasField("pending_workflow_task")):
                return
            await asyncio.sleep(0.02)


async def _attempt(house: House, activity: str) -> int:
    described = (await house.lease().describe()).raw_description
    return max(
        (each.attempt for each in described.pending_activities if each.activity_type.name == activity), default=0
    )
