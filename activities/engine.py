"""Activities that ask the engine itself about leases: who holds an id, and how a lease that is not our child ended."""

from datetime import UTC, timedelta
from typing import Any

from temporalio import activity
from temporalio.api.enums.v1 import PendingActivityState, PendingWorkflowTaskState
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
)
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError, RPCStatusCode

from activities.callers import LEASE_TYPE, is_lease
from activities.failures import INVALID_INPUT
from activities.heartbeats import beating
from activities.ports import RunFacts
from domain.ids import TicketRef, request_workflow_id
from domain.lease_messages import LeaseOrder, LeaseOutcome
from domain.messages import FollowResult, HolderInput, HolderResult
from domain.queues import Queue, prefix_of, queue_name
from domain.search import EXPIRES_AT, STATE, SUBJECT, TARGET, TICKET
from domain.signed import Signed

STILL_HELD = "StillHeld"
JUDGE_REQUEST = "judge_request"
LOOK_AGAIN = timedelta(seconds=2)
ANSWER_TIMEOUT = timedelta(seconds=2)
STATE_KEY = SearchAttributeKey.for_keyword(STATE)
EXPIRES_AT_KEY = SearchAttributeKey.for_datetime(EXPIRES_AT)
MEMO_ISSUE_ID = "issue_id"
MEMO_TICKET_KEY = "ticket_key"
MEMO_TERMS_DIGEST = "terms_digest"
MEMO_WARRANT = "warrant"
"""The newest warrant of a lease run, sealed: by the judge's signature whoever looks from outside knows until when it may hold."""
MEMO_END_ONLY = "end_only"


def memo_of(order: LeaseOrder, warrant: Signed | None = None) -> dict[str, str | bool | Signed]:
    """What a lease's run bears from its start, for whoever describes it. `warrant`: of an earlier run under the same id."""
    memo: dict[str, str | bool | Signed] = {
        MEMO_ISSUE_ID: order.ticket.issue_id,
        MEMO_TICKET_KEY: order.ticket.key,
        MEMO_TERMS_DIGEST: order.terms_digest,
        MEMO_END_ONLY: order.end_only,
    }
    return memo if warrant is None else {**memo, MEMO_WARRANT: warrant}


def attributes_of(order: LeaseOrder, subject: str, *more: SearchAttributePair[Any]) -> TypedSearchAttributes:
    """By what a lease is found from its start. `subject`: the person, or the account where nobody knows the person."""
    target = [order.grantee.target_name, str(order.grantee.target)]
    return TypedSearchAttributes(
        [
            SearchAttributePair(SearchAttributeKey.for_keyword(TICKET), order.ticket.key),
            SearchAttributePair(SearchAttributeKey.for_keyword(SUBJECT), subject),
            SearchAttributePair(SearchAttributeKey.for_keyword_list(TARGET), target),
            *more,
        ]
    )


async def start_to_end(
    client: Client, order: LeaseOrder, conflict: WorkflowIDConflictPolicy, warrant: Signed | None = None
) -> None:
    """Start an `end_only` lease, which no request keeps, on the queue of the installation that calls.

    It bears the `warrant` of the run before it on, if there was one: that we once granted this is not to be forgotten.

    Raises:
        ApplicationError: the order is for a lease that could grant.
        WorkflowAlreadyStartedError: something runs under its id, and `conflict` does not put the lease in its place.
        RPCError: the engine did not take it.
    """
    if not order.end_only:
        raise ApplicationError("only a lease that ends may be started here", type=INVALID_INPUT, non_retryable=True)
    lease_id = order.grantee.lease_id
    await client.start_workflow(
        LEASE_TYPE,
        order,
        id=str(lease_id),
        task_queue=queue_name(prefix_of(activity.info().task_queue), Queue.LEASES),
        id_conflict_policy=conflict,
        memo=memo_of(order, warrant),
        static_summary=f"{lease_id.subject.user_id} out of {order.grantee.target_name}: {order.why or 'to be ended'}"[
            :200
        ],
        search_attributes=attributes_of(order, lease_id.subject.user_id),
    )


