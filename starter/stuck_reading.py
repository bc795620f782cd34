"""Which leases are late in taking access away, and what holds each up, read from the engine alone. Reading it changes nothing."""

from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from activities.access import AccessActivities
from activities.callers import LEASE_TYPE
from activities.crowd import each_of
from activities.engine import MEMO_END_ONLY
from activities.evidence import EvidenceActivities
from activities.forgetting import ForgettingActivities, GoneActivities
from activities.paging import PagingActivities
from domain import search
from domain.errors import VendorErrorKind
from domain.lease import LeaseState
from domain.values import Instant, Value, render_instant
from workflows.options import STUCK_AFTER

REMOVAL, SESSIONS = AccessActivities.revoke_access.__name__, AccessActivities.end_sessions.__name__
SUSPENSION = AccessActivities.suspend_subject.__name__

AT_ONCE = 16
MAX_PROBLEM = 300

STANDING_STILL = timedelta(seconds=20)
"""A lease whose workflow task waits for longer than the engine's own timeouts take (DESIGN 4) does not move."""

_BESIDE = frozenset(
    {
        EvidenceActivities.record_evidence.__name__,
        PagingActivities.page_people.__name__,
        GoneActivities.confirm_gone.__name__,
        ForgettingActivities.judge_forgetting.__name__,
    }
)
"""What is done beside a removal, and holds none up."""

_CANDIDATES = (LeaseState.LOOKING, LeaseState.REVOKING, LeaseState.STUCK, LeaseState.RECORDING)

_STATE = SearchAttributeKey.for_keyword(search.STATE)
_TICKET = SearchAttributeKey.for_keyword(search.TICKET)
_SUBJECT = SearchAttributeKey.for_keyword(search.SUBJECT)
_TARGET = SearchAttributeKey.for_keyword_list(search.TARGET)
_EXPIRES_AT = SearchAttributeKey.for_datetime(search.EXPIRES_AT)


class Stuck(Value):
    """One lease that is late. `rung`: `removal`, or `sessions` when the access is gone and its sessions are not ended;
    `suspension` when either was so late that the whole account was to be suspended.

    `since`: when that was due. `attempts`: of what it waits for now, and `problem` what came of the last one. `remedy`: what
    people can do, where the vendor says that the target is not there.
    """

    lease_id: str
    ticket: str
    subject: str
    target: str
    rung: str
    since: Instant
    attempts: int
    problem: str
    remedy: str = ""


async def find_stuck(client: Client, now: datetime) -> list[Stuck]:
    """Every lease whose removal, or whose ending of sessions, was due more than a minute before `now`; the oldest first.

    Also those that have not said so themselves, because they do not move.

    Raises:
        RPCError: the engine could not be asked about one of them.
    """
    states = ", ".join(f"'{state}'" for state in _CANDIDATES)
    query = (
        f"WorkflowType = '{LEASE_TYPE}' AND ExecutionStatus = 'Running' AND ({search.STATE} IN ({states})"
        f" OR {search.STATE} IS NULL OR {search.EXPIRES_AT} < '{render_instant(now - STUCK_AFTER)}')"
    )
    listed = [(run.id, run.run_id) async for run in client.list_workflows(query)]

    async def look(run: tuple[str, str]) -> Stuck | None:
        try:
            lease = await client.get_workflow_handle(run[0], run_id=run[1]).describe()
            return await _judge(client, lease, now)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise

    found = await each_of(listed, look, at_once=AT_ONCE)
    return sorted((stuck for stuck in found.values() if stuck is not None), key=lambda stuck: stuck.since)


async def _judge(client: Client, lease: WorkflowExecutionDescription, now: datetime) -> Stuck | None:
    known = lease.typed_search_attributes
    state = known.get(_STATE) or ""
    waits_for = {each.activity_type.name: each for each in lease.raw_description.pending_activities}
    suspending = waits_for.pop(SUSPENSION, None)
    pending = next((each for name, each in waits_for.items() if name not in _BESIDE), None)
    is_sessions = pending is not None and pending.activity_type.name == SESSIONS
    if lease.close_time is not None or (state == LeaseState.RECORDING and not is_sessions):
        return None
    asked_at = await _first_asked(client, lease)
    rung, first = ("sessions", SESSIONS) if is_sessions else ("removal", REMOVAL)
    since = asked_at.get(first)
    if since is None:
        since = lease.start_time if await lease.memo_value(MEMO_END_ONLY, default=False) else known.get(_EXPIRES_AT)
    if since is None or (now - since < STUCK_AFTER and state != LeaseState.STUCK):
        return None
    return Stuck(
        lease_id=lease.id,
        ticket=known.get(_TICKET) or "",
        subject=known.get(_SUBJECT) or "",
        target=next(iter(known.get(_TARGET) or ()), ""),
        rung="suspension" if SUSPENSION in asked_at else rung,
        since=since,
        attempts=pending.attempt if pending is not None else 0,
        problem="; ".join(_problem(lease, each, now) for each in ([pending, suspending] if suspending else [pending])),
        remedy="" if is_sessions or not _is_missing(pending) else _remedy(lease.id, known.get(_TICKET) or "KEY"),
    )


def _is_missing(pending: PendingActivityInfo | None) -> bool:
    """Whether the vendor's last answer was that there is no such thing."""
    if pending is None or not pending.HasField("last_failure"):
        return False
    return _innermost(pending.last_failure).application_failure_info.type == VendorErrorKind.NOT_FOUND


def _remedy(lease_id: str, ticket: str) -> str:
    return f"if it is gone for good, two operators: nightlatch lease forget {lease_id} --ticket {ticket} --reason WHY"


async def _first_asked(client: Client, lease: WorkflowExecutionDescription) -> dict[str, datetime]:
    """When a run first asked for each of its activities. What describes it tells only of the newest attempts."""
    asked_at: dict[str, datetime] = {}
    async for event in client.get_workflow_handle(lease.id, run_id=lease.run_id).fetch_history_events():
        name = event.activity_task_scheduled_event_attributes.activity_type.name
        asked_at.setdefault(name, event.event_time.ToDatetime(UTC))
    return asked_at


def _problem(lease: WorkflowExecutionDescription, pending: PendingActivityInfo | None, now: datetime) -> str:
    """What the lease waits for, in words."""
    task = lease.raw_description.pending_workflow_task
    is_due = lease.raw_description.HasField("pending_workflow_task")
    if is_due and now - task.original_scheduled_time.ToDatetime(UTC) > STANDING_STILL:
        if task.attempt > 1:
            return f"it does not move: its workflow task was tried {task.attempt} times; roll back, if a build is new"
        return "it does not move: no worker takes its workflow task"
    if pending is None:
        return "it waits for its next look"
    name = pending.activity_type.name
    if pending.paused:
        return f"{name} was paused by hand; unpause it"
    if pending.HasField("last_failure"):
        return f"{name}: {_told(pending.last_failure)}"
    if pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED:
        return f"{name}: no worker takes it"
    return f"{name}: it has been begun, and nothing has come back yet"


def _told(failure: Failure) -> str:
    """What an attempt failed of."""
    failure = _innermost(failure)
    kind = failure.application_failure_info.type
    return (f"{kind}: {failure.message}" if kind else failure.message)[:MAX_PROBLEM]


def _innermost(failure: Failure) -> Failure:
    """A failure of more than a few KB stands shortened under one of the engine's own."""
    while failure.HasField("server_failure_info") and failure.HasField("cause"):
        failure = failure.cause
    return failure
