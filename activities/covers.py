"""What the engine tells of the run under a lease id, as the pure judgement of drift needs it. Nothing is decided here.

Ends are believed on the judge's signature in the run's memo. The rest is the engine's own word, which somebody with write
access to the namespace can shape: `domain/drift.py` lets none of it hold access on.
"""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import ValidationError
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryReverseRequest,
)
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.client import WorkflowExecution as WorkflowRun
from temporalio.service import RPCError, RPCStatusCode

from activities.callers import is_lease, is_request
from activities.crowd import each_of
from activities.engine import MEMO_END_ONLY, MEMO_WARRANT, STATE_KEY
from activities.send_window import LONGEST_ATTEMPT
from domain.canonical import KeyRing
from domain.drift import Cover, is_leaving
from domain.errors import SignatureRefusedError
from domain.lease import LeaseState
from domain.signed import Signed
from domain.values import Value
from domain.warrant import Warrant

REMOVALS = frozenset({"revoke_access", "observe_access", "end_sessions", "trace_run"})
"""Activities whose attempts show that a lease is taking away."""

BACKLOG = timedelta(seconds=60)
"""How long a task that nobody has tried yet may wait for a worker, before its lease counts as one that does not move."""

TAIL = 40
"""How many of a run's newest events are looked through for a sign of removal."""

EARLIER = 200
"""How many runs of an id are looked through for a warrant, where the newest bears none."""

AT_ONCE = 16


class Covered(Value):
    """The run, and the newest warrant that the judge ever signed for the pair, opened and as it was sealed, if it bears one."""

    cover: Cover
    warrant: Warrant | None = None
    sealed: Signed | None = None


class Covers:
    """Describes leases. One that cannot be described raises: what is unknown is neither a cover nor the lack of one."""

    def __init__(self, client: Client, keys: KeyRing) -> None:
        self._client = client
        self._keys = keys

    async def of_all(self, lease_ids: Iterable[str], now: datetime) -> dict[str, Covered]:
        """By lease id; ids under which nothing is known are missing.

        Raises:
            RPCError: the engine could not be asked about one of them.
        """
        requests: dict[str, asyncio.Task[bool]] = {}
        told = await each_of(lease_ids, lambda lease_id: self.of(lease_id, now, requests), at_once=AT_ONCE)
        return {lease_id: covered for lease_id, covered in told.items() if covered is not None}

    async def of(
        self, lease_id: str, now: datetime, requests: dict[str, asyncio.Task[bool]] | None = None
    ) -> Covered | None:
        """What is known of `lease_id`; None when nothing is. `requests` remembers which requests run.

        Raises:
            RPCError: the engine could not be asked.
        """
        described = await self._describe(lease_id)
        if described is None:
            return None
        memo = await _memo_of(described)
        sealed, warrant = self._warrant_of(memo, lease_id)
        if warrant is None:
            sealed, warrant = await self._earlier_warrant(lease_id)
        raw, run_id = described.raw_description, described.run_id
        info = raw.workflow_execution_info
        began_at = _instant(info.start_time)
        until = warrant.expires_at if warrant is not None and warrant.run_id == run_id else None
        end_only = memo.get(MEMO_END_ONLY) is True
        parent = info.parent_execution.workflow_id
        cover = Cover(
            run_id=run_id,
            running=described.status is WorkflowExecutionStatus.RUNNING,
            is_lease=is_lease(described.workflow_type, described.task_queue),
            end_only=end_only,
            state=_state_of(described),
            until=until,
            was_ours=warrant is not None,
            began_at=began_at,
            moved_at=max([began_at, *_attempts(raw, described.task_queue)]),
            waits_until=_waits_until(raw, described.task_queue),
            cancel_asked=raw.workflow_extended_info.cancel_requested,
            has_request=end_only or await self._runs(parent, {} if requests is None else requests),
        )
        if is_leaving(cover, now):
            moved_at = max([cover.moved_at, *await self._recent(lease_id, run_id)])
            cover = cover.model_copy(update={"moved_at": moved_at})
        return Covered(cover=cover, warrant=warrant, sealed=sealed)

    async def _describe(self, workflow_id: str) -> WorkflowExecutionDescription | None:
        try:
            return await self._client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def _runs(self, request_id: str, known: dict[str, asyncio.Task[bool]]) -> bool:
        if request_id not in known:
            known[request_id] = asyncio.create_task(self._is_running_request(request_id))
        return await known[request_id]

    async def _is_running_request(self, request_id: str) -> bool:
        described = await self._describe(request_id) if request_id else None
        return (
            described is not None
            and described.status is WorkflowExecutionStatus.RUNNING
            and is_request(described.workflow_type, described.task_queue)
        )

    async def _earlier_warrant(self, lease_id: str) -> tuple[Signed, Warrant] | tuple[None, None]:
        """The newest warrant of the runs before: a later one that was refused makes nobody forgotten whom they let in."""
        newest: tuple[Signed, Warrant] | tuple[None, None] = (None, None)
        async for run in self._client.list_workflows(f"WorkflowId = '{lease_id}'", limit=EARLIER):
            sealed, warrant = self._warrant_of(await _memo_of(run), lease_id)
            if sealed and warrant and (newest[1] is None or warrant.issued_at > newest[1].issued_at):
                newest = (sealed, warrant)
        return newest

    def _warrant_of(self, memo: dict[str, Any], lease_id: str) -> tuple[Signed, Warrant] | tuple[None, None]:
        try:
            sealed = Signed.model_validate(memo.get(MEMO_WARRANT))
            warrant = sealed.open(Warrant, self._keys)
        except (ValidationError, SignatureRefusedError):
            return None, None
        return (sealed, warrant) if warrant.lease_id == lease_id else (None, None)

    async def _recent(self, lease_id: str, run_id: str) -> list[datetime]:
        """When the run last scheduled or finished something that takes away, as far as its newest events tell."""
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self._client.namespace,
            execution=WorkflowExecution(workflow_id=lease_id, run_id=run_id),
            maximum_page_size=TAIL,
        )
        try:
            answer = await self._client.workflow_service.get_workflow_execution_history_reverse(request)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return []
            raise
        events = answer.history.events
        scheduled = {
            event.event_id
            for event in events
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
            and event.activity_task_scheduled_event_attributes.activity_type.name in REMOVALS
        }
        return [
            _instant(event.event_time)
            for event in events
            if event.event_id in scheduled
            or event.activity_task_completed_event_attributes.scheduled_event_id in scheduled
        ]


