"""Starting and steering requests in Temporal, by the workflow's type name. Nothing here decides anything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.callers import LEASE_TYPE, REQUEST_TYPE
from activities.settings import Settings
from domain import search
from domain.errors import InvalidInputError, NightlatchError
from domain.extension import ExtensionVerdict
from domain.ids import TicketRef, parse_request_workflow_id, request_workflow_id
from domain.messages import ExtendInput, Hint, RequestInput
from domain.queues import Queue, queue_name
from domain.request import RequestState

HintName = Literal["approve", "deny", "extend", "revoke"]

REMOVING = frozenset({"deny", "revoke"})
PATIENCE = timedelta(seconds=5)
"""How long Temporal may take to accept one message, the SDK's own retries included."""


class TemporalUnavailableError(NightlatchError):
    """Temporal has not accepted a message, or may not have: the same call may be made again."""


class Delivery(StrEnum):
    """What became of a message. CLOSED: the request is over. NOT_RUNNING: it is over, or there never was one."""

    ACCEPTED = "accepted"
    CLOSED = "closed"
    NOT_RUNNING = "not_running"


async def start_or_hint(
    client: Client, settings: Settings, ticket: TicketRef, hint_name: HintName | None, *, by: str = "", note: str = ""
) -> Delivery:
    """Make sure that the ticket's request runs, and give it the hint, in one step. A closed request stays closed.

    Raises:
        TemporalUnavailableError: it is not known to be started.
    """
    opening = TypedSearchAttributes(
        [
            SearchAttributePair(SearchAttributeKey.for_keyword(search.TICKET), ticket.key),
            SearchAttributePair(SearchAttributeKey.for_keyword(search.STATE), RequestState.OPENING.value),
        ]
    )
    async with _temporal_answers(f"starting the request of {ticket.key}", PATIENCE):
        try:
            await client.start_workflow(
                REQUEST_TYPE,
                RequestInput(ticket=ticket),
                id=request_workflow_id(ticket),
                task_queue=queue_name(settings.queue_prefix, Queue.REQUESTS),
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=f"**{ticket.key}**: access request",
                search_attributes=opening,
                start_signal=hint_name,
                start_signal_args=[Hint(by=by, note=note)] if hint_name else [],
            )
        except WorkflowAlreadyStartedError:
            return Delivery.CLOSED
        await _tell_leases(client, ticket, hint_name, Hint(by=by, note=note))
    return Delivery.ACCEPTED


async def hint(client: Client, ticket: TicketRef, hint_name: HintName, *, by: str = "", note: str = "") -> Delivery:
    """Give the hint to the ticket's request if it runs.

    Raises:
        TemporalUnavailableError: it is not known to have arrived.
    """
    async with _temporal_answers(f"the hint {hint_name} for {ticket.issue_id}", PATIENCE):
        try:
            await _handle(client, ticket).signal(hint_name, Hint(by=by, note=note))
        except RPCError as error:
            if not _no_running_request(error):
                raise
            delivered = Delivery.NOT_RUNNING
        else:
            delivered = Delivery.ACCEPTED
        await _tell_leases(client, ticket, hint_name, Hint(by=by, note=note))
    return delivered


async def request_extension(client: Client, ticket: TicketRef, wish_id: str, within: timedelta) -> ExtensionVerdict:
    """The request's verdict on the wish in comment `wish_id`. Asking again for the same wish gives the same verdict.

    Raises:
        TemporalUnavailableError: no verdict in that time; the comment will be judged all the same.
    """

    def no(reason: str) -> ExtensionVerdict:
        return ExtensionVerdict(wish_id=wish_id, granted=False, reason=reason)

    async with _temporal_answers(f"the verdict on wish {wish_id} of {ticket.issue_id}", within):
        try:
            verdict: ExtensionVerdict = await _handle(client, ticket).execute_update(
                "request_extension", ExtendInput(wish_id=wish_id), id=f"wish-{wish_id}", result_type=ExtensionVerdict
            )
        except WorkflowUpdateFailedError as error:
            return no(f"the request did not judge it: {error.cause}")
        except RPCError as error:
            if _no_running_request(error):
                return no("no request of this ticket is running; open a new one")
            raise
    return verdict


async def running_requests(client: Client, settings: Settings) -> AsyncIterator[TicketRef]:
    """The ticket of every running request of this installation.

    Raises:
        RPCError: Temporal could not list them.
    """
    queue = queue_name(settings.queue_prefix, Queue.REQUESTS)
    running = f"WorkflowType = '{REQUEST_TYPE}' AND TaskQueue = '{queue}' AND ExecutionStatus = 'Running'"
    async for request in client.list_workflows(running):
        with suppress(InvalidInputError):
            site, issue_id = parse_request_workflow_id(request.id)
            if site == settings.site:
                key = request.typed_search_attributes.get(SearchAttributeKey.for_keyword(search.TICKET))
                yield TicketRef(site=site, issue_id=issue_id, key=key or f"{settings.jira.project}-0")


async def _tell_leases(client: Client, ticket: TicketRef, hint_name: HintName | None, said: Hint) -> None:
    """Send what removes to the ticket's leases too: a request that was reset, or is stuck, must not stand between."""
    if hint_name not in REMOVING:
        return
    parent = request_workflow_id(ticket)
    running = f"WorkflowType = '{LEASE_TYPE}' AND ParentWorkflowId = '{parent}' AND ExecutionStatus = 'Running'"
    async for lease in client.list_workflows(running):
        with suppress(RPCError):  # one that has just ended needs to be told nothing
            await client.get_workflow_handle(lease.id).signal("revoke", said)


def _handle(client: Client, ticket: TicketRef) -> WorkflowHandle[Any, Any]:
    """By id without run id: a request that was reset is still found."""
    return client.get_workflow_handle(request_workflow_id(ticket))


def _no_running_request(error: RPCError) -> bool:
    """A namespace that does not exist is answered with the same status, and says nothing about a request."""
    if error.status is not RPCStatusCode.NOT_FOUND:
        return False
    return not any(detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details)


@asynccontextmanager
async def _temporal_answers(what: str, within: timedelta) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(within.total_seconds()):
            yield
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        seconds = f"{within.total_seconds():g} s"
        raise TemporalUnavailableError(f"{what}: no answer from Temporal within {seconds}; try again") from error
    except RPCError as error:
        raise TemporalUnavailableError(
            f"{what}: Temporal says {error.status.name} ({error.message}); is it reachable, and was `nightlatch setup` run?"
        ) from error
