"""What lies in the sticky queue of a worker that is gone. The worker is played by the test, in the engine's own tongue."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import EventType, TaskQueueKind, TaskQueueType, WorkflowTaskFailedCause
from temporalio.api.taskqueue.v1 import StickyExecutionAttributes, TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RespondWorkflowTaskCompletedRequest,
)
from temporalio.client import Client, WorkflowHandle, WorkflowQueryFailedError
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.testing import WorkflowEnvironment

from activities.callers import LEASE_TYPE
from activities.engine import EXPIRES_AT_KEY
from starter.stranded import QUIET, looking_after_the_stranded

A_POLL = timedelta(seconds=3)
PATIENCE_SECONDS = 20.0
STICKY_SECONDS = 300
"""Longer than any test waits: what arrives earlier was given back."""

Run = WorkflowHandle[object, object]


class PlayedWorker:
    """Polls when it is told to, and then tells the engine that it has the run at hand."""

    def __init__(self, client: Client) -> None:
        self.queue = f"q{uuid4().hex}"
        self._client = client
        self._sticky = TaskQueue(
            name=f"{self.queue}-sticky", kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY, normal_name=self.queue
        )

    async def has_at_hand(self, number: int, ends_at: datetime) -> list[Run]:
        """So many leases that have been called once."""
        attributes = TypedSearchAttributes([SearchAttributePair(EXPIRES_AT_KEY, ends_at)])
        runs = [
            await self._client.start_workflow(
                LEASE_TYPE, id=f"{self.queue}-{place}", task_queue=self.queue, search_attributes=attributes
            )
            for place in range(number)
        ]
        await self.poll(sticky=True)
        for _ in runs:
            await self.answer(await self.poll())
        return runs

    async def poll(self, *, sticky: bool = False) -> PollWorkflowTaskQueueResponse:
        queue = self._sticky if sticky else TaskQueue(name=self.queue)
        request = PollWorkflowTaskQueueRequest(namespace=self._client.namespace, task_queue=queue, identity="played")
        return await self._client.workflow_service.poll_workflow_task_queue(request, timeout=A_POLL)

    async def answer(self, task: PollWorkflowTaskQueueResponse) -> None:
        assert task.task_token
        kept = StickyExecutionAttributes(
            worker_task_queue=self._sticky, schedule_to_start_timeout=Duration(seconds=STICKY_SECONDS)
        )
        request = RespondWorkflowTaskCompletedRequest(
            namespace=self._client.namespace, task_token=task.task_token, identity="played", sticky_attributes=kept
        )
        await self._client.workflow_service.respond_workflow_task_completed(request)

    async def pollers(self) -> list[str]:
        """Who polled the sticky queue, as far as the engine remembers."""
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace,
            task_queue=self._sticky,
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        return [each.identity for each in (await self._client.workflow_service.describe_task_queue(request)).pollers]

    async def next_of_all(self) -> str:
        """The id of the next run that is called by the queue that everybody polls."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (task := await self.poll()).task_token:
                pass
        await self.answer(task)
        return task.workflow_execution.workflow_id


@pytest.fixture
async def played(server: WorkflowEnvironment) -> AsyncIterator[PlayedWorker]:
    worker = PlayedWorker(server.client)
    yield worker
    async for run in server.client.list_workflows(f"TaskQueue = '{worker.queue}'"):
        await server.client.get_workflow_handle(run.id).terminate()


async def failures(run: Run) -> list[int]:
    """Why workflow tasks of that run failed, as the engine has it."""
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    return [
        event.workflow_task_failed_event_attributes.cause
        for event in (await run.fetch_history()).events
        if event.event_type == failed
    ]


@pytest.mark.parametrize("late", [False, True], ids=["among the newest", "overdue"])
async def test_what_a_dead_worker_leaves_behind_is_given_to_the_others(
    server: WorkflowEnvironment, played: PlayedWorker, *, late: bool
) -> None:
    """Each run once, whoever asks for one meanwhile; and what becomes due afterwards is not sent to the dead any more."""
    now = datetime.now(UTC)
    if late:
        async with looking_after_the_stranded(server.client, played.queue):
            *runs, asleep = await played.has_at_hand(4, now)
            await _left_behind(played, runs)
            await _sent_to_all(played, asleep)
    else:
        *runs, asleep = await played.has_at_hand(4, now + timedelta(days=1))
        async with looking_after_the_stranded(server.client, played.queue):
            await _left_behind(played, runs)
            await _sent_to_all(played, asleep)


async def _left_behind(played: PlayedWorker, runs: list[Run]) -> None:
    for run in runs:
        await run.signal("due")
    assert {await played.next_of_all() for _ in runs} == {run.id for run in runs}
    cause = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_STICKY_TASK_QUEUE
    assert [await failures(run) for run in runs] == [[cause]] * len(runs)


async def _sent_to_all(played: PlayedWorker, asleep: Run) -> None:
    with pytest.raises(WorkflowQueryFailedError, match="ask again"):
        await asleep.query("status")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await played.pollers():
            await asyncio.sleep(0.1)
    await asleep.signal("due")
    assert await played.next_of_all() == asleep.id
    assert await failures(asleep) == []


async def test_queue_of_a_busy_worker_is_left_alone(server: WorkflowEnvironment, played: PlayedWorker) -> None:
    """However much lies in it, and however late: whoever asks for more is there."""
    runs = await played.has_at_hand(8, datetime.now(UTC))
    for run in runs:
        await run.signal("due")
    async with looking_after_the_stranded(server.client, played.queue):
        for _ in runs:
            await asyncio.sleep(QUIET.total_seconds() / 2)
            await played.answer(await played.poll(sticky=True))
    assert [await failures(run) for run in runs] == [[]] * len(runs)
