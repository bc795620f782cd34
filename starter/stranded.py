"""What the engine keeps for a worker that is gone is given to the living (ADR 16).

A lease that a worker has at hand is called by that worker's own queue, its sticky queue, which nobody else polls. Of a worker
that was killed or cut off the engine learns nothing: what lies there waits for the sticky timeout, and what becomes due in the
next ten seconds is put there too. Every process that serves leases looks after the queues of all of them.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.api.common.v1 import WorkflowExecution as Run
from temporalio.api.enums.v1 import QueryResultType, TaskQueueKind, TaskQueueType, WorkflowTaskFailedCause
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    GetWorkflowExecutionHistoryReverseRequest,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
    ShutdownWorkerRequest,
)
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from activities.callers import LEASE_TYPE
from domain.search import EXPIRES_AT

logger = logging.getLogger("nightlatch.stranded")

LOOK_EVERY = timedelta(seconds=0.5)
LONGEST_BLINK = timedelta(seconds=1.5)
"""Who has not looked for so long (frozen, or cut off itself) knows nothing of what was in between, and begins to count anew."""

QUIET = timedelta(seconds=1.5)
"""A worker that has not asked its queue for so long, with something in it, is gone, frozen, or has no room for more. Counted by
the looking process's own steady clock: no two hosts have to agree on the time."""

SPARED = timedelta(minutes=1)
"""How long a queue is left alone that was said to hold something and gave nothing: the engine's count is an estimate."""

REMEMBERED = timedelta(minutes=15)
"""How long a queue is remembered that nobody polls and nothing lies in: an engine that was restarted has seen no polls yet."""

OVERDUE_EVERY, OVERDUE = timedelta(seconds=2), 20
"""How often leases that are past their end are asked for, and how many of them are read to learn by which queue they are called."""

LIST_EVERY, READ_EVERY = timedelta(seconds=30), timedelta(seconds=0.05)
"""How often the leases that run are listed, newest first, and how long after another one of them is read that was not yet."""

PAGE, MOST_READ = 100, 20_000
"""Leases: listed at a time, and remembered as read; beyond that all are read anew."""

LAST_EVENTS = 50
"""Of a history: a lease that sleeps has had its last workflow task within these."""

ANSWER = timedelta(seconds=5)
POLL = timedelta(seconds=5)
"""The engine refuses a poll that would wait for less than two seconds."""

HANDS = 8
"""How many tasks of one queue are given back at the same time: each takes the engine three answers."""

RESCUER = "nightlatch-rescuer"
"""As whom queues are emptied, so that no process takes another one's rescue for the worker itself."""

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
    """When a queue was polled last, by the engine's clock, and since when, by our own, that has not changed while it was full."""

    polled_at: datetime | None
    since: float
    spared_until: float = 0.0


