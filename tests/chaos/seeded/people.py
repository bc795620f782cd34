"""The people of a seeded run: each request from asking to closing, with what is done to it in between."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from requests.exceptions import RequestException

from domain.errors import InvalidError, VendorError
from domain.ids import TicketRef
from tests.chaos.seeded.account import Done, Request
from tests.chaos.seeded.house import entitlement_name
from tests.chaos.seeded.operators import Operators
from tests.chaos.seeded.plan import Act, PlannedLease
from tests.chaos.seeded.stage import Stage, now

PATIENCE_SECONDS = 240.0
"""Besides the lease's own time: faults may hold it up for as long as the longest chain of them."""

AGAIN_SECONDS = 0.3
ENGINEERS = frozenset(Act) - {Act.REVOKE, Act.PAUSE_REMOVAL}

P = ParamSpec("P")
T = TypeVar("T")


async def live(stage: Stage, operators: Operators, planned: PlannedLease) -> Request:
    """Play one request. Whatever becomes of it is told, not raised."""
    request = Request(planned, stage.targets.pairs(planned.entitlement, planned.subject))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS + planned.lasts):
            await _live(stage, operators, request)
    except TimeoutError:
        request.trouble = "it did not come to its end in time"
    except VendorError as error:
        request.trouble = f"{type(error).__name__}: {error}"
    return request


async def _live(stage: Stage, operators: Operators, request: Request) -> None:
    planned, log = request.planned, stage.log
    person, approver = stage.person(planned.subject), stage.person(planned.approver)
    ticket = request.ticket = await _patiently(
        person.create_request,
        entitlement=entitlement_name(planned.entitlement),
        duration=f"{planned.lasts}s",
        reason=f"lease {planned.number}",
    )
    await log.first(ticket.issue_id, "comment.added")
    await _approve(approver.transition_to, ticket)
    moved = await log.first(ticket.issue_id, "issue.transitioned", to=("Access active", "Closed"))
    if moved["to"] == "Access active":
        ends_at = await _patiently(person.access_until, ticket)
        if ends_at is not None:
            async with asyncio.TaskGroup() as group:
                group.create_task(_wish(stage, request, ticket, ends_at))
                group.create_task(_act(stage, operators, request, ticket, ends_at))
    if not request.did(Act.TERMINATE_REQUEST, Act.TERMINATE_BOTH):  # nobody is left to close its ticket
        await log.first(ticket.issue_id, "issue.transitioned", to=("Closed",))
        request.is_closed = True


async def _approve(transition_to: Callable[[TicketRef, str], str], ticket: TicketRef) -> None:
    """Answer yes. Whoever cannot tell whether it was taken asks again, and is told that it stands there."""
    try:
        await _patiently(transition_to, ticket, "Approved")
    except InvalidError:
        return


async def _wish(stage: Stage, request: Request, ticket: TicketRef, ends_at: datetime) -> None:
    """More time, in the last instant."""
    wish = request.planned.wish
    if wish is None:
        return
    await _sleep_till(ends_at - timedelta(seconds=wish.before_end_seconds))
    await _patiently(stage.person(request.planned.subject).comment, ticket, f"/extend {wish.by_seconds}s")


async def _act(stage: Stage, operators: Operators, request: Request, ticket: TicketRef, ends_at: datetime) -> None:
    planned = request.planned
    if planned.act is None:
        return
    if planned.act is Act.PAUSE_REMOVAL:
        await operators.pause_removal(request, ticket, ends_at)
        return
    await _sleep_till(ends_at - timedelta(seconds=planned.lasts * (1 - planned.act_at)))
    if planned.act is Act.REVOKE:
        await _patiently(stage.person(planned.subject).comment, ticket, "/revoke")
        request.done.append(Done(planned.act, now()))
    else:
        await operators.reach_for(request, ticket, planned.act)


async def _sleep_till(moment: datetime) -> None:
    await asyncio.sleep(max(0.0, (moment - now()).total_seconds()))


async def _patiently(call: Callable[P, T], *words: P.args, **more: P.kwargs) -> T:
    """Do it again for as long as the vendors are away."""
    while True:
        try:
            return await asyncio.to_thread(call, *words, **more)
        except InvalidError:
            raise
        except (VendorError, RequestException):
            await asyncio.sleep(AGAIN_SECONDS)
