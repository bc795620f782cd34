"""SIGKILL of the Temporal server on its database file: at every point of a request, tens of requests at once, and in storms.

The points are those at which workers are killed: every vendor call and every workflow task of a watched request.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import pytest

from tests.chaos.field import Field, open_field
from tests.chaos.herd import Herd, Outcome
from tests.chaos.kill_points import CallPoint, Point, TaskPoint
from tests.chaos.oracle import judge
from tests.chaos.server_round import LEASE, RESTART_BOUND, Strikes, play_in_round, striking
from tests.chaos.server_storm import Storm
from tests.chaos.watched import watched_points
from tests.engine import SMALL_QUEUES, FileServer, running_file_server
from tests.figures import Measured

pytestmark = pytest.mark.timeout(1800)

ALL = bool(os.environ.get("NIGHTLATCH_ALL_KILL_POINTS"))
"""Every point there is, and storms, which takes some minutes; without it one point of each kind, and one storm."""

SIDE_BY_SIDE = 32
STORMS = [(seed, 20, 5, 20.0) for seed in range(3)] if ALL else [(0, 8, 4, 7.0)]
"""Seed, leases, kills, seconds."""


def of_each_kind(points: list[Point]) -> list[Point]:
    """One of each kind of write, and of some reads and tasks: at another occurrence, with another fate, each in turn."""
    kinds: defaultdict[str, list[Point]] = defaultdict(list)
    for point in points:
        if not is_followed_by_a_fence(point):
            kinds[point.kind].append(point)
    in_turn = [same[number % len(same)] for number, same in enumerate(kinds.values())]
    calls = [point for point in in_turn if isinstance(point, CallPoint)]
    writes = [point for point in calls if not point.is_read]
    reads = [point for point in calls if point.is_read]
    tasks = [point for point in in_turn if isinstance(point, TaskPoint)]
    return [*writes, *reads[::4], *tasks[::2]]


def is_followed_by_a_fence(point: Point) -> bool:
    """Whether the attempt of a membership's change ends uncleanly there, so that the request stays open for 20 s more."""
    match point:
        case CallPoint():
            return point.fate == "lost" and {"groups", "{user}"} <= set(point.path.split("/"))
        case TaskPoint():
            return point.boundary.when == "before" and point.boundary.command == "schedule grant_access"


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FileServer]:
    async with running_file_server(tmp_path_factory.mktemp("engine"), *SMALL_QUEUES) as server:
        yield server


@pytest.fixture(scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory, server: FileServer) -> AsyncIterator[Field]:
    async with open_field(tmp_path_factory.mktemp("field"), await server.client()) as ground:
        yield ground


@pytest.fixture(scope="module")
async def storms(tmp_path_factory: pytest.TempPathFactory, ground: Field) -> AsyncIterator[asyncio.Task[list[Storm]]]:
    """They rage over a server of their own, while the herd is watched and played on the other."""

    async def rage() -> list[Storm]:
        storms = []
        async with running_file_server(tmp_path_factory.mktemp("engine"), *SMALL_QUEUES) as server:
            elsewhere = replace(ground, client=await server.client(), address=server.address)
            for seed, leases, kills, seconds in STORMS:
                storms.append(Storm(elsewhere, server, seed))
                await storms[-1].rage(leases, kills, seconds)
        return storms

    raging = asyncio.create_task(rage())
    yield raging
    raging.cancel()
    await asyncio.wait([raging])


@pytest.fixture(scope="module")
async def points(ground: Field) -> list[Point]:
    """Where a request goes that is left alone."""
    return await watched_points(ground, LEASE)


@pytest.fixture(scope="module")
async def herd(
    storms: asyncio.Task[list[Storm]],  # noqa: ARG001 - they are to rage meanwhile
    ground: Field,
    server: FileServer,
    points: list[Point],
) -> Herd[Point]:
    """Each point's own request, with a worker of its own; one kill of the server for all who come to their points together."""

    async def case(strikes: Strikes, point: Point) -> Outcome:
        seat = await ground.seat()
        try:
            played, came = await play_in_round(seat, point, strikes)
            lag = await judge(played, RESTART_BOUND)
        except Exception as error:
            error.add_note(f"{seat.name} in {ground.logs}")
            raise
        finally:
            await seat.leave()
        return Outcome(came, {} if lag is None else {"removed": lag})

    chosen = points if ALL else of_each_kind(points)
    whole: Herd[Point] = Herd(chosen)
    number_of_rounds = -(-len(chosen) // SIDE_BY_SIDE)
    for number in range(number_of_rounds):
        part = Herd(chosen[number::number_of_rounds])
        async with striking(server, part.points) as strikes:
            await part.play_all(partial(case, strikes), SIDE_BY_SIDE)
        whole.lags["removed"] += part.lags["removed"]
        whole.missed += part.missed
        whole.failed |= part.failed
    whole.write_figures(ground.home.folder / "figures.json")
    return whole


async def test_server_killed_at_any_point_leaves_nothing_on_and_nothing_untold(
    herd: Herd[Point], measured: Measured
) -> None:
    """Whatever was under way: after the restart the access ends in its time, and the ticket tells it once."""
    herd.assert_none_failed()
    for lag in herd.lags["removed"]:
        measured("the Temporal server is killed at any point", lag)


async def test_nearly_every_point_was_stood_at(herd: Herd[Point]) -> None:
    """A server that was not killed at a point proves nothing for it."""
    assert len(herd.missed) <= len(herd.points) // 20, [str(point) for point in herd.missed]


async def test_server_killed_again_and_again_leaves_nothing_on_and_nothing_untold(
    storms: asyncio.Task[list[Storm]], measured: Measured
) -> None:
    """In whatever it is writing: the same, measured from the last restart."""
    for storm in await storms:
        assert not storm.failed, "\n\n".join(f"storm {storm.seed}: {why}" for why in storm.failed)
        assert storm.lags
        for lag in storm.lags:
            measured("the Temporal server is killed again and again", lag)


async def test_killed_server_forgets_nothing_that_it_acknowledged(storms: asyncio.Task[list[Storm]]) -> None:
    """A message that it took is there after the kill, once: what is committed to its write-ahead log survives the process."""
    for storm in await storms:
        tally = storm.tally
        assert len(tally.acknowledged) > len(storm.outages)
        assert [number for number in tally.acknowledged if number not in tally.kept] == []
        assert [number for number, times in tally.kept.items() if times > 1] == []


async def test_worker_that_starts_while_the_server_is_away_waits_for_it(
    ground: Field, server: FileServer, herd: Herd[Point]
) -> None:
    """Its supervisor would give it up, if it ended at once some times in a row."""
    assert herd.points
    seat = await ground.seat()
    try:
        await server.kill()
        await seat.start_worker()
        await seat.until_it_says("cannot be used: Connection refused")
        await server.start()
        await seat.until_polling()
    finally:
        await seat.leave()
