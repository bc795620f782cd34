"""The scenes whose histories are kept: each plays one run on a real server and names the workflows to record."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle

from domain.errors import ForbiddenError, RetryableError
from domain.ids import TicketRef
from domain.queues import Queue, queue_name
from tests.house import House
from workflows.lease import LeaseWorkflow

Handle = WorkflowHandle[Any, Any]
Scene = Callable[[House], Awaitable[dict[str, Handle]]]

A_MINUTE = timedelta(minutes=1)


async def pending(house: House) -> dict[str, Handle]:
    ticket = house.ask()
    request = await house.start(ticket)
    await house.asked(ticket)
    await house.settled(request)
    return {"request": request}


async def denied(house: House) -> dict[str, Handle]:
    ticket = house.ask()
    request = await house.start(ticket)
    await house.asked(ticket)
    house.tickets.transition_as(ticket, "Declined", "bob")
    await request.signal("deny", {"by": "bob"})
    await house.soon(request.result())
    return {"request": request}


async def refused(house: House) -> dict[str, Handle]:
    house.provider.add_by_hand(house.target(), house.subject())
    _ticket, request = await house.approved()
    await house.soon(request.result())
    return _both(house, request)


async def granting(house: House) -> dict[str, Handle]:
    gate = house.provider.hold("grant")
    _ticket, request = await house.approved()
    await gate.reached()
    await house.settled(request)
    return _both(house, request)


async def active(house: House) -> dict[str, Handle]:
    _ticket, request = await _active(house)
    await house.settled(request)
    return _both(house, request)


async def extended_twice(house: House) -> dict[str, Handle]:
    ticket, request = await _active(house)
    for _ in range(2):
        house.tickets.comment_as(ticket, "/extend 30m", "alice")
        await request.signal("extend", {"by": "alice"})
    await house.until(lambda: sum("Extended by" in text for text in house.comments(ticket)) == 2)
    await _revoke(house, request)
    return _both(house, request)


async def expired(house: House) -> dict[str, Handle]:
    _ticket, request = await house.approved("2s")
    await house.soon(request.result())
    return _both(house, request)


async def two_targets(house: House) -> dict[str, Handle]:
    _ticket, request = await _active(house, "pair")
    await _revoke(house, request)
    return {"request": request, "left": house.lease("left"), "right": house.lease("right")}


async def one_of_two_fails(house: House) -> dict[str, Handle]:
    ticket = house.ask(entitlement="pair")
    request = await house.start(ticket)
    await house.asked(ticket)
    gate = house.provider.hold("grant", "after")
    await house.approve(ticket, request)
    await gate.reached()
    house.provider.fail("grant", ForbiddenError("403"), times=1)
    gate.release()
    await _over_fences(house, ticket, request, "left", "right")
    return {"request": request, "left": house.lease("left"), "right": house.lease("right")}


async def revoking_with_retries(house: House) -> dict[str, Handle]:
    ticket, request = await _active(house)
    house.provider.fail("revoke", RetryableError("503"), times=2)
    await request.signal("revoke", {})
    await _over_fences(house, ticket, request, "admin")
    return _both(house, request)


async def cancelled_while_pending(house: House) -> dict[str, Handle]:
    found = await pending(house)
    await found["request"].cancel()
    await house.soon(found["request"].result())
    return found


async def cancelled_while_granting(house: House) -> dict[str, Handle]:
    gate = house.provider.hold("grant", "after")
    ticket, request = await house.approved()
    await gate.reached()
    await request.cancel()
    await house.settled(request)
    gate.release()
    await _over_fences(house, ticket, request, "admin")
    return _both(house, request)


async def cancelled_while_active(house: House) -> dict[str, Handle]:
    _ticket, request = await _active(house)
    await request.cancel()
    await house.soon(request.result())
    return _both(house, request)


async def cancelled_while_revoking(house: House) -> dict[str, Handle]:
    _ticket, request = await _active(house)
    gate = house.provider.hold("revoke")
    await request.signal("revoke", {})
    await gate.reached()
    await request.cancel()
    await house.lease().cancel()
    await house.settled(request)
    gate.release()
    await house.soon(request.result())
    return _both(house, request)


async def request_reset(house: House) -> dict[str, Handle]:
    ticket, request = await _active(house)
    again = await _reset(house, request)
    await again.signal("revoke", {})
    await _over_fences(house, ticket, again, "admin")
    return {"request": again, "lease": house.lease()}


async def end_only(house: House) -> dict[str, Handle]:
    ticket = house.ask()
    house.provider.add_by_hand(house.target(), house.subject())
    order = house.order(ticket, lasts=timedelta(hours=1), end_only=True)
    lease = await house.client.start_workflow(
        LeaseWorkflow.run, order, id=house.lease_id(), task_queue=queue_name(house.prefix, Queue.LEASES)
    )
    await _jump_when_removed(house, ticket, "admin")
    await house.soon(lease.result())
    return {"lease": lease}


SCENES: tuple[Scene, ...] = (
    pending,
    denied,
    refused,
    granting,
    active,
    extended_twice,
    expired,
    two_targets,
    one_of_two_fails,
    revoking_with_retries,
    cancelled_while_pending,
    cancelled_while_granting,
    cancelled_while_active,
    cancelled_while_revoking,
    request_reset,
    end_only,
)


async def _active(house: House, entitlement: str = "admin") -> tuple[TicketRef, Handle]:
    ticket, request = await house.approved(entitlement=entitlement)
    await house.told(ticket, "Access is active")
    return ticket, request


async def _revoke(house: House, request: Handle) -> None:
    await request.signal("revoke", {"by": "bob"})
    await house.soon(request.result())


async def _jump_when_removed(house: House, ticket: TicketRef, name: str) -> None:
    await house.until(lambda: "removed" in house.kinds(ticket, house.lease_id(name)))
    await house.jump(house.lease(name), A_MINUTE)


async def _over_fences(house: House, ticket: TicketRef, request: Handle, *names: str) -> None:
    """Return when the request has closed; each lease jumps over the wait for what might land late."""
    async with asyncio.TaskGroup() as jumps:
        for name in names:
            jumps.create_task(_jump_when_removed(house, ticket, name))
    await house.soon(request.result())


async def _reset(house: House, request: Handle) -> Handle:
    """Reset a request to its first workflow task, as an operator can in the UI."""
    events = (await request.fetch_history()).events
    first = next(e.event_id for e in events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    described = await request.describe()
    answer = await house.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=house.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=request.id, run_id=described.run_id),
            workflow_task_finish_event_id=first,
            reason="a test",
            request_id=described.run_id,
        )
    )
    return house.client.get_workflow_handle(request.id, run_id=answer.run_id)


def _both(house: House, request: Handle) -> dict[str, Handle]:
    return {"request": request, "lease": house.lease()}
