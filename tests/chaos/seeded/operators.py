"""Operators with their hands on the engine: they cancel, terminate, reset and pause single requests and leases."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import PauseActivityRequest, ResetWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from domain.ids import TicketRef, request_workflow_id
from tests.chaos.seeded.account import Done, Request
from tests.chaos.seeded.bounds import Happening
from tests.chaos.seeded.hands import CALLERS, Hands
from tests.chaos.seeded.plan import Act, Fault
from tests.chaos.seeded.stage import Stage, now

AGAIN_SECONDS = 0.3
BEFORE_END = timedelta(seconds=1)
CATCH_SECONDS = 45.0
WITHIN = timedelta(seconds=5)

Handle = WorkflowHandle[Any, Any]


class Operators:
    """Each act is done once, tried until the engine has taken it, and noted on the request with its instant."""

    def __init__(self, stage: Stage, hands: Hands) -> None:
        self._stage = stage
        self._hands = hands

    async def reach_for(self, request: Request, ticket: TicketRef, act: Act) -> None:
        """One of the acts in the engine. What is over already is left alone, and nothing is noted."""
        parent = self._handle(request_workflow_id(ticket))
        leases = [self._handle(pair.lease_id) for pair in request.pairs]
        only = ""
        match act:
            case Act.CANCEL_REQUEST:
                done = await self._take(parent.cancel)
            case Act.TERMINATE_REQUEST:
                done = await self._take(parent.terminate)
            case Act.CANCEL_LEASE:
                only = leases[0].id
                done = await self._is_of(ticket, leases[0]) and await self._take(leases[0].cancel)
            case Act.TERMINATE_LEASE:
                only = leases[0].id
                done = await self._is_of(ticket, leases[0]) and await self._take(leases[0].terminate)
            case Act.TERMINATE_BOTH:
                held = [lease for lease in leases if await self._is_of(ticket, lease)]
                done = await self._take(parent.terminate)
                for lease in held:
                    await self._take(lease.terminate)
            case Act.RESET_REQUEST:
                done = await self._take(lambda: self._reset(parent))
            case _:
                raise ValueError(f"{act} is nothing that an operator does at an instant")
        if done:
            request.done.append(Done(act, now(), only))

    async def pause_removal(self, request: Request, ticket: TicketRef, ends_at: datetime) -> None:
        """Have the removal fail at the vendor until an operator has paused it between two attempts."""
        await asyncio.sleep(max(0.0, (ends_at - BEFORE_END - now()).total_seconds()))
        began_at = now()
        pair = request.pairs[0]
        path = f"/groups/{pair.group_id}/users/{pair.user_id}$"
        fault = {"kind": "status", "status": 503}
        sandbox = self._stage.sandbox
        rules = [
            await self._hands.patiently(sandbox.arm, "okta", fault, method="DELETE", path=path, caller=caller)
            for caller in CALLERS
        ]
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(CATCH_SECONDS):
                    await self._pause_when_pending(request, ticket, pair.lease_id)
        finally:
            for rule in rules:
                await self._hands.patiently(sandbox.clear, rule)
            refused = Happening(Fault.OKTA, "okta", "503 to one removal", began_at, now(), pair.lease_id)
            self._hands.happened.append(refused)

    async def _pause_when_pending(self, request: Request, ticket: TicketRef, lease_id: str) -> None:
        """Return when it is paused, or is over."""
        lease = self._handle(lease_id)
        while await self._is_of(ticket, lease):
            with suppress(RPCError):
                described = await lease.describe(rpc_timeout=WITHIN)
                for each in described.raw_description.pending_activities:
                    if each.activity_type.name == "revoke_access" and each.attempt > 1:
                        await self._stage.client.workflow_service.pause_activity(
                            PauseActivityRequest(
                                namespace=self._stage.client.namespace,
                                execution=WorkflowExecution(workflow_id=lease_id, run_id=described.run_id),
                                id=each.activity_id,
                                reason="by hand",
                            ),
                            timeout=WITHIN,
                        )
                        request.done.append(Done(Act.PAUSE_REMOVAL, now(), lease_id))
                        return
            await asyncio.sleep(AGAIN_SECONDS)

    async def _reset(self, handle: Handle) -> None:
        """To the first workflow task, as in the UI."""
        described = await handle.describe(rpc_timeout=WITHIN)
        run = self._stage.client.get_workflow_handle(handle.id, run_id=described.run_id)
        completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        events = (await run.fetch_history(rpc_timeout=WITHIN)).events
        point = next(event.event_id for event in events if event.event_type == completed)
        await self._stage.client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=self._stage.client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=described.run_id),
                reason="by hand",
                workflow_task_finish_event_id=point,
                request_id=str(uuid4()),
            ),
            timeout=WITHIN,
        )

    async def _is_of(self, ticket: TicketRef, lease: Handle) -> bool:
        """Whether what runs under the id is the lease of this ticket's request, and nobody else's."""
        while True:
            try:
                described = await lease.describe(rpc_timeout=WITHIN)
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return False
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                running = described.status is WorkflowExecutionStatus.RUNNING
                return running and described.parent_id == request_workflow_id(ticket)

    async def _take(self, act: Callable[[], Awaitable[None]]) -> bool:
        """Whether the engine took it; False when what it is about was over."""
        while True:
            try:
                await act()
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return False
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                return True

    def _handle(self, workflow_id: str) -> Handle:
        return self._stage.client.get_workflow_handle(workflow_id)
