"""SIGKILL of the bridge around every call it makes and every step by which its mark is kept, found by watching one left alone.

People act in Jira only, so that whatever reaches a request after the kill, the next bridge has found by itself.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.chaos.bridge_case import steer
from tests.chaos.bridge_oracle import judge_steered
from tests.chaos.bridge_points import BridgePoint, bridge_points, representatives
from tests.chaos.bridge_seat import LIVES, Life, bridge_seat
from tests.chaos.field import Field, open_field
from tests.chaos.gateway import Gateway, open_gateway
from tests.chaos.herd import Herd, Outcome
from tests.figures import Measured

pytestmark = pytest.mark.timeout(1800)

ALL = bool(os.environ.get("NIGHTLATCH_ALL_KILL_POINTS"))
"""Every point there is, which takes some minutes; without it, representatives."""

SIDE_BY_SIDE = 10


@dataclass
class Ground:
    field: Field
    gateway: Gateway


@pytest.fixture(scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    async with open_field(tmp_path_factory.mktemp("field")) as field:
        assert field.settings.bridge
        secret = field.settings.bridge.webhook_secret.get_secret_value()
        async with open_gateway(field.sandbox, secret) as gateway:
            yield Ground(field, gateway)


@pytest.fixture(scope="module")
async def points(ground: Ground) -> list[BridgePoint]:
    """Where a bridge can be killed that hears of one request: asked, approved, extended, revoked, closed."""

    async def watched(life: Life) -> list[BridgePoint]:
        seat = await bridge_seat(ground.field, ground.gateway, life)
        await judge_steered(await steer(seat, None))
        await seat.leave()
        return bridge_points(seat)

    async with asyncio.TaskGroup() as group:
        watching = [group.create_task(watched(life)) for life in LIVES]
    return [point for task in watching for point in task.result()]


@pytest.fixture(scope="module")
async def herd(ground: Ground, points: list[BridgePoint]) -> Herd[BridgePoint]:
    """Each point's own request, with its own worker and bridges."""

    async def case(point: BridgePoint) -> Outcome:
        seat = await bridge_seat(ground.field, ground.gateway, point.life)
        try:
            steered = await steer(seat, point.boundary)
            lags = await judge_steered(steered)
        except Exception as error:
            error.add_note(f"{seat.seat.name} in {ground.field.logs}")
            raise
        finally:
            await seat.leave()
        return Outcome(steered.restarted_at is not None, lags)

    herd = Herd(points if ALL else representatives(points))
    await herd.play_all(case, SIDE_BY_SIDE)
    herd.write_figures(ground.field.home.folder / "figures.json")
    return herd


async def test_every_kind_of_step_is_among_the_points(points: list[BridgePoint]) -> None:
    """The watched bridges did all that a bridge does: what is not done here, none was killed in."""
    kinds = {point.kind for point in points}
    messages = {
        "temporal signal with start",
        "temporal start",
        "temporal update",
        "temporal signal revoke to the lease",
        *(f"temporal signal {hint} to the request" for hint in ("approve", "deny", "extend", "revoke")),
    }
    looks = {
        "jira GET /search/jql",
        "jira POST /issue/bulkfetch",
        *(f"jira GET /issue/{{issue}}{part}" for part in ("", "/changelog", "/comment", "/properties")),
        *(f"temporal list {workflow}" for workflow in ("AccessRequestWorkflow", "LeaseWorkflow")),
    }
    mark = {f"mark: {step}" for step in ("read", "open the draft", "sync the draft", "replace", "sync the folder")}
    assert messages | looks | mark <= kinds, sorted((messages | looks | mark) - kinds)


async def test_bridge_killed_at_any_step_loses_no_act_and_doubles_none(
    herd: Herd[BridgePoint], measured: Measured
) -> None:
    """Whatever people did meanwhile in Jira takes effect soon after the restart, once; and access ends when they say so."""
    herd.assert_none_failed()
    for event, act in (("/revoke is written", "revoked"), ("the ticket vanishes", "vanished")):
        for lag in herd.lags[act]:
            measured(f"{event}; the bridge is killed at any step", lag)


async def test_nearly_every_point_came(herd: Herd[BridgePoint]) -> None:
    """A bridge that was not killed proves nothing: few points are missed."""
    assert len(herd.missed) <= len(herd.points) // 20, [str(point) for point in herd.missed]
