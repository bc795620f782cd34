"""What the command line reads from Temporal: rows by search attributes, and a request's own answers. Nothing here writes."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import SearchAttributeKey
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode

from activities.callers import LEASE_TYPE, REQUEST_TYPE
from domain import search
from domain.errors import InvalidInputError
from domain.ids import parse_request_workflow_id
from domain.lease import LeaseState
from domain.messages import LeaseLine, StatusView, TimelineView
from domain.request import RequestState
from domain.values import Instant, Value, render_instant
from starter.cli_output import CommandError, ExitCode
from starter.connection import TemporalUnreachableError, connect
from starter.people_jira import ticket_key

NO_NAMESPACE = NamespaceNotFoundFailure.DESCRIPTOR
PATIENCE = timedelta(seconds=10)
POLL_SECONDS = 0.5
LEASE_PATIENCE = timedelta(seconds=2)
WATCH_PATIENCE = timedelta(seconds=2)
RUNNING = "ExecutionStatus = 'Running'"
_QUOTABLE = re.compile(r"""[^'"\\]{1,200}""")


class Row(Value):
    """One line of `list`: a lease, or a request that has no lease yet (or any more)."""

    kind: str
    workflow_id: str
    ticket: str = ""
    subject: str = ""
    target: str = ""
    state: str = ""
    until: Instant | None = None
    running: bool


class Report(Value):
    """What a request says of itself, and what the engine says of its run."""

    workflow_id: str
    run_status: str
    status: StatusView
    timeline: TimelineView

    @property
    def is_over(self) -> bool:
        return (
            self.status.state is RequestState.CLOSED or self.run_status != WorkflowExecutionStatus.RUNNING.name.lower()
        )


@asynccontextmanager
async def engine() -> AsyncIterator[Client]:
    """A client; the engine's refusals inside the block become errors with an exit code.

    Raises:
        CommandError: nobody answers there, or the namespace was not set up.
    """
    try:
        # The SDK's own log would be written over what `watch` draws; what it has to say comes as an error here.
        client = await connect(patience=PATIENCE, runtime=Runtime(telemetry=TelemetryConfig(logging=None)))
    except TemporalUnreachableError as error:
        raise CommandError(str(error), ExitCode.UNREACHABLE) from error
    try:
        yield client
    except RPCError as error:
        raise _explained(error, client) from error


async def find_rows(
    client: Client, now: datetime, *, filters: dict[str, str], state: str, closed_too: bool, limit: int
) -> tuple[list[Row], bool]:
    """(rows, newest first; whether there are more than `limit`). `filters`: search attribute -> the value it must have.

    `state`: only what is in it; empty for any.
    """
    terms = [f"WorkflowType IN ('{REQUEST_TYPE}', '{LEASE_TYPE}')"]
    terms += [f"{name} = '{_quotable(value)}'" for name, value in filters.items()]
    terms += _terms_of(state, now) if state else [] if closed_too else [RUNNING]
    found = [row async for row in client.list_workflows(" AND ".join(terms), limit=limit + 1)]
    rows = [_row(execution, now) for execution in found[:limit]]
    with_lease = {(row.ticket, row.running) for row in rows if row.kind == "lease"}
    return [row for row in rows if row.kind == "lease" or (row.ticket, row.running) not in with_lease], len(
        found
    ) > limit


async def find_request(client: Client, key: str, *, patience_seconds: float = 0) -> WorkflowHandle[object, object]:
    """The latest request of the ticket `key`, waited for if need be; a request's workflow id is taken as it is.

    Raises:
        InvalidInputError: `key` is neither.
        CommandError: Temporal knows none.
    """
    if key.startswith("request:"):
        parse_request_workflow_id(key)
        return client.get_workflow_handle(key)
    query = f"WorkflowType = '{REQUEST_TYPE}' AND {search.TICKET} = '{ticket_key(key)}'"
    deadline = time.monotonic() + patience_seconds
    while not (found := [execution async for execution in client.list_workflows(query, limit=50)]):
        if time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
            continue
        raise CommandError(
            f"Temporal knows no request of ticket {ticket_key(key)}: it may be too new (try again), too old, or none;"
            f" `nightlatch why {ticket_key(key)}` reads the ticket itself",
            ExitCode.NOT_FOUND,
        )
    return client.get_workflow_handle(max(found, key=lambda execution: execution.start_time).id)


async def read_report(client: Client, handle: WorkflowHandle[object, object], patience: timedelta = PATIENCE) -> Report:
    """Ask the request, each lease that it holds, and describe its run.

    Raises:
        CommandError: the request cannot answer.
        RPCError: the engine cannot, or no worker of ours is at work.
    """
    described = await handle.describe(rpc_timeout=patience)
    try:
        status = await handle.query("status", result_type=StatusView, rpc_timeout=patience)
        timeline = await handle.query("timeline", result_type=TimelineView, rpc_timeout=patience)
    except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        raise CommandError(
            f"{handle.id} does not answer: {error}; look at it in the Temporal UI", ExitCode.REFUSED
        ) from error
    run_status = described.status.name.lower() if described.status else "unknown"
    leases = tuple([await _as_it_says_itself(client, line) for line in status.leases])
    status = status.model_copy(update={"leases": leases})
    return Report(workflow_id=handle.id, run_status=run_status, status=status, timeline=timeline)


async def _as_it_says_itself(client: Client, line: LeaseLine) -> LeaseLine:
    """The lease's own word: only it knows that a removal is late. What the request says of it, if it cannot answer."""
    if line.state not in {LeaseState.ACTIVE, LeaseState.REVOKING}:
        return line
    try:
        lease = client.get_workflow_handle(line.lease_id)
        own: LeaseLine = await lease.query("status", result_type=LeaseLine, rpc_timeout=LEASE_PATIENCE)
    except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError):
        return line
    return own


