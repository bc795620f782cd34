"""Who is calling: an activity that speaks about a lease, or adds to it, does so only for that lease itself."""

from temporalio import activity

from activities.ports import RunInspector
from domain.errors import RetryableError, SignatureRefusedError
from domain.lease_messages import LeaseOrder
from domain.queues import Queue, prefix_of, queue_name

LEASE_TYPE = "LeaseWorkflow"
REQUEST_TYPE = "AccessRequestWorkflow"


def calling_lease(order: LeaseOrder) -> tuple[str, str]:
    """Workflow id and run id of the caller as the server tells them, if it is the lease of this order's pair.

    Raises:
        SignatureRefusedError: it is something else: nothing is signed for it.
    """
    info = activity.info()
    if info.workflow_id != str(order.grantee.lease_id) or not info.workflow_run_id:
        raise SignatureRefusedError(f"{info.workflow_id or 'nobody'} spoke for {order.grantee.lease_id}")
    return info.workflow_id, info.workflow_run_id


def is_lease(workflow_type: str, task_queue: str) -> bool:
    """Whether a run of that type on that queue is a lease of the installation that this activity belongs to."""
    ours = queue_name(prefix_of(activity.info().task_queue), Queue.LEASES)
    return (workflow_type, task_queue) == (LEASE_TYPE, ours)


def is_request(workflow_type: str, task_queue: str) -> bool:
    """Whether a run of that type on that queue is a request of the installation that this activity belongs to."""
    ours = queue_name(prefix_of(activity.info().task_queue), Queue.REQUESTS)
    return (workflow_type, task_queue) == (REQUEST_TYPE, ours)


async def refuse_unless_it_will_revoke(runs: RunInspector, order: LeaseOrder) -> None:
    """Adding is for a run that will take away again: a lease workflow, on our own queue, which no timeout can end.

    And for an attempt that the engine has not given up: one that lay unread while its process was frozen believes that it
    has just begun, and would send long after its fence.

    Raises:
        SignatureRefusedError: the calling run is none.
        RetryableError: the engine no longer waits for this attempt.
    """
    lease_id, run_id = calling_lease(order)
    run = await runs.inspect(lease_id, run_id)
    if not is_lease(run.workflow_type, run.task_queue):
        raise SignatureRefusedError(
            f"{lease_id} is held by a {run.workflow_type} on {run.task_queue}, which is no lease of ours"
        )
    if run.has_timeout:
        raise SignatureRefusedError(f"{lease_id} was started with a timeout, which would end it without revoking")
    info = activity.info()
    if run.attempts.get(info.activity_id) != info.attempt:
        raise RetryableError(
            f"{info.activity_type}: nothing is sent, the engine has given attempt {info.attempt} up; was this process frozen?"
        )
