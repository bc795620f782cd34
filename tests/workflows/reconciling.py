"""Runs of the reconciler as its schedule starts them. In a jumping house they leave out the pause between their looks."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from temporalio.api.common.v1 import Payloads, WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest

from domain.queues import Queue, queue_name
from domain.watch import ReconcileInput, ReconcileReport
from tests.house import House
from workflows.reconcile import ReconcileWorkflow

LONGER_THAN_A_RUN = timedelta(minutes=5)


async def reconcile(house: House, *, limit: int = 20) -> ReconcileReport:
    """One run that knows of none before it."""
    handle = await house.client.start_workflow(
        ReconcileWorkflow.run,
        ReconcileInput(instance=house.provider.instance, limit=limit),
        id=f"reconcile:{uuid4().hex}",
        task_queue=queue_name(house.prefix, Queue.RECONCILE),
    )
    return await _report_of(house, handle.id)


async def reconcile_after(house: House, last: Any) -> ReconcileReport:
    """One run that is told that `last` is how the run before it ended, as the engine tells the runs of a schedule."""
    run_id = f"reconcile:{uuid4().hex}"
    told = await house.client.data_converter.encode([ReconcileInput(instance=house.provider.instance)])
    before = await house.client.data_converter.encode([last])
    await house.client.workflow_service.start_workflow_execution(
        StartWorkflowExecutionRequest(
            namespace=house.client.namespace,
            workflow_id=run_id,
            request_id=uuid4().hex,
            workflow_type=WorkflowType(name="ReconcileWorkflow"),
            task_queue=TaskQueue(name=queue_name(house.prefix, Queue.RECONCILE)),
            input=Payloads(payloads=told),
            last_completion_result=Payloads(payloads=before),
        )
    )
    return await _report_of(house, run_id)


async def _report_of(house: House, run_id: str) -> ReconcileReport:
    handle = house.client.get_workflow_handle(run_id, result_type=ReconcileReport)
    if house.environment is not None:
        await house.jump(handle, LONGER_THAN_A_RUN)
    report: ReconcileReport = await handle.result()
    return report