def _terms_of(state: str, now: datetime) -> list[str]:
    """How to search for what is in a state: a run that is over says so itself, and so does a lease that ends at its time."""
    shown, at = f"{search.STATE} = '{_quotable(state)}'", render_instant(now)
    match state:
        case LeaseState.CLOSED:
            return ["ExecutionStatus != 'Running'"]
        case LeaseState.FORGOTTEN:
            return [shown]
        case LeaseState.ACTIVE:
            return [RUNNING, shown, f"(WorkflowType = '{REQUEST_TYPE}' OR {search.EXPIRES_AT} > '{at}')"]
        case LeaseState.REVOKING:
            over = f"WorkflowType = '{LEASE_TYPE}' AND {search.STATE} = '{LeaseState.ACTIVE}' AND {search.EXPIRES_AT} <= '{at}'"
            return [RUNNING, f"({shown} OR ({over}))"]
        case _:
            return [RUNNING, shown]


def _state_of(execution: WorkflowExecution, now: datetime) -> str:
    known = execution.typed_search_attributes
    state = known.get(SearchAttributeKey.for_keyword(search.STATE)) or ""
    if execution.status is not WorkflowExecutionStatus.RUNNING:
        return LeaseState.FORGOTTEN if state == LeaseState.FORGOTTEN else LeaseState.CLOSED
    until = known.get(SearchAttributeKey.for_datetime(search.EXPIRES_AT))
    is_over = execution.workflow_type == LEASE_TYPE and state == LeaseState.ACTIVE and until and until <= now
    return LeaseState.REVOKING if is_over else state


def _row(execution: WorkflowExecution, now: datetime) -> Row:
    known = execution.typed_search_attributes
    targets = known.get(SearchAttributeKey.for_keyword_list(search.TARGET)) or ()
    until: datetime | None = known.get(SearchAttributeKey.for_datetime(search.EXPIRES_AT))
    return Row(
        kind="lease" if execution.workflow_type == LEASE_TYPE else "request",
        workflow_id=execution.id,
        ticket=known.get(SearchAttributeKey.for_keyword(search.TICKET)) or "",
        subject=known.get(SearchAttributeKey.for_keyword(search.SUBJECT)) or "",
        target=next(iter(targets), ""),
        state=_state_of(execution, now),
        until=until,
        running=execution.status is WorkflowExecutionStatus.RUNNING,
    )


def _quotable(value: str) -> str:
    if not _QUOTABLE.fullmatch(value) or not value.isprintable():
        raise InvalidInputError(f"{value[:40]!r} cannot be searched for: leave out quotes and backslashes")
    return value


def _explained(error: RPCError, client: Client) -> CommandError:
    where = f"Temporal (namespace {client.namespace!r})"
    match error.status:
        case RPCStatusCode.NOT_FOUND if any(detail.Is(NO_NAMESPACE) for detail in error.grpc_status.details):
            message = f"Temporal has no namespace {client.namespace!r}: name one in TEMPORAL_NAMESPACE, or have it made"
            return CommandError(message, ExitCode.USAGE)
        case RPCStatusCode.NOT_FOUND:
            return CommandError(f"{where} knows no such workflow: {error.message}", ExitCode.NOT_FOUND)
        case RPCStatusCode.INVALID_ARGUMENT:
            message = (
                f"{where} does not take the search: {error.message}; `nightlatch setup` registers what is searched by"
            )
            return CommandError(message, ExitCode.REFUSED)
        case RPCStatusCode.PERMISSION_DENIED | RPCStatusCode.UNAUTHENTICATED:
            return CommandError(
                f"{where} refuses this login: {error.message}; check TEMPORAL_API_KEY", ExitCode.REFUSED
            )
        case RPCStatusCode.FAILED_PRECONDITION | RPCStatusCode.DEADLINE_EXCEEDED | RPCStatusCode.CANCELLED:
            message = f"{where} has no worker that answers: {error.message}; start one, or look at the Temporal UI"
            return CommandError(message, ExitCode.UNREACHABLE)
        case _:
            return CommandError(f"{where} does not answer: {error.message}; is it running?", ExitCode.UNREACHABLE)
