"""An operator's hands: the engine's own `temporal` program, one command line each. What comes of it is judged elsewhere."""

import asyncio
import json
from asyncio.subprocess import PIPE, STDOUT
from contextlib import suppress
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from tests.engine import temporal_binary
from tests.house import PATIENCE_SECONDS, House

Handle = WorkflowHandle[Any, Any]


async def temporal(house: House, *words: str) -> str:
    """What the program prints. Where it asks whether one is sure, it is told so.

    Raises:
        AssertionError: the engine refused, with the words of the refusal.
    """
    where = ("--address", house.client.service_client.config.target_host, "--namespace", house.client.namespace)
    alone = ("--disable-config-file", "--disable-config-env")
    program = await asyncio.create_subprocess_exec(
        temporal_binary(), *words, *where, *alone, stdin=PIPE, stdout=PIPE, stderr=STDOUT
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        printed, _ = await program.communicate(b"y\n")
    assert program.returncode == 0, f"temporal {' '.join(words)}: {printed.decode()}"
    return printed.decode()


async def cancel(house: House, workflow_id: str) -> None:
    await temporal(house, "workflow", "cancel", "--workflow-id", workflow_id)


async def terminate(house: House, workflow_id: str) -> None:
    await temporal(house, "workflow", "terminate", "--workflow-id", workflow_id, "--reason", "by hand")


async def delete(house: House, workflow_id: str) -> None:
    """With its history. One that runs is terminated first, by the engine."""
    await temporal(house, "workflow", "delete", "--workflow-id", workflow_id)


async def until_forgotten(handle: WorkflowHandle[Any, Any]) -> None:
    """Return when the engine knows nothing of a deleted workflow any more."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await handle.describe()
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return
                raise
            await asyncio.sleep(0.05)


async def signal(house: House, workflow_id: str, name: str, *inputs: str) -> None:
    """`inputs` are JSON."""
    given = [word for text in inputs for word in ("--input", text)]
    await temporal(house, "workflow", "signal", "--workflow-id", workflow_id, "--name", name, *given)


async def reset(house: House, workflow_id: str, *, to: int = 0, forgetting: bool = False) -> None:
    """To the workflow task that ends with event `to`, or to the first. `forgetting`: without the messages that came later."""
    point = ("--event-id", str(to)) if to else ("--type", "FirstWorkflowTask")
    leaving_out = ("--reapply-exclude", "All") if forgetting else ()
    await temporal(
        house, "workflow", "reset", "--workflow-id", workflow_id, "--reason", "by hand", *point, *leaving_out
    )


async def batch(house: House, verb: str, query: str, *words: str) -> None:
    """One command for every workflow that the query finds, as a job of the engine's."""
    await temporal(house, "workflow", verb, "--query", query, "--reason", "by hand", "--yes", *words)


async def change_activity(house: House, handle: Handle, verb: str, name: str, *words: str) -> None:
    """Do `verb` to the pending activity called `name`: pause, unpause, reset, complete, fail, update-options."""
    chosen = await pending(handle, name)
    await temporal(house, "activity", verb, "--workflow-id", handle.id, "--activity-id", chosen.activity_id, *words)


async def pending(handle: Handle, name: str, *, attempt: int = 1) -> Any:
    """The pending activity of that name, once it is there and has come to that attempt."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with suppress(RPCError):
                for each in (await handle.describe()).raw_description.pending_activities:
                    if each.activity_type.name == name and each.attempt >= attempt:
                        return each
            await asyncio.sleep(0.02)


async def pending_names(handle: Handle) -> set[str]:
    """What a workflow is waiting for now; nothing, where there is no such workflow."""
    with suppress(RPCError):
        described = (await handle.describe()).raw_description
        return {each.activity_type.name for each in described.pending_activities}
    return set()


async def events_of(handle: Handle, activity: str) -> tuple[HistoryEvent, HistoryEvent]:
    """The events that scheduled and completed the first such activity of a workflow."""
    events = list((await handle.fetch_history()).events)
    for event in events:
        if event.activity_task_scheduled_event_attributes.activity_type.name == activity:
            for other in events:
                if other.activity_task_completed_event_attributes.scheduled_event_id == event.event_id:
                    return event, other
    raise AssertionError(f"{handle.id} has completed no {activity}")


async def result_of(handle: Handle, activity: str) -> dict[str, Any]:
    """What such an activity of a workflow returned, as anybody can read it in the history."""
    _, completed = await events_of(handle, activity)
    (payload,) = completed.activity_task_completed_event_attributes.result.payloads
    said: dict[str, Any] = json.loads(payload.data)
    return said


async def task_before(handle: Handle, activity: str) -> int:
    """The workflow task that scheduled such an activity: a reset to it schedules it anew."""
    scheduled, _ = await events_of(handle, activity)
    return scheduled.activity_task_scheduled_event_attributes.workflow_task_completed_event_id


async def task_after(handle: Handle, event_id: int) -> int:
    """The first workflow task that was completed after an event: a reset to it keeps the event."""
    completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    events = (await handle.fetch_history()).events
    return next(event.event_id for event in events if event.event_type == completed and event.event_id > event_id)


async def first_event(handle: Handle, kind: EventType.ValueType) -> int:
    return next(event.event_id for event in (await handle.fetch_history()).events if event.event_type == kind)
