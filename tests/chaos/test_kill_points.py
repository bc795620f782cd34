"""SIGKILL at every vendor call and around every workflow task of a request's life, found by watching two that are left alone."""

import os
from collections.abc import AsyncIterator

import pytest

from tests.chaos.field import Field, open_field
from tests.chaos.herd import Herd, Outcome
from tests.chaos.kill_points import CallPoint, Point, TaskPoint, representatives
from tests.chaos.oracle import judge
from tests.chaos.request_case import play
from tests.chaos.watched import watched_points
from tests.figures import Measured

pytestmark = pytest.mark.timeout(1800)

ALL = bool(os.environ.get("NIGHTLATCH_ALL_KILL_POINTS"))
"""Every point there is, which takes some minutes; without it, representatives."""

SIDE_BY_SIDE = 16


@pytest.fixture(scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Field]:
    async with open_field(tmp_path_factory.mktemp("field")) as ground:
        yield ground


@pytest.fixture(scope="module")
async def points(ground: Field) -> list[Point]:
    """Where a worker can be killed that serves one request which is asked, approved, granted, extended, and ends in its time."""
    return await watched_points(ground)


@pytest.fixture(scope="module")
async def herd(ground: Field, points: list[Point]) -> Herd[Point]:
    """Each point's own request, with its own workers."""

    async def case(point: Point) -> Outcome:
        seat = await ground.seat()
        try:
            played = await play(seat, point)
            lag = await judge(played)
        except Exception as error:
            error.add_note(f"{seat.name} in {ground.logs}")
            raise
        finally:
            await seat.leave()
        return Outcome(played.restarted_at is not None, {} if lag is None else {"removed": lag})

    herd = Herd(points if ALL else representatives(points))
    await herd.play_all(case, SIDE_BY_SIDE)
    herd.write_figures(ground.home.folder / "figures.json")
    return herd


async def test_every_phase_of_a_request_is_among_the_points(points: list[Point]) -> None:
    """The watched request went through all of it: what is not called here, nobody was killed in."""
    kinds = {point.kind for point in points}
    writes = {
        "PUT okta /api/v1/groups/{group}/users/{user}",
        "DELETE okta /api/v1/groups/{group}/users/{user}",
        "DELETE okta /api/v1/users/{user}/sessions",
        "POST jira /rest/api/3{issue}/comment",
        "POST jira /rest/api/3{issue}/transitions",
        "PUT jira /rest/api/3{issue}",
        *(
            f"PUT jira /rest/api/3{{issue}}/properties/{{{writer}}}"
            for writer in ("asked", "request", "armed", "lease")
        ),
    }
    steps = {
        f"{queue} task: schedule {activity}"
        for queue, activities in {
            "requests": ("open_request", "judge_request", "judge_wishes", "record_evidence"),
            "leases": (
                *("look_before_grant", "arm_lease", "grant_access", "arm_extension", "prolong_access"),
                *("revoke_access", "observe_access", "record_evidence"),
            ),
        }.items()
        for activity in activities
    }
    assert writes | steps <= kinds, sorted((writes | steps) - kinds)


async def test_worker_killed_at_any_vendor_call_leaves_nothing_on_and_nothing_untold(
    herd: Herd[Point], measured: Measured
) -> None:
    """Whether the call took effect or not: the next worker takes the access back in time, and the ticket tells it once."""
    for lag in herd.lags["removed"]:
        measured("a worker is killed at any point", lag)
    herd.assert_none_failed(lambda point: isinstance(point, CallPoint))


async def test_worker_killed_around_any_workflow_task_leaves_nothing_on_and_nothing_untold(herd: Herd[Point]) -> None:
    """Before and after the server has what the task commands: the same."""
    herd.assert_none_failed(lambda point: isinstance(point, TaskPoint))


async def test_nearly_every_point_came(herd: Herd[Point]) -> None:
    """A worker that was not killed proves nothing: few points are missed, and none at which something is added or removed."""
    assert len(herd.missed) <= len(herd.points) // 20, [str(point) for point in herd.missed]
    assert not [point for point in herd.missed if "/groups/{group}/users/{user}" in point.kind]
