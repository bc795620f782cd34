"""Where a request goes that is left alone."""

import asyncio

from tests.chaos.field import Field
from tests.chaos.kill_points import Point, call_points, task_points
from tests.chaos.oracle import judge
from tests.chaos.request_case import LEASE, placeholders, play
from tests.chaos.self_kill import Task


async def watched_points(ground: Field, lease: str = LEASE) -> list[Point]:
    """The points that each of two requests comes to. What only one of them does hangs on how their steps happen to fall together."""
    async with asyncio.TaskGroup() as group:
        watches = [group.create_task(_watch(ground, lease)) for _ in range(2)]
    first, second = (watch.result() for watch in watches)
    return [point for point in first if point in set(second)]


async def _watch(ground: Field, lease: str) -> list[Point]:
    seat = await ground.seat()
    narration = ground.home.folder / f"{seat.name}-narration"
    try:
        played = await play(seat, None, str(narration), lease)
        assert await judge(played) is not None
        calls = await ground.sandbox.requests(seat.name)
    finally:
        await seat.leave()
    tasks = [Task.model_validate_json(line) for line in narration.read_text().splitlines()]
    return [*call_points(calls, placeholders(seat, played.ticket)), *task_points(tasks)]
