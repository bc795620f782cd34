"""One kill of the Temporal server for a whole round: each request stands still at a point of its own when the server dies.

The workers are there first; then each request begins so much before the kill as the watched one took to its point. A call
stands at the vendor, which holds it; a workflow task in its worker, which holds its completion back. No worker dies.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import inf

from tests.chaos.field import Seat
from tests.chaos.kill_points import CallPoint, Point, TaskPoint
from tests.chaos.request_case import LAST_MOMENT_SECONDS, PATIENCE_SECONDS, Played, ask, hold_at, people
from tests.engine import FileServer
from tests.real_stack import instant

LEASE = "9s"
"""On a busy machine too it is still on when its extension is asked for: no point would come after that."""

RESTART_BOUND = timedelta(seconds=10)
"""DESIGN 3: the server killed and restarted. It is there again from its first answer on."""

LONGEST_STAND_SECONDS = {"okta": 5.0, "jira": 7.0, "task": 8.0}
"""Below the clients' timeouts of 6 s and 8 s and the task timeout of 10 s: what stands longer is given up, and done again elsewhere."""

CROWDED = 2.0
"""So much longer than the watched request takes one of a crowd, where it works; where it waits, it waits as long."""

WORK = timedelta(seconds=0.7)
"""What takes longer than this between two points is waiting."""

LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Outage:
    killed_at: datetime
    answered_at: datetime


async def kill_and_start(server: FileServer) -> Outage:
    return Outage(await server.kill(), await server.start())


def restart_before_removal(seat: Seat, outages: Sequence[Outage]) -> datetime | None:
    """When the server answered again after the last outage that had begun before the access was removed."""
    removed = [line for line in seat.on.log.about(seat.group_id, "membership.removed") if line["changed"]]
    before = [outage.answered_at for outage in outages if removed and outage.killed_at < instant(removed[-1])]
    return before[-1] if before else None


class Strikes:
    """The kills of a round: one when all stand; if need be an earlier one, before somebody can stand no longer, and more for the rest."""

    def __init__(self, server: FileServer, points: Sequence[Point]) -> None:
        self._server = server
        self._ahead = _ahead(points)
        self._unready = self._coming = len(points)
        self._standing = 0
        self._due = inf
        self._news = asyncio.Condition()
        self._over = asyncio.Event()
        self.outages: list[Outage] = []

    async def fall(self) -> None:
        """Kill the server and start it again whenever it is time, until cancelled."""
        while True:
            async with self._news:
                await self._until_time()
                struck, self._over = self._over, asyncio.Event()
                self._standing, self._due = 0, inf
            self.outages.append(await kill_and_start(self._server))
            struck.set()

    async def turn(self, point: Point) -> None:
        """Return when all are ready, and it is time to begin so as to be at that point together. A second try need not wait."""
        async with self._news:
            is_first_try = self._unready > 0
            self._coming += not is_first_try
            self._unready -= is_first_try
            self._news.notify_all()
            await self._news.wait_for(lambda: self._unready <= 0)
        await asyncio.sleep(self._ahead[point] if is_first_try else 0)

    async def stand(self, point: Point) -> None:
        """Return when the server has been killed meanwhile and answers again."""
        async with self._news:
            over = self._over
            self._coming -= 1
            self._standing += 1
            can_stand = LONGEST_STAND_SECONDS[point.vendor if isinstance(point, CallPoint) else "task"]
            self._due = min(self._due, asyncio.get_running_loop().time() + can_stand)
            self._news.notify_all()
        await over.wait()

    async def miss(self) -> None:
        """Somebody will not come to its point."""
        async with self._news:
            self._unready -= 1
            self._coming -= 1
            self._news.notify_all()

    async def _until_time(self) -> None:
        with suppress(TimeoutError):
            while self._standing == 0 or self._coming > 0:
                async with asyncio.timeout_at(self._due if self._due < inf else None):
                    await self._news.wait()


@asynccontextmanager
async def striking(server: FileServer, points: Sequence[Point]) -> AsyncIterator[Strikes]:
    """The strikes on a round of these points."""
    strikes = Strikes(server, points)
    falling = asyncio.create_task(strikes.fall())
    try:
        yield strikes
    finally:
        falling.cancel()
        await asyncio.wait([falling])


def _ahead(points: Sequence[Point]) -> dict[Point, float]:
    """How many seconds the last point comes after each, in a crowd."""
    backwards = sorted(points, key=lambda point: point.came_at, reverse=True)
    ahead = {backwards[0]: 0.0}
    for later, point in pairwise(backwards):
        gap = later.came_at - point.came_at
        ahead[point] = ahead[later] + gap.total_seconds() * (CROWDED if gap < WORK else 1)
    return ahead


async def play_in_round(seat: Seat, point: Point, strikes: Strikes) -> tuple[Played, bool]:
    """Play it with a worker that lives; also whether it came to its point, and the server was killed meanwhile.

    Raises:
        TimeoutError: it did not close in time.
    """
    reached = asyncio.create_task(_reach(seat, point))
    standing = asyncio.create_task(_stand_and_go_on(reached, seat, point, strikes))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            ticket = await ask(seat, LEASE)
            if isinstance(point, CallPoint):
                await hold_at(seat, ticket, point)
            await seat.start_worker(stop=point.boundary if isinstance(point, TaskPoint) else None)
            await seat.until_polling()
            await strikes.turn(point)
            result = await people(seat, ticket)
            # The last point of all comes when the request is over.
            await asyncio.wait([reached], timeout=LAST_MOMENT_SECONDS)
            came = reached.done()
            if came:
                await standing
    finally:
        if reached.cancel():
            await strikes.miss()
        standing.cancel()
    return Played(seat, ticket, restart_before_removal(seat, strikes.outages), result), came


async def _reach(seat: Seat, point: Point) -> None:
    if isinstance(point, CallPoint):
        await seat.on.log.held(seat.name)
    else:
        while not seat.gate.with_suffix(".reached").exists():
            await asyncio.sleep(LOOK_SECONDS)


async def _stand_and_go_on(reached: asyncio.Task[None], seat: Seat, point: Point, strikes: Strikes) -> None:
    await reached
    await strikes.stand(point)
    if isinstance(point, CallPoint):
        await (seat.on.sandbox.lose if point.fate == "lost" else seat.on.sandbox.release)(seat.name)
    else:
        seat.gate.touch()
