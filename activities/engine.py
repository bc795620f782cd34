"""Activities that ask the engine itself about leases: who holds an id, and how a lease that is not our child ended."""

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from activities.heartbeats import beating
from domain.messages import FollowResult, HolderInput, HolderResult, LeaseOutcome
from domain.search import STATE

STATE_KEY = SearchAttributeKey.for_keyword(STATE)
MEMO_ISSUE_ID = "issue_id"
MEMO_TICKET_KEY = "ticket_key"
MEMO_TERMS_DIGEST = "terms_digest"


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
                state=described.typed_search_attributes.get(STATE_KEY) or "",
                issue_id=str(memo.get(MEMO_ISSUE_ID, "")),
                ticket_key=str(memo.get(MEMO_TICKET_KEY, "")),
                terms_digest=str(memo.get(MEMO_TERMS_DIGEST, "")),
            )

    @activity.defn(name="follow_lease")
    async def follow_lease(self, request: HolderInput) -> FollowResult:
        """Wait until nobody holds `lease_id` any more. Retried for ever: a lost worker only means asking again."""
        async with beating():
            handle = self._client.get_workflow_handle(request.lease_id, result_type=LeaseOutcome)
            try:
                return FollowResult(outcome=await handle.result())
            except WorkflowFailureError:
                return FollowResult()
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return FollowResult()
                raise


class EngineRuns:
    """The `RunInspector` of a real engine."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def first_run_id(self, workflow_id: str, run_id: str) -> str:
        described = await self._client.get_workflow_handle(workflow_id, run_id=run_id).describe()
        return described.raw_description.workflow_execution_info.first_run_id
