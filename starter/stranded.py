"""What the engine keeps for a worker that is gone is given to the living (ADR 16).

A lease that a worker has at hand is called by that worker's own queue, its sticky queue, which nobody else polls. Of a worker
that was killed or cut off the engine learns nothing: what lies there waits for the sticky timeout, and what becomes due in the
next ten seconds is put there too. Every process that serves leases looks after the queues of all of them.
"""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import TaskQueueKind, TaskQueueType, WorkflowTaskFailedCause
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    GetWorkflowExecutionHistoryReverseRequest,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RespondWorkflowTaskFailedRequest,
    ShutdownWorkerRequest,
)
from temporalio.client import Client

from activities.callers import LEASE_TYPE
from domain.search import EXPIRES_AT

logger = logging.getLogger("nightlatch.stranded")

LOOK_EVERY = timedelta(seconds=0.5)
QUIET = timedelta(seconds=1.5)
"""A worker that has not asked its queue for so long, with something in it, is gone, frozen, or has no room for more. Counted by
the looking process's own steady clock: no two hosts have to agree on the time."""

OVERDUE_EVERY, OVERDUE = timedelta(seconds=2), 20
NEWEST_EVERY, NEWEST = timedelta(seconds=30), 50
"""How often, and how many at a time, leases that are overdue, and the newest that run, are read to learn which queues there are."""

LAST_EVENTS = 20
"""Of a history: a lease that sleeps has had its last workflow task within these."""

POLL = timedelta(seconds=3)
"""The engine refuses a poll that would wait for less than two seconds."""

STICKY = TaskQueueKind.TASK_QUEUE_KIND_STICKY


@asynccontextmanager
async def looking_after_the_stranded(client: Client, queue: str) -> AsyncIterator[None]:
    """While the body runs, what lies in the sticky queues of dead workers of `queue` is put back into `queue` itself."""
    watch = asyncio.create_task(StickyQueues(client, queue).watch())
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.wait([watch])


@dataclass
class _Seen:
    """When a queue was polled last, by the engine's clock, and since when that has not changed, by our own."""

    polled_at: datetime | None
    since: float


class StickyQueues:
    """The sticky queues that workers of one queue have, by what the histories of its leases tell."""

    def __init__(self, client: Client, queue: str) -> None:
        self._client = client
        self._service = client.workflow_service
        self._queue = queue
        self._known = dict[str, _Seen]()
        self._read = set[str]()
        self._asked_for = dict[str, float]()

    async def watch(self) -> None:
        """Look twice a second, until cancelled. An engine that does not answer is asked again, whatever it said."""
        is_blind = False
        async with asyncio.TaskGroup() as rescues:
            while True:
                try:
                    await self._learn()
                    for name in await self._stranded():
                        del self._known[name]
                        self._read.clear()
                        rescues.create_task(self._empty(name))
                    is_blind = False
                except Exception:
                    if not is_blind:
                        logger.warning("the sticky queues cannot be looked at, and are tried again", exc_info=True)
                    is_blind = True
                await asyncio.sleep(LOOK_EVERY.total_seconds())

    async def _learn(self) -> None:
        leases = f"WorkflowType = '{LEASE_TYPE}' AND ExecutionStatus = 'Running' AND TaskQueue = '{self._queue}'"
        if self._is_time_for("overdue", OVERDUE_EVERY):
            overdue = f"{leases} AND {EXPIRES_AT} < '{datetime.now(UTC).isoformat()}'"
            async for run in self._client.list_workflows(overdue, limit=OVERDUE):
                await self._learn_of(run.id, run.run_id)
        if self._is_time_for("newest", NEWEST_EVERY):
            newest = {run.run_id: run.id async for run in self._client.list_workflows(leases, limit=NEWEST)}
            self._read &= newest.keys()
            for run_id in newest.keys() - self._read:
                if await self._learn_of(newest[run_id], run_id):
                    self._read.add(run_id)

    def _is_time_for(self, what: str, every: timedelta) -> bool:
        is_time = time.monotonic() - self._asked_for.get(what, -math.inf) >= every.total_seconds()
        if is_time:
            self._asked_for[what] = time.monotonic()
        return is_time

    async def _learn_of(self, workflow_id: str, run_id: str) -> bool:
        """Learn by which sticky queue this run was called last. Returns whether there is one."""
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self._client.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            maximum_page_size=LAST_EVENTS,
        )
        response = await self._service.get_workflow_execution_history_reverse(request)
        for event in response.history.events:
            called = event.workflow_task_scheduled_event_attributes.task_queue
            if called.kind == STICKY and called.normal_name == self._queue:
                self._known.setdefault(called.name, _Seen(None, time.monotonic()))
                return True
        return False

    async def _stranded(self) -> list[str]:
        """The queues with something in them that nobody asks for. One that is empty and that nobody polls is forgotten."""
        found = []
        for name, seen in list(self._known.items()):
            polled_at, is_full = await self._look_at(name)
            if polled_at is None and not is_full:
                del self._known[name]
            elif polled_at != seen.polled_at or not is_full:
                self._known[name] = _Seen(polled_at, time.monotonic())
            elif time.monotonic() - seen.since >= QUIET.total_seconds():
                found.append(name)
        return found

    async def _look_at(self, name: str) -> tuple[datetime | None, bool]:
        """When it was polled last, if ever, and whether something lies in it."""
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace,
            task_queue=self._sticky(name),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
            include_task_queue_status=True,
        )
        seen = await self._service.describe_task_queue(request)
        latest = max((poller.last_access_time.ToDatetime(UTC) for poller in seen.pollers), default=None)
        return latest, seen.task_queue_status.backlog_count_hint > 0

    async def _empty(self, name: str) -> None:
        """Give everything back, until nothing comes any more; then let the engine forget that the queue was ever polled.

        An engine that does not answer leaves the rest to whoever learns of the queue again.
        """
        given_back = 0
        try:
            while (task := await self._poll(name)).task_token:
                await self._give_back(task)
                given_back += 1
            request = ShutdownWorkerRequest(
                namespace=self._client.namespace,
                sticky_task_queue=name,
                identity=self._client.identity,
                reason="nobody polls it",
            )
            await self._service.shutdown_worker(request)
        except Exception:
            logger.warning("the sticky queue %s could not be emptied", name, exc_info=True)
        logger.warning("a worker is gone: %d tasks of its sticky queue %s go to the others", given_back, name)

    async def _poll(self, name: str) -> PollWorkflowTaskQueueResponse:
        request = PollWorkflowTaskQueueRequest(
            namespace=self._client.namespace, task_queue=self._sticky(name), identity=self._client.identity
        )
        return await self._service.poll_workflow_task_queue(request, timeout=POLL)

    async def _give_back(self, task: PollWorkflowTaskQueueResponse) -> None:
        """To fail a task ends its stickiness: the engine calls the run again by the queue that everybody polls."""
        request = RespondWorkflowTaskFailedRequest(
            namespace=self._client.namespace,
            task_token=task.task_token,
            cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_STICKY_TASK_QUEUE,
            identity=self._client.identity,
        )
        await self._service.respond_workflow_task_failed(request)

    def _sticky(self, name: str) -> TaskQueue:
        return TaskQueue(name=name, kind=STICKY, normal_name=self._queue)
