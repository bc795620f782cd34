"""One request from asking to closing, played by people at the vendors, while its worker is killed at a chosen point."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from activities.records import judge_writer
from domain.evidence import property_key
from domain.ids import TicketRef, request_workflow_id
from domain.messages import RequestResult
from starter.requests import TemporalUnavailableError, hint, start_or_hint
from tests.chaos.field import ENTITLEMENT, Seat
from tests.chaos.kill_points import CallPoint, Point, TaskPoint

LEASE = "14s"
EXTENSION = "3s"
Answer = TypeVar("Answer")

PATIENCE_SECONDS = 240.0
LAST_MOMENT_SECONDS = 1.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Played:
    """What the oracle judges. `restarted_at`: when the next worker was begun; None where the point never came."""

    seat: Seat
    ticket: TicketRef
    restarted_at: datetime | None
    result: RequestResult


async def play(seat: Seat, point: Point | None, narration: str = "", lease: str = LEASE) -> Played:
    """Play it with a worker that dies at `point` and another one that finishes.

    Raises:
        TimeoutError: it did not close in time.
    """
    async with asyncio.timeout(PATIENCE_SECONDS):
        ticket = await ask(seat, lease)
        if isinstance(point, CallPoint):
            await hold_at(seat, ticket, point)
        death = point.boundary if isinstance(point, TaskPoint) else None
        await seat.start_worker(death=death, narration=narration)
        async with asyncio.TaskGroup() as group:
            killing = group.create_task(_kill(seat, point))
            result = await people(seat, ticket)
            # The last point of all comes when the request is over.
            await asyncio.wait([killing], timeout=LAST_MOMENT_SECONDS)
            killing.cancel()
    restarted_at = killing.result() if not killing.cancelled() else None
    return Played(seat, ticket, restarted_at, result)


async def ask(seat: Seat, duration: str) -> TicketRef:
    """Alice's ticket, of which nobody has been told yet."""
    create = partial(seat.on.person("alice").create_request, entitlement=ENTITLEMENT, duration=duration, reason="chaos")
    return await asyncio.to_thread(create)


async def people(seat: Seat, ticket: TicketRef) -> RequestResult:
    """Alice asks, Carol approves, Alice wishes for more time once she has access; then the ticket closes by itself."""
    client, log, issue = seat.on.client, seat.on.log, ticket.issue_id
    await _patiently(lambda: start_or_hint(client, seat.settings, ticket, None))
    await log.first(issue, "comment.added")
    handle = client.get_workflow_handle(request_workflow_id(ticket), result_type=RequestResult)
    while not await _patiently(lambda: _waits(handle)):  # people are slower than it
        await asyncio.sleep(LOOK_SECONDS)
    await asyncio.to_thread(seat.on.person("carol").transition_to, ticket, "Approved")
    await _patiently(lambda: hint(client, ticket, "approve"))
    moved = await log.first(issue, "issue.transitioned", to=("Access active", "Closed"))
    if moved["to"] == "Access active":
        await asyncio.to_thread(seat.on.person("alice").comment, ticket, f"/extend {EXTENSION}")
        await _patiently(lambda: hint(client, ticket, "extend"))
    await log.first(issue, "issue.transitioned", to=("Closed",))
    return await _patiently(handle.result)


async def _waits(handle: WorkflowHandle[Any, RequestResult]) -> bool:
    """Whether nothing is under way in the request."""
    described = (await handle.describe()).raw_description
    return not described.pending_activities and not described.HasField("pending_workflow_task")


async def _patiently(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask the engine until it answers: what may be asked again, as the bridge would."""
    while True:
        try:
            return await ask()
        except (TemporalUnavailableError, RPCError):
            await asyncio.sleep(LOOK_SECONDS)


async def _kill(seat: Seat, point: Point | None) -> datetime | None:
    """Have the first worker die at the point, and start the next one at once; then what is held meets its fate."""
    [first] = seat.workers
    if point is None:
        return None
    if isinstance(point, CallPoint):
        await seat.on.log.held(seat.name)
        await first.kill()
    await first.ended.wait()
    restarted_at = await seat.start_worker()
    if isinstance(point, CallPoint):
        await (seat.on.sandbox.lose if point.fate == "lost" else seat.on.sandbox.release)(seat.name)
    return restarted_at


async def hold_at(seat: Seat, ticket: TicketRef, point: CallPoint) -> None:
    """Have the vendor hold that call of this case."""
    path = point.path
    for placeholder, text in placeholders(seat, ticket).items():
        path = path.replace(placeholder, text)
    await seat.on.sandbox.arm(
        point.vendor,
        {"kind": "hold", "name": seat.name, "when": "after" if point.fate == "done" else "before"},
        caller=seat.name,
        method=point.method,
        path=f"^{re.escape(path)}$",
        skip=point.occurrence - 1,
        times=1,
    )


def placeholders(seat: Seat, ticket: TicketRef) -> dict[str, str]:
    """What differs from case to case in a path -> what it is in this one. Property keys come before the ids in them."""
    request = request_workflow_id(ticket)
    lease = seat.lease_id
    writers = {
        "{asked}": judge_writer(request),
        "{request}": request,
        "{armed}": judge_writer(lease),
        "{lease}": lease,
    }
    return {name: property_key(writer, 0) for name, writer in writers.items()} | {
        "{group}": seat.group_id,
        "{user}": seat.user_id,
        "{issue}": f"/issue/{ticket.issue_id}",
    }
