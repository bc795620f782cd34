"""Which queue runs which workflow, and with which engine options: the same in production and in every test."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import chain
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from activities.bundle import Activities
from domain.queues import Queue, queue_name
from workflows.access_request import AccessRequestWorkflow
from workflows.lease import LeaseWorkflow
from workflows.reconcile import ReconcileWorkflow
from workflows.sandbox import load, workflow_runner

WORKFLOWS: dict[Queue, list[type[Any]]] = {
    Queue.REQUESTS: [AccessRequestWorkflow],
    Queue.LEASES: [LeaseWorkflow],
    Queue.GRANTS: [],
    Queue.TICKETS: [],
    Queue.APPROVALS: [],
    Queue.RECONCILE: [ReconcileWorkflow],
}

GRACE = timedelta(seconds=15)
"""How long a stopping worker lets running attempts finish: longer than a provider attempt, shorter than supervisors wait."""

STICKY_TIMEOUT = timedelta(seconds=10)
"""How long a workflow task waits for the worker that has its workflow at hand, and for nobody else."""

STICKY_TIMEOUT_OF_LEASES = timedelta(seconds=60)
"""Longer than a worker takes to wake all the leases it holds: those that wait in vain are read anew, which takes longer by far
(2,000 that ended at once: 30 to 51 s with 10 s). What a worker that died leaves behind does not wait for it: processes that
serve leases look after each other (`starter/stranded.py`, ADR 16)."""

HEARTBEAT_EVERY = timedelta(seconds=1.5)
"""The engine would otherwise hold heartbeats back for 80 % of their timeout, too close to it on a busy machine."""

POLLS = 2
"""Open polls of a queue: what a process takes in while it is frozen costs the engine's timeouts, one task after another, before
a healthy process gets it (seen with the SDK's five: removals 46 s late). Two is the least with a cache: one is for its own queue."""

APPROVALS_PER_SECOND = 5.0
"""How many approvals a process judges: a grant and its paper come after each. What is over waits, so that removals find room
however many are approved at once (ADR 14)."""

APPROVALS_AT_ONCE = 4
"""How many approvals of a process may wait for requests to go on, and are granted in one moment where none does for ten seconds."""

REQUESTS_AT_ONCE = 16
"""Request workflows that compute at the same time in one process, each in a thread: the leases' share the interpreter with them.
More than a few, since a run that never came back would keep its thread."""

CACHED = {Queue.REQUESTS: 1000, Queue.LEASES: 5000, Queue.RECONCILE: 1000}
"""How many workflows of a queue a process keeps at hand. Leases that end in one moment wake together: those beyond this number
are read and replayed first, and the last of two thousand was removed after a minute where a thousand took ten seconds."""

THINKING_SECONDS = 60
"""How long a workflow may compute in one task before the SDK takes it for deadlocked. The SDK's own two seconds are passed on
a busy machine, or by ten thousand waiting signals. It then interrupts the thread from outside, may never be able to evict
that run again, and the lease stands still with its access on until the worker is restarted (seen). The engine's own limit of
10 s for a task stays, and is tried again cleanly."""


def make_workers(
    client: Client, prefix: str, activities: Activities, queues: Iterable[Queue], *, cached: int | None = None
) -> list[Worker]:
    """One worker for each queue that has something to run here; grants, which add access, come last.

    `cached`: how many workflows each keeps at hand, in the place of `CACHED`.
    """
    load(chain.from_iterable(WORKFLOWS.values()))
    workers = []
    for queue in sorted(queues, key=lambda queue: queue is Queue.GRANTS):
        workflows, functions = WORKFLOWS[queue], activities.by_queue[queue]
        if not workflows and not functions:
            continue
        worker = Worker(
            client,
            task_queue=queue_name(prefix, queue),
            workflows=workflows,
            activities=functions,
            workflow_runner=workflow_runner(),
            max_cached_workflows=CACHED.get(queue, 0) if cached is None else cached,
            max_concurrent_workflow_tasks=REQUESTS_AT_ONCE if queue is Queue.REQUESTS else None,
            max_concurrent_activities=APPROVALS_AT_ONCE if queue is Queue.APPROVALS else None,
            max_activities_per_second=APPROVALS_PER_SECOND if queue is Queue.APPROVALS else None,
            max_concurrent_workflow_task_polls=POLLS,
            max_concurrent_activity_task_polls=POLLS,
            sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT_OF_LEASES
            if queue is Queue.LEASES
            else STICKY_TIMEOUT,
            max_heartbeat_throttle_interval=HEARTBEAT_EVERY,
            default_heartbeat_throttle_interval=HEARTBEAT_EVERY,
            graceful_shutdown_timeout=GRACE,
        )
        if worker._workflow_worker is not None:  # noqa: SLF001 - the SDK has no public setting for it
            worker._workflow_worker._deadlock_timeout_seconds = THINKING_SECONDS  # noqa: SLF001
        workers.append(worker)
    return workers
