"""What the reconciler's last runs found, read from the engine's schedules. Reading it changes nothing."""

import asyncio
from datetime import UTC, datetime, timedelta

from temporalio.client import Client, ScheduleActionExecutionStartWorkflow, ScheduleHandle, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from activities.settings import Settings
from domain.values import Instant, Value
from domain.watch import ReconcileReport
from starter.cli_output import CommandError, ExitCode
from starter.schedules import RECONCILE_EVERY, RUN_TIMEOUT, reconcile_schedule_id, watched_instances

STALE_AFTER = 3 * RECONCILE_EVERY
POLL_SECONDS = 0.5


class InstanceDrift(Value):
    """The newest finished run for one provider instance. `stale`: what was not listed completely for three intervals."""

    instance: str
    started_at: Instant | None = None
    report: ReconcileReport = ReconcileReport()
    stale: tuple[str, ...] = ()
    problem: str = ""


async def read_drift(client: Client, settings: Settings, *, run_now: bool = False) -> list[InstanceDrift]:
    """One answer for each instance of the catalogue. `run_now` has each schedule run once, and waits for it.

    Raises:
        CommandError: a schedule is not there: the installation was not set up.
        InvalidInputError: the catalogue cannot be read.
    """
    prefix = settings.queue_prefix
    return [await _read(client, prefix, instance, run_now=run_now) for instance in watched_instances(settings)]


async def _read(client: Client, prefix: str, instance: str, *, run_now: bool) -> InstanceDrift:
    schedule = client.get_schedule_handle(reconcile_schedule_id(prefix, instance))
    begun_at = datetime.now(UTC) if run_now else None
    try:
        if run_now:
            await schedule.trigger()
        found = await _newest(client, schedule, begun_at)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            message = f"namespace {client.namespace!r} has no schedule {schedule.id}; run `nightlatch setup`"
            raise CommandError(message, ExitCode.NOT_FOUND) from error
        raise
    if found is None:
        return InstanceDrift(instance=instance, problem="no run of the reconciler has finished; is its queue polled?")
    started_at, report = found
    age = datetime.now(UTC) - started_at
    late = f"the newest run that has finished began {age.total_seconds():.0f} s ago" if age > STALE_AFTER else ""
    return InstanceDrift(
        instance=instance,
        started_at=started_at,
        report=report,
        stale=_stale(report),
        problem="; ".join(filter(None, (report.problem, late))),
    )


async def _newest(
    client: Client, schedule: ScheduleHandle, begun_at: datetime | None
) -> tuple[datetime, ReconcileReport] | None:
    """The newest finished run; with `begun_at`, the first that began since then, waited for."""
    try:
        async with asyncio.timeout(RUN_TIMEOUT.total_seconds()):
            while True:
                for action in reversed((await schedule.describe()).info.recent_actions):
                    is_new = begun_at is None or action.started_at >= begun_at - timedelta(seconds=1)
                    run = action.action
                    if is_new and isinstance(run, ScheduleActionExecutionStartWorkflow):
                        report = await _report_of(client, run, wait=begun_at is not None)
                        if report is not None:
                            return action.started_at, report
                if begun_at is None:
                    return None
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        return None


async def _report_of(
    client: Client, run: ScheduleActionExecutionStartWorkflow, *, wait: bool
) -> ReconcileReport | None:
    handle = client.get_workflow_handle(run.workflow_id, run_id=run.first_execution_run_id, result_type=ReconcileReport)
    described = await handle.describe()
    if described.close_time is None and not wait:
        return None
    try:
        report: ReconcileReport = await handle.result()
    except WorkflowFailureError:
        return None
    return report


def _stale(report: ReconcileReport) -> tuple[str, ...]:
    """Targets that have not been listed to the end for three intervals, by now."""
    since = datetime.now(UTC) - STALE_AFTER
    return tuple(sorted(name for name, at in report.memory.listed.items() if at < since))