async def _memo_of(run: WorkflowRun) -> dict[str, Any]:
    """The memo; nothing where somebody has put in what cannot be read."""
    try:
        return dict(await run.memo())
    except (ValueError, TypeError, RuntimeError):
        return {}


def _state_of(described: WorkflowExecutionDescription) -> LeaseState | None:
    try:
        return LeaseState(described.typed_search_attributes.get(STATE_KEY) or "")
    except ValueError:
        return None


def _attempts(raw: DescribeWorkflowExecutionResponse, queue: str) -> list[datetime]:
    """When the attempts under way that take away were started."""
    started = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    return [_instant(work.last_started_time) for work in _removals(raw, queue) if work.state == started]


def _waits_until(raw: DescribeWorkflowExecutionResponse, queue: str) -> datetime | None:
    """Until when it is as it should be that nothing moves: an attempt is due then, or a task waits for its first."""
    scheduled = PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    due = []
    for work in _removals(raw, queue):
        if work.state == scheduled and work.attempt > 1:
            due.append(_instant(work.next_attempt_schedule_time))
        elif work.state == scheduled:
            due.append(_instant(work.scheduled_time) + BACKLOG)
    if raw.HasField("pending_workflow_task") and raw.pending_workflow_task.attempt <= 1:
        due.append(_instant(raw.pending_workflow_task.scheduled_time) + BACKLOG)
    return max(due, default=None)


def _removals(raw: DescribeWorkflowExecutionResponse, queue: str) -> list[PendingActivityInfo]:
    """Activities that take away and may: not paused, on a queue of ours, and with the time that an attempt needs to send."""
    return [
        work
        for work in raw.pending_activities
        if work.activity_type.name in REMOVALS
        and not work.paused
        and work.activity_options.task_queue.name in {"", queue}
        and not timedelta(0) < work.activity_options.start_to_close_timeout.ToTimedelta() < LONGEST_ATTEMPT
    ]


def _instant(stamp: Timestamp) -> datetime:
    """The latest instant that there is for one that lies beyond it, as somebody may have wished."""
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        return datetime.max.replace(tzinfo=UTC)
