"""What the engine starts by the clock: the reconciler of each provider instance. Safe to repeat."""

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError

from activities.catalogue_files import load_catalogue
from activities.settings import Settings
from domain.errors import InvalidInputError
from domain.queues import Queue, queue_name
from domain.watch import ReconcileInput

RECONCILE_EVERY = timedelta(seconds=60)

RUN_TIMEOUT = timedelta(minutes=5)
"""A run that hangs is ended, so that the next one can begin: it holds no access."""

CATCH_UP = timedelta(seconds=60)
"""Runs that were missed while the engine was away are not made up for: one look shows all there is."""


def reconcile_schedule_id(prefix: str, instance: str) -> str:
    return f"{prefix}reconcile:{instance}"


def watched_instances(settings: Settings) -> list[str]:
    """The provider instances of the catalogue: every process knows them, also one that holds no credential for any.

    Raises:
        InvalidInputError: the catalogue cannot be read.
    """
    return sorted({target.instance for target in load_catalogue(settings.catalogue).targets.values()})


async def ensure_schedules(client: Client, settings: Settings) -> list[str]:
    """Create or renew every schedule of this installation; says what stands. A schedule that somebody paused stays paused.

    Raises:
        InvalidInputError: the catalogue cannot be read, or the engine takes no schedule.
    """
    return [await _ensure(client, settings.queue_prefix, instance) for instance in watched_instances(settings)]


async def _ensure(client: Client, prefix: str, instance: str) -> str:
    schedule_id = reconcile_schedule_id(prefix, instance)
    wanted = _schedule(prefix, instance)

    def renewed(found: ScheduleUpdateInput) -> ScheduleUpdate:
        wanted.state = found.description.schedule.state
        return ScheduleUpdate(wanted)

    try:
        try:
            await client.create_schedule(schedule_id, wanted)
        except ScheduleAlreadyRunningError:
            await client.get_schedule_handle(schedule_id).update(renewed)
    except RPCError as error:
        raise InvalidInputError(
            f"the schedule {schedule_id} cannot be written in namespace {client.namespace!r}: {error.message}"
        ) from error
    return f"every {RECONCILE_EVERY.seconds} s the members at {instance} are compared with the leases ({schedule_id})"


def _schedule(prefix: str, instance: str) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            "ReconcileWorkflow",
            ReconcileInput(instance=instance),
            id=reconcile_schedule_id(prefix, instance),
            task_queue=queue_name(prefix, Queue.RECONCILE),
            execution_timeout=RUN_TIMEOUT,
            static_summary=f"members at {instance}, compared with the leases",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=RECONCILE_EVERY)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
    )
