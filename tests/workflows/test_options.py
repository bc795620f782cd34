"""The bounds of the kernel, asserted on the options themselves: what takes access away has no limit anywhere."""

from datetime import timedelta
from uuid import uuid4

import pytest
from pydantic import SecretStr
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.providers.okta_groups import OktaGroups
from activities.providers.okta_settings import OktaSettings
from activities.registry import LONGEST_CALL_SECONDS
from domain.catalogue import SURFACES, TargetKind
from domain.errors import (
    AuthFailedError,
    ForbiddenError,
    InvalidError,
    InvalidInputError,
    MalformedError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    RetryableError,
    SignatureRefusedError,
    VendorErrorKind,
)
from domain.queues import Queue, queue_name
from domain.warrant import GRANT_WINDOW
from tests.activities.office import Office
from tests.house import House
from tests.workflows.probes import OptionsProbe, ShownOptions
from workflows import options
from workflows.sandbox import workflow_runner
from workflows.service import (
    APPROVALS_AT_ONCE,
    APPROVALS_PER_SECOND,
    CACHED,
    GRACE,
    REQUESTS_AT_ONCE,
    WORKFLOWS,
    make_workers,
)

FAILURES = [
    RateLimitedError("429", delay=timedelta(seconds=3)),
    RetryableError("503"),
    OutcomeUnknownError("lost"),
    NotFoundError("404", thing="user"),
    NotFoundError("404", thing="group"),
    AuthFailedError("401"),
    ForbiddenError("403"),
    InvalidError("400"),
    MalformedError("html"),
    InvalidInputError("not configured"),
    SignatureRefusedError("no"),
]
TAKES_AWAY = {
    "revoke_access": ("revoke", "verify"),
    "observe_access": ("verify",),
    "end_sessions": ("end_sessions",),
}
"""For each activity that takes access away the calls of the port that it depends on."""

ADAPTERS = {
    TargetKind.OKTA_GROUP: OktaGroups(
        OktaSettings(instance="okta/prod", url="https://example.okta.com", token=SecretStr("none"))
    )
}


@pytest.fixture
async def chosen(house: House) -> dict[str, ShownOptions]:
    """Every set of options, as the kernel's own functions make them inside a workflow."""
    queue = f"{house.prefix}leases"
    async with Worker(house.client, task_queue=queue, workflows=[OptionsProbe], workflow_runner=workflow_runner()):
        answer = await house.client.execute_workflow(OptionsProbe.run, id=f"probe-{uuid4()}", task_queue=queue)
    return {shown.name: shown for shown in answer}


async def test_what_takes_access_away_has_no_limit(chosen: dict[str, ShownOptions]) -> None:
    """Revoking and recording: unlimited attempts, no schedule-to-close, nothing that would end the trying."""
    for name in ("revoking", "writing"):
        shown = chosen[name]
        assert (shown.maximum_attempts, shown.schedule_to_close, shown.non_retryable) == (0, None, ()), name


async def test_revocation_is_tried_again_within_seconds_and_overtakes_the_rest(chosen: dict[str, ShownOptions]) -> None:
    """A provider that answers again is used within 5 s, on the queue of leases, before everything in its backlog."""
    shown = chosen["revoking"]
    assert shown.maximum_interval is not None
    assert shown.maximum_interval < timedelta(seconds=5)
    assert (shown.queue.endswith("leases"), shown.priority) == (True, 1)


async def test_grant_is_bounded_and_awaited_when_cancelled(chosen: dict[str, ShownOptions]) -> None:
    """What adds gives up soon, fits into its warrant's window, and its running attempt is awaited before a revoke begins."""
    shown = chosen["granting"]
    assert shown.schedule_to_close is not None
    assert shown.schedule_to_close <= options.GRANT_BUDGET < GRANT_WINDOW
    assert shown.cancellation == "WAIT_CANCELLATION_COMPLETED"
    assert chosen["looking"].schedule_to_close == options.LOOK_BUDGET


async def test_every_activity_beats(chosen: dict[str, ShownOptions]) -> None:
    """A dead worker is noticed within 5 s, whatever it was doing."""
    assert {shown.heartbeat for shown in chosen.values()} == {timedelta(seconds=5)}


@pytest.mark.parametrize("kind", list(TargetKind))
def test_fence_outlasts_the_latest_landing(kind: TargetKind) -> None:
    """The last instant at which an attempt's write can land lies before the fence, with a client timeout of room."""
    surface, able = SURFACES[kind], ADAPTERS[kind].capabilities
    sends_until = options.START_TO_CLOSE - able.client_timeout
    lands_until = sends_until + able.client_timeout + max(surface.landing_lag, able.landing_lag)
    assert sends_until > timedelta(0)
    assert options.fence(surface.landing_lag) - lands_until >= able.client_timeout


@pytest.mark.parametrize("kind", list(TargetKind))
def test_adapter_says_what_the_kernel_believes_of_it(kind: TargetKind) -> None:
    """The surface in the catalogue's module and the adapter's own capabilities are one statement."""
    surface, able = SURFACES[kind], ADAPTERS[kind].capabilities
    assert (able.read_lag, able.landing_lag, able.native_expiry, able.suspends) == (
        surface.read_lag,
        surface.landing_lag,
        surface.native_expiry,
        surface.suspends,
    )
    assert able.client_timeout <= options.CLIENT_TIMEOUT


def test_bounds_of_the_registry_and_the_kernel_are_one() -> None:
    """What the registry refuses is what the fence was built on; a stopping worker lets an attempt finish."""
    assert timedelta(seconds=LONGEST_CALL_SECONDS) == options.CLIENT_TIMEOUT < options.START_TO_CLOSE < GRACE


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: f"{type(error).__name__}-{error}")
@pytest.mark.parametrize(("name", "calls"), TAKES_AWAY.items(), ids=TAKES_AWAY)
async def test_no_failure_ends_a_removal(name: str, calls: tuple[str, ...], error: Exception) -> None:
    """No error of the whole family, at no call, makes an activity that takes access away give up."""
    for call in calls:
        office = Office()
        request = await office.pair()
        office.provider.fail(call, error)
        with pytest.raises(ApplicationError) as caught:
            await office.call(getattr(office.access, name), request)
        assert not caught.value.non_retryable


def test_family_of_failures_is_complete() -> None:
    """The list above names every kind that an adapter may raise."""
    assert {error.kind for error in FAILURES if hasattr(error, "kind")} == set(VendorErrorKind)


async def test_only_what_grants_come_after_is_paced(house: House) -> None:
    """However many are approved at once, nothing that takes away or tells of it waits for a turn, and requests leave it room (ADR 14)."""
    activities = house.activities()
    assert [function.__name__ for function in activities.by_queue[Queue.APPROVALS]] == ["judge_request"]
    workers = {
        worker.task_queue: worker.config() for worker in make_workers(house.client, house.prefix, activities, Queue)
    }

    def limits(option: str) -> dict[Queue, object]:
        values = {queue: workers[queue_name(house.prefix, queue)].get(option) for queue in Queue}
        return {queue: value for queue, value in values.items() if value is not None}

    assert limits("max_activities_per_second") == {Queue.APPROVALS: APPROVALS_PER_SECOND}
    assert limits("max_concurrent_activities") == {Queue.APPROVALS: APPROVALS_AT_ONCE}
    assert {queue: limits("max_cached_workflows")[queue] for queue, run in WORKFLOWS.items() if run} == CACHED
    assert limits("max_concurrent_workflow_tasks") == {Queue.REQUESTS: REQUESTS_AT_ONCE}