class EngineActivities:
    def __init__(self, client: Client) -> None:
        self._client = client

    @activity.defn(name="describe_holder")
    async def describe_holder(self, request: HolderInput) -> HolderResult:
        """Who holds `lease_id` now, from the memo of the run that Describe says is running."""
        async with beating():
            try:
                described = await self._client.get_workflow_handle(request.lease_id).describe()
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return HolderResult(running=False)
                raise
            memo = await described.memo()
            return HolderResult(
                running=described.status is WorkflowExecutionStatus.RUNNING,
                is_lease=is_lease(described.workflow_type, described.task_queue),
                state=described.typed_search_attributes.get(STATE_KEY) or "",
                issue_id=str(memo.get(MEMO_ISSUE_ID, "")),
                ticket_key=str(memo.get(MEMO_TICKET_KEY, "")),
                terms_digest=str(memo.get(MEMO_TERMS_DIGEST, "")),
                expires_at=described.typed_search_attributes.get(EXPIRES_AT_KEY),
            )

    @activity.defn(name="replace_holder")
    async def replace_holder(self, order: LeaseOrder) -> None:
        """Put an `end_only` lease in the place of whatever holds its id, in one step: the id is never free in between.

        The one use of TERMINATE_EXISTING (DESIGN 1). A child start has no conflict policy, so a client does it.

        Raises:
            ApplicationError: the order is for a lease that could grant.
        """
        await start_to_end(self._client, order, WorkflowIDConflictPolicy.TERMINATE_EXISTING)

    @activity.defn(name="follow_lease")
    async def follow_lease(self, request: HolderInput) -> FollowResult:
        """How the lease that holds `lease_id` ended; None when it ended without an outcome that can be read.

        While it runs this fails and is asked again later, so that waiting holds neither a slot nor any history.
        """
        try:
            described = await self._client.get_workflow_handle(request.lease_id).describe()
            if described.status is WorkflowExecutionStatus.RUNNING:
                raise ApplicationError(
                    f"{request.lease_id} is still held",
                    type=STILL_HELD,
                    next_retry_delay=LOOK_AGAIN,
                    category=ApplicationErrorCategory.BENIGN,
                )
            return FollowResult(outcome=await self._outcome_of(request.lease_id, described.run_id))
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return FollowResult()
            raise

    async def _outcome_of(self, lease_id: str, run_id: str) -> LeaseOutcome | None:
        ended = self._client.get_workflow_handle(lease_id, run_id=run_id, result_type=LeaseOutcome)
        try:
            outcome: LeaseOutcome = await ended.result()
        except (WorkflowFailureError, ValueError, TypeError, RuntimeError):
            return None
        return outcome


async def has_gone_on(client: Client, ticket: TicketRef) -> bool:
    """Whether the request of that ticket has heard its last judgement, or never will. Not known is not yet.

    It has not while anything waits to be heard, which may be something else: then it is soon asked about again.
    """
    try:
        described = await client.get_workflow_handle(request_workflow_id(ticket)).describe(rpc_timeout=ANSWER_TIMEOUT)
    except RPCError as error:
        return error.status is RPCStatusCode.NOT_FOUND
    if described.status is not WorkflowExecutionStatus.RUNNING:
        return True
    raw = described.raw_description
    begun = PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_STARTED
    unheard = raw.HasField("pending_workflow_task") and raw.pending_workflow_task.state != begun
    return not unheard and all(one.activity_type.name != JUDGE_REQUEST for one in raw.pending_activities)


class EngineRuns:
    """The `RunInspector` of a real engine."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def inspect(self, workflow_id: str, run_id: str) -> RunFacts:
        described = (await self._client.get_workflow_handle(workflow_id, run_id=run_id).describe()).raw_description
        info, config = described.workflow_execution_info, described.execution_config
        timeouts = (config.workflow_execution_timeout, config.workflow_run_timeout)
        return RunFacts(
            workflow_type=info.type.name,
            task_queue=info.task_queue,
            follows_another=info.first_run_id != run_id,
            has_timeout=any(timeout.ToTimedelta() for timeout in timeouts),
            began_at=info.start_time.ToDatetime(UTC),
            attempts={
                pending.activity_id: pending.attempt
                for pending in described.pending_activities
                if pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
            },
        )
