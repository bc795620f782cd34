"""What is approved while the requests hear nothing is not granted all in one moment: approvals wait for those before them."""

import asyncio
from typing import Any

from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.client import WorkflowHandle

from domain.queues import Queue
from tests.house import PATIENCE_SECONDS, House
from tests.queues import all_but

JUDGE = "judge_request"


async def test_second_approval_is_judged_when_the_first_was_heard(house: House) -> None:
    """Two are approved while no request hears: the second is judged when the first request has gone on, and both are granted."""
    async with house.working(all_but(Queue.APPROVALS)):
        handles = []
        for person in ("alice", "dave"):
            ticket = house.ask(creator=person)
            handles.append(await house.start(ticket))
            await house.asked(ticket)
            await house.settled(handles[-1])
            await house.approve(ticket, handles[-1])
        for handle in handles:
            await until_judging(handle, None)
    async with house.working([Queue.APPROVALS]):
        first = await one_judged(handles)
        (second,) = (handle for handle in handles if handle is not first)
        await until_judging(second, PendingActivityState.PENDING_ACTIVITY_STATE_STARTED)
        async with house.working(all_but(Queue.APPROVALS)):
            await house.until(lambda: len(house.ledger("added")) == len(handles))
    judged, _ = await judged_and_heard(second)
    _, heard = await judged_and_heard(first)
    assert judged > heard


async def judging(handle: WorkflowHandle[Any, Any]) -> PendingActivityState.ValueType | None:
    """The state of the judgement that a request waits for; None when it waits for none."""
    pending = (await handle.describe()).raw_description.pending_activities
    return next((one.state for one in pending if one.activity_type.name == JUDGE), None)


async def until_judging(handle: WorkflowHandle[Any, Any], state: PendingActivityState.ValueType | None) -> None:
    """Return when the request waits for a judgement in that state, in any if `state` is None."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (seen := await judging(handle)) is None or seen != (state or seen):
            await asyncio.sleep(0.02)


async def one_judged(handles: list[WorkflowHandle[Any, Any]]) -> WorkflowHandle[Any, Any]:
    """The first of these requests whose judgement is there."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            for handle in handles:
                if await judging(handle) is None:
                    return handle
            await asyncio.sleep(0.02)


async def judged_and_heard(handle: WorkflowHandle[Any, Any]) -> tuple[int, int]:
    """When its judgement was there, and when it began the task in which it heard of it. Nanoseconds, by the engine's clock."""
    events = list((await handle.fetch_history()).events)
    scheduled = [
        event.event_id for event in events if event.activity_task_scheduled_event_attributes.activity_type.name == JUDGE
    ]
    (judged,) = (
        place
        for place, event in enumerate(events)
        if event.activity_task_completed_event_attributes.scheduled_event_id in scheduled
        and event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
    )
    heard = next(event for event in events[judged:] if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED)
    return events[judged].event_time.ToNanoseconds(), heard.event_time.ToNanoseconds()
