"""Every activity option of the kernel in one place; tests assert on them. What takes access away has no limit anywhere."""

from datetime import timedelta
from typing import TypedDict

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.workflow import ActivityCancellationType

from activities.send_window import LONGEST_ATTEMPT
from domain.queues import Queue, prefix_of, queue_name

START_TO_CLOSE = LONGEST_ATTEMPT
HEARTBEAT_TIMEOUT = timedelta(seconds=5)
CLIENT_TIMEOUT = timedelta(seconds=6)
"""No adapter's client waits longer for one exchange; the registry refuses one that does."""

LOOK_BUDGET = timedelta(seconds=30)
ARM_BUDGET = timedelta(seconds=60)
GRANT_BUDGET = timedelta(seconds=10)
"""While granting, one failing target is given up after this, so that its siblings are not live for long (DESIGN 4)."""

STUCK_AFTER = timedelta(seconds=60)
"""A revocation that is not proved this long after it was due is stuck: a named state, and the trying goes on."""

URGENT = Priority(priority_key=1)
"""What takes access away overtakes everything in a backlog of its queue."""


class ActivityOptions(TypedDict, total=False):
    """The subset of `workflow.execute_activity`'s options that is used here."""

    task_queue: str
    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy
    cancellation_type: ActivityCancellationType
    priority: Priority
    summary: str


def fence(landing_lag: timedelta) -> timedelta:
    """How long after a write closed uncleanly one of its attempts may still take effect.

    An attempt sends no later than start-to-close less the client timeout after its start; the call itself lasts at most the
    client timeout; then the vendor has `landing_lag`. Start-to-close and client timeout together bound that with room.
    """
    return START_TO_CLOSE + CLIENT_TIMEOUT + landing_lag


def looking(summary: str) -> ActivityOptions:
    """The look before the grant: bounded, because failing it only means that nothing is granted."""
    return _provider(Queue.GRANTS, summary) | {"schedule_to_close_timeout": LOOK_BUDGET, "retry_policy": _patient()}


def granting(summary: str) -> ActivityOptions:
    """Bounded, and awaited to the end of its attempt when cancelled, so that the revoke never runs beside it.

    The bound is not cut to what is left of a short lease: the engine would cut start-to-close to it as well, and an attempt
    shorter than the client timeout may send nothing. The lease's own clock ends the grant in time.
    """
    return _provider(Queue.GRANTS, summary) | {"schedule_to_close_timeout": GRANT_BUDGET, "retry_policy": _patient()}


def revoking(summary: str) -> ActivityOptions:
    """Unlimited attempts, no schedule-to-close, nothing non-retryable: revocation never gives up (DESIGN law 8)."""
    return _provider(Queue.LEASES, summary) | {"retry_policy": _patient(), "priority": URGENT}


def telling(summary: str) -> ActivityOptions:
    """A question, or a last try, beside or after a removal that is given up: bounded, because no answer only means no."""
    return _provider(Queue.LEASES, summary) | {"schedule_to_close_timeout": LOOK_BUDGET, "retry_policy": _patient()}


def judging(summary: str, budget: timedelta) -> ActivityOptions:
    return _tickets(summary) | {"schedule_to_close_timeout": budget, "retry_policy": _patient()}


def admitting(summary: str, budget: timedelta) -> ActivityOptions:
    """As `judging`, at the pace of the queue of approvals: the grant comes after it, with all that goes with one."""
    return judging(summary, budget) | {"task_queue": sibling(Queue.APPROVALS)}


def writing(summary: str) -> ActivityOptions:
    """Evidence: unlimited like a revocation, slower between attempts, awaited by no removal."""
    return _tickets(summary) | {"retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=15))}


def paging(summary: str) -> ActivityOptions:
    """Tried for a minute: whatever is late is said again anyway."""
    return _tickets(summary) | {"schedule_to_close_timeout": timedelta(seconds=60), "retry_policy": _patient()}


def reconciling(summary: str) -> ActivityOptions:
    """A look from outside, or what comes of it: given up within the interval of the runs, since the next one looks again."""
    return {
        "task_queue": sibling(Queue.RECONCILE),
        "start_to_close_timeout": timedelta(seconds=40),
        "schedule_to_close_timeout": timedelta(seconds=45),
        "heartbeat_timeout": HEARTBEAT_TIMEOUT,
        "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=0.5), maximum_attempts=3),
        "summary": summary,
    }


def waking(summary: str) -> ActivityOptions:
    """As `paging`, and no longer than a run of the reconciler can wait: the next one says it again."""
    return paging(summary) | {"schedule_to_close_timeout": timedelta(seconds=10)}


def following(summary: str) -> ActivityOptions:
    """Waiting for another lease to end: as long as that takes, told alive by heartbeats."""
    return _tickets(summary) | {"start_to_close_timeout": timedelta(days=365), "retry_policy": _patient()}


def _provider(queue: Queue, summary: str) -> ActivityOptions:
    return {
        "task_queue": sibling(queue),
        "start_to_close_timeout": START_TO_CLOSE,
        "heartbeat_timeout": HEARTBEAT_TIMEOUT,
        "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        "summary": summary,
    }


def _tickets(summary: str) -> ActivityOptions:
    return {
        "task_queue": sibling(Queue.TICKETS),
        "start_to_close_timeout": timedelta(seconds=60),
        "heartbeat_timeout": HEARTBEAT_TIMEOUT,
        "summary": summary,
    }


def _patient() -> RetryPolicy:
    """Unlimited attempts, at most 4 s apart: a provider that answers again is used within 5 s (DESIGN 3)."""
    return RetryPolicy(initial_interval=timedelta(seconds=0.5), maximum_interval=timedelta(seconds=4))


def sibling(queue: Queue) -> str:
    """The queue of that urgency in the installation that this workflow belongs to."""
    return queue_name(prefix_of(workflow.info().task_queue), queue)
