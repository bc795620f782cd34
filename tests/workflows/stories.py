"""Steps that kernel tests share: bring a request to its lease, see it off, and read what the vendor saw."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle
from temporalio.worker import Worker

from domain.ids import TicketRef
from domain.queues import Queue, queue_name
from starter.stuck_reading import Stuck, find_stuck
from tests.house import PATIENCE_SECONDS, House
from workflows.access_request import AccessRequestWorkflow
from workflows.sandbox import workflow_runner

Handle = WorkflowHandle[AccessRequestWorkflow, object]

A_MINUTE = timedelta(minutes=1)
"""Longer than any fence: a lease that jumps by it has had its second look."""

PROMPTLY = timedelta(seconds=5)
"""An end that a test waits for is kept within this: the jumping server moves in whole seconds."""


async def hold(house: House, duration: str = "1h", entitlement: str = "admin") -> tuple[TicketRef, Handle]:
    """A request of alice's that is active."""
    ticket, handle = await house.approved(duration, entitlement=entitlement)
    await house.told(ticket, "Access is active")
    return ticket, handle


async def close(house: House, handle: Handle, *names: str) -> None:
    """Let the named leases pass their fences, and wait for the request to end."""
    for name in names or ("admin",):
        await house.until(lambda name=name: not house.is_member(name))  # type: ignore[misc]
        await house.jump(house.lease(name), A_MINUTE)
    await house.soon(handle.result())


def actions(house: House, name: str = "admin") -> list[str]:
    """What happened to alice at one target, sessions left out; a write that changed nothing stands in brackets."""
    words = {("looked", True): "present", ("looked", False): "absent"}
    return [
        words.get((entry.action, entry.changed), entry.action if entry.changed else f"({entry.action})")
        for entry in house.ledger("added", "removed", "looked")
        if entry.target == house.target(name) and entry.subject == house.subject()
    ]


def assert_proved_gone(house: House, ticket: TicketRef, name: str = "admin") -> None:
    """The vendor's own ledger ends with two looks at nothing, and the ticket bears the proof."""
    assert not house.is_member(name)
    assert actions(house, name)[-2:] == ["absent", "absent"]
    assert "proved" in house.kinds(ticket, house.lease_id(name))


async def reset(house: House, handle: WorkflowHandle[Any, Any], *, before: str = "") -> None:
    """Reset the current run to its first workflow task, or to the one that schedules `before`, as an operator would in the UI."""
    run_id = (await handle.describe()).run_id
    history = await house.client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()
    completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    point = next(event.event_id for event in history.events if event.event_type == completed)
    for event in history.events:
        scheduled = event.activity_task_scheduled_event_attributes
        if before and scheduled.activity_type.name == before:
            point = scheduled.workflow_task_completed_event_id
            break
    request = ResetWorkflowExecutionRequest(
        namespace=house.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=run_id),
        reason="by hand",
        workflow_task_finish_event_id=point,
        request_id=f"reset-{run_id}",
    )
    await house.client.workflow_service.reset_workflow_execution(request)


async def until_event(handle: WorkflowHandle[Any, Any], kind: EventType.ValueType) -> None:
    """Return when the history holds such an event."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while kind not in [event.event_type for event in (await handle.fetch_history()).events]:
            await asyncio.sleep(0.05)


def serving_leases(house: House, workflow: type[Any], activities: Sequence[Callable[..., Any]]) -> Worker:
    """A worker of another build, or of somebody else, on the queue of the leases."""
    return Worker(
        house.client,
        task_queue=queue_name(house.prefix, Queue.LEASES),
        workflows=[workflow],
        activities=activities,
        workflow_runner=workflow_runner(),
        max_cached_workflows=0,
    )


async def late_ones(house: House, *, after: timedelta = timedelta(0)) -> list[Stuck]:
    """Late removals of this house, as somebody finds them who asks that much later. Others share the server."""
    found = await find_stuck(house.client, datetime.now(UTC) + after)
    return [stuck for stuck in found if stuck.lease_id == house.lease_id()]
