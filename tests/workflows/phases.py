"""Ways to bring a request into each phase of its life and to hold it there, for tests of what is done to it then."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import RetryableError
from domain.ids import TicketRef
from tests.fakes.script import Gate
from tests.house import PATIENCE_SECONDS, House
from tests.workflows.hands import pending as pending_activity
from tests.workflows.stories import A_MINUTE, actions

Handle = WorkflowHandle[Any, Any]


AN_HOUR = timedelta(hours=1)
"""How long the access of these cases lasts."""


@dataclass
class Case:
    """One request in its own house. `let_go` undoes what holds it in its phase; `at_its_time`: by then its time is over."""

    house: House
    ticket: TicketRef
    request: Handle
    let_go: Callable[[], None] = lambda: None
    at_its_time: bool = False

    def holding(self, gate: Gate) -> "Case":
        self.let_go = gate.release
        return self


Phase = Callable[[House], Awaitable[Case]]


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


async def end(case: Case) -> None:
    """By a word to the lease, so that the one cancel that the engine delivers to a workflow is still to come."""
    await case.house.lease().signal("revoke")


async def revoking(house: House) -> Case:
    case = await active(house)
    gate = house.provider.hold("revoke")
    await end(case)
    await gate.reached()
    return case.holding(gate)


async def revoked_unread(house: House) -> Case:
    case = await active(house)
    gate = house.provider.hold("revoke", "after")
    await end(case)
    await gate.reached()
    return case.holding(gate)


async def backing_off(house: House) -> Case:
    case = await active(house)
    house.provider.fail("revoke", RetryableError("503"))
    await end(case)
    await pending_activity(house.lease(), "revoke_access", attempt=3)
    case.let_go = lambda: house.provider.succeed("revoke")
    return case


async def fenced(house: House) -> Case:
    """Removed at the second attempt, and waiting until nothing of the first can land any more."""
    case = await active(house)
    house.provider.fail("revoke", RetryableError("503"), times=1)
    await end(case)
    await house.until(lambda: "removed" in house.kinds(case.ticket, house.lease_id()))
    return case


async def second_look(house: House) -> Case:
    case = await active(house)
    await end(case)
    await house.until(lambda: "removed" in house.kinds(case.ticket, house.lease_id()))
    gate = house.provider.hold("verify")
    await gate.reached()
    return case.holding(gate)


async def writing(house: House) -> Case:
    case = await active(house)
    gate = house.tickets.hold("write_property")
    await end(case)
    await gate.reached()
    await house.until(lambda: not house.is_member())
    return case.holding(gate)


async def quietly_revoking(house: House) -> Case:
    """Its time is over, and nothing has gone wrong: nobody but the vendor has been told anything yet."""
    case = await active(house)
    await house.settled(case.request)
    gate = house.provider.hold("revoke")
    await house.jump(house.lease(), AN_HOUR)
    await gate.reached()
    case.at_its_time = True
    return case.holding(gate)


async def quiet_second_look(house: House) -> Case:
    case = await quietly_revoking(house)
    case.let_go()
    await house.until(lambda: actions(house)[-2:] == ["removed", "absent"])
    return case.holding(house.provider.hold("verify"))


PHASES: list[Phase] = [
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
    fenced,
    second_look,
    writing,
    quietly_revoking,
    quiet_second_look,
]


async def _held(house: House, gate: Gate) -> Case:
    ticket, request = await house.approved()
    await gate.reached()
    return Case(house, ticket, request).holding(gate)


async def heard(case: Case) -> None:
    """Return when request and lease have taken in what they were told, as far as they can while they are held."""
    await _at_rest(case.request)
    await _at_rest(case.house.lease())


async def over(case: Case, last: Handle) -> None:
    """Return when `last` has closed; what might land late is jumped over, again for a lease that is started anew."""
    house = case.house
    closed = asyncio.ensure_future(last.result())
    while not closed.done():
        await house.until(lambda: closed.done() or "removed" in house.kinds(case.ticket, house.lease_id()))
        if not closed.done():
            await house.jump(house.lease(), A_MINUTE)
            await asyncio.wait([closed], timeout=1)
    await closed


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
