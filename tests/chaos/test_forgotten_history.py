"""Retention forgets what a ticket remembers: news of a request whose history is gone begins nothing, however it arrives."""

import asyncio

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.settings import load_settings
from domain.ids import request_workflow_id
from starter.connection import connect
from starter.requests import hint, start_or_hint
from tests.real_stack import PATIENCE_SECONDS, RealStack, pair


async def test_webhooks_that_come_after_the_history_is_gone_begin_nothing(stack: RealStack) -> None:
    """Every webhook of a request is held back until it is over and deleted: delivered then, none gives access again."""
    mark, client = await stack.mark(), await connect()
    await stack.sandbox.set_jira_webhook_mode("hold")
    try:
        request_id = await _play_without_webhooks(stack, client, mark)
        await _forget(client, request_id)
        held, mark = (await stack.sandbox.jira_webhook())["waiting"], await stack.mark()
    finally:
        await stack.sandbox.set_jira_webhook_mode("deliver")
    assert held > 3
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(await stack.audit("webhook.delivered", mark)) < held:
            await asyncio.sleep(0.05)
    assert await stack.audit("membership.added", mark, **pair("alice")) == []
    assert await stack.audit("comment.added", mark) == []
    assert not await _is_known(client, request_id)


async def _play_without_webhooks(stack: RealStack, client: Client, mark: int) -> str:
    """One request from asking to closing. Returns its workflow id."""
    settings, alice, carol = load_settings(), stack.person("alice"), stack.person("carol")
    ticket = await asyncio.to_thread(
        alice.create_request, entitlement="aws-prod-admin", duration="3s", reason="held webhooks"
    )
    await start_or_hint(client, settings, ticket, None)
    await stack.until_audit("comment.added", mark, issue_key=ticket.key)
    await asyncio.to_thread(carol.transition_to, ticket, "Approved")
    await hint(client, ticket, "approve")
    await stack.until_audit("membership.removed", mark, **pair("alice"))
    await stack.until_audit("issue.transitioned", mark, issue_key=ticket.key, to="Closed")
    request_id = request_workflow_id(ticket)
    await client.get_workflow_handle(request_id).result()
    return request_id


async def _forget(client: Client, request_id: str) -> None:
    """Delete the history, as retention does in its time."""
    execution = WorkflowExecution(workflow_id=request_id)
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await _is_known(client, request_id):
            await asyncio.sleep(0.05)


async def _is_known(client: Client, workflow_id: str) -> bool:
    try:
        await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True