class StickyQueues:
    """The sticky queues that workers of one queue have, by what the histories of its leases tell."""

    def __init__(self, client: Client, queue: str) -> None:
        self._client = client
        self._service = client.workflow_service
        self._queue = queue
        self._leases = f"WorkflowType = '{LEASE_TYPE}' AND ExecutionStatus = 'Running' AND TaskQueue = '{queue}'"
        self._known = dict[str, _Seen]()
        self._under_rescue = set[str]()
        self._looked_at = time.monotonic()
        self._read = set[str]()
        self._have_listed_all = False

    async def watch(self) -> None:
        """Learn which queues there are, look at them twice a second, and empty those that are stranded, until cancelled."""
        async with asyncio.TaskGroup() as group:

            async def look() -> None:
                for name in await self._stranded():
                    self._under_rescue.add(name)
                    group.create_task(self._rescue(name))

            group.create_task(_repeat("overdue leases be asked for", self._learn_from_overdue, OVERDUE_EVERY))
            group.create_task(_repeat("leases be listed", self._learn_from_running, LIST_EVERY))
            group.create_task(_repeat("sticky queues be looked at", look, LOOK_EVERY))

    async def _learn_from_overdue(self) -> None:
        overdue = f"{self._leases} AND {EXPIRES_AT} < '{datetime.now(UTC).isoformat()}'"
        async for run in self._client.list_workflows(overdue, limit=OVERDUE, rpc_timeout=ANSWER):
            await self._learn_of(run)

    async def _learn_from_running(self) -> None:
        """Read those that were not read yet. Once all have been listed, new ones come before a page of those that were."""
        if len(self._read) > MOST_READ:
            self._list_anew()
        in_a_row = 0
        async for run in self._client.list_workflows(self._leases, page_size=PAGE, rpc_timeout=ANSWER):
            if run.run_id not in self._read:
                in_a_row = 0
                await self._learn_of(run)
                await asyncio.sleep(READ_EVERY.total_seconds())
            elif self._have_listed_all and (in_a_row := in_a_row + 1) >= PAGE:
                return
        self._have_listed_all = True

    def _list_anew(self) -> None:
        """Leases have moved to other workers."""
        self._read.clear()
        self._have_listed_all = False

    async def _learn_of(self, run: WorkflowExecution) -> None:
        """Learn by which sticky queue this run was called last, if it was and its history is still there.

        Raises:
            RPCError: the engine does not let its history be read, or does not answer.
        """
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self._client.namespace,
            execution=Run(workflow_id=run.id, run_id=run.run_id),
            maximum_page_size=LAST_EVENTS,
        )
        try:
            response = await self._service.get_workflow_execution_history_reverse(request, timeout=ANSWER)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return
            raise
        for event in response.history.events:
            called = event.workflow_task_scheduled_event_attributes.task_queue
            if called.kind == STICKY and called.normal_name == self._queue:
                self._known.setdefault(called.name, _Seen(None, time.monotonic()))
                self._read.add(run.run_id)
                return

    async def _stranded(self) -> list[str]:
        """The queues in which something has lain for a while that nobody asks for.

        Raises:
            RPCError: one could not be looked at, and no other is stranded.
        """
        now, errors, found = time.monotonic(), list[RPCError](), list[str]()
        if now - self._looked_at > LONGEST_BLINK.total_seconds():
            for seen in self._known.values():
                seen.since = now
        for name in self._known.keys() - self._under_rescue:
            try:
                if await self._is_stranded(name):
                    found.append(name)
            except RPCError as error:
                errors.append(error)
        self._looked_at = time.monotonic()
        if errors and not found:
            raise errors[0]
        return found

    async def _is_stranded(self, name: str) -> bool:
        seen, now = self._known[name], time.monotonic()
        polled_at, is_full = await self._look_at(name)
        if polled_at is None and not is_full and seen.polled_at is None:
            if now - seen.since > REMEMBERED.total_seconds():
                del self._known[name]
                self._list_anew()
            return False
        if polled_at != seen.polled_at or not is_full:
            seen.polled_at, seen.since = polled_at, now
            return False
        return now - seen.since >= QUIET.total_seconds() and now >= seen.spared_until

    async def _look_at(self, name: str) -> tuple[datetime | None, bool]:
        """When its worker polled it last, as far as the engine remembers, and whether something lies in it."""
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace,
            task_queue=self._sticky(name),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
            include_task_queue_status=True,
        )
        seen = await self._service.describe_task_queue(request, timeout=ANSWER)
        polls = [poller.last_access_time.ToDatetime(UTC) for poller in seen.pollers if poller.identity != RESCUER]
        return max(polls, default=None), seen.task_queue_status.backlog_count_hint > 0

    async def _rescue(self, name: str) -> None:
        try:
            given_back = await self._empty(name)
        except Exception:
            logger.warning("the sticky queue %s could not be emptied, and is tried again", name, exc_info=True)
        else:
            if given_back:
                logger.warning("a worker is gone: %d tasks of its sticky queue %s went to the others", given_back, name)
            else:
                self._known[name].spared_until = time.monotonic() + SPARED.total_seconds()
        finally:
            self._under_rescue.discard(name)

    async def _empty(self, name: str) -> int:
        """Give back what comes, until nothing comes any more; then let the engine forget that the queue was ever polled.

        Ends early when the worker polls its queue after all. Returns how many tasks went to the others.
        """
        polled_at = self._known[name].polled_at
        async with asyncio.TaskGroup() as group:
            hands = [group.create_task(self._give_back_what_comes(name, polled_at)) for _ in range(HANDS)]
        self._list_anew()
        if (await self._look_at(name))[0] == polled_at:
            request = ShutdownWorkerRequest(
                namespace=self._client.namespace, sticky_task_queue=name, identity=RESCUER, reason="nobody polls it"
            )
            await self._service.shutdown_worker(request, timeout=ANSWER)
        return sum(hand.result() for hand in hands)

    async def _give_back_what_comes(self, name: str, polled_at: datetime | None) -> int:
        given_back = 0
        while (task := await self._poll(name)).task_token:
            with suppress(RPCError):  # The run is over, or the task was given to somebody else meanwhile.
                if task.HasField("query"):
                    await self._refuse(task)
                else:
                    await self._give_back(task)
                given_back += 1
            if (await self._look_at(name))[0] != polled_at:
                break
        return given_back

    async def _poll(self, name: str) -> PollWorkflowTaskQueueResponse:
        request = PollWorkflowTaskQueueRequest(
            namespace=self._client.namespace, task_queue=self._sticky(name), identity=RESCUER
        )
        return await self._service.poll_workflow_task_queue(request, timeout=POLL)

    async def _give_back(self, task: PollWorkflowTaskQueueResponse) -> None:
        """To fail a task ends its stickiness: the engine calls the run again by the queue that everybody polls."""
        request = RespondWorkflowTaskFailedRequest(
            namespace=self._client.namespace,
            task_token=task.task_token,
            cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_STICKY_TASK_QUEUE,
            identity=RESCUER,
        )
        await self._service.respond_workflow_task_failed(request, timeout=ANSWER)

    async def _refuse(self, task: PollWorkflowTaskQueueResponse) -> None:
        """A query cannot be given back: whoever asked asks again, and is answered by the others."""
        request = RespondQueryTaskCompletedRequest(
            namespace=self._client.namespace,
            task_token=task.task_token,
            completed_type=QueryResultType.QUERY_RESULT_TYPE_FAILED,
            error_message="the worker that had this lease at hand is gone; ask again",
        )
        await self._service.respond_query_task_completed(request, timeout=ANSWER)

    def _sticky(self, name: str) -> TaskQueue:
        return TaskQueue(name=name, kind=STICKY, normal_name=self._queue)


async def _repeat(what: str, do: Callable[[], Awaitable[None]], every: timedelta) -> None:
    """Do it again and again, whatever it raises, until cancelled. A failure is told once for as long as it lasts."""
    has_failed = False
    while True:
        try:
            await do()
            has_failed = False
        except Exception:
            if not has_failed:
                logger.warning("not all %s (looking after dead workers), which is tried again", what, exc_info=True)
            has_failed = True
        await asyncio.sleep(every.total_seconds())
