"""A request that tells about itself and does nothing, on a Temporal server of its own, for commands that read. No test lives here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from domain import search
from domain.ids import TicketRef, request_workflow_id
from domain.messages import RequestInput, StatusView, TimelineEntry, TimelineView
from domain.request import RequestOutcome, RequestState

ENDS_AT = datetime(2199, 1, 1, tzinfo=UTC)


@workflow.defn(name="AccessRequestWorkflow")
class TellingRequest:
    """A request that is active until it is told otherwise, with the queries of the real one. `looks` counts them."""

    looks = 0

    def __init__(self) -> None:
        self._over = False

    @workflow.run
    async def run(self, request: RequestInput) -> None:
        self._ticket = request.ticket
        await workflow.wait_condition(lambda: self._over)

    @workflow.signal
    def revoke(self) -> None:
        self._over = True

    @workflow.query
    def status(self) -> StatusView:
        TellingRequest.looks += 1
        state, outcome = (RequestState.CLOSED, RequestOutcome.ENDED) if self._over else (RequestState.ACTIVE, None)
        return StatusView(ticket=self._ticket, state=state, outcome=outcome, subject="alice", expires_at=ENDS_AT)

    @workflow.query
    def timeline(self) -> TimelineView:
        return TimelineView(
            entries=(TimelineEntry(at=ENDS_AT - timedelta(hours=1), what="granted \x1b[31m by [b]hand"),)
        )


@asynccontextmanager
async def telling_request(temporal: Client, key: str) -> AsyncIterator[TicketRef]:
    """One request of that ticket in state active, with a worker that answers for it."""
    ticket = TicketRef(site="demo", issue_id=str(datetime.now(UTC).microsecond + 1), key=key)
    attributes = TypedSearchAttributes(
        [
            SearchAttributePair(SearchAttributeKey.for_keyword(search.TICKET), ticket.key),
            SearchAttributePair(SearchAttributeKey.for_keyword(search.SUBJECT), "alice"),
            SearchAttributePair(SearchAttributeKey.for_keyword(search.STATE), "active"),
            SearchAttributePair(SearchAttributeKey.for_datetime(search.EXPIRES_AT), ENDS_AT),
        ]
    )
    runner = UnsandboxedWorkflowRunner()
    async with Worker(temporal, task_queue="cli-tests", workflows=[TellingRequest], workflow_runner=runner):
        handle = await temporal.start_workflow(
            TellingRequest.run,
            RequestInput(ticket=ticket),
            id=request_workflow_id(ticket),
            task_queue="cli-tests",
            search_attributes=attributes,
        )
        async with asyncio.timeout(20):
            while not [found async for found in temporal.list_workflows(f"WorkflowId = '{handle.id}'")]:
                await asyncio.sleep(0.05)
        yield ticket
        with suppress(RPCError):
            await handle.terminate()


def to(temporal: Client) -> dict[str, str]:
    return {"TEMPORAL_ADDRESS": temporal.service_client.config.target_host}
