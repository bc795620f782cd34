"""Leases whose ends lie where the bench wants them: each is approved a whole number of seconds before its end, at an even pace."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench.life import Life
from bench.pairs import VoidRunError
from bench.sides import Side

LEAD_SECONDS = 3.0
"""How long before its approval a request is started."""

SETTLE_SECONDS = 8.0
"""From the last approval to the first end: everything sleeps by then."""

PATIENCE_SECONDS = 900.0
AT_ONCE = 50
AWAKE_SECONDS = 1.0


@dataclass
class Sleepers:
    """Leases that hold until `first_end` or soon after; instants in seconds since the epoch."""

    side: Side
    lives: Sequence[Life]
    first_end: float

    async def removed(self) -> None:
        """Return when a removal was called for, for each of them."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            for life in self.lives:
                await self.side.yard.desk.until("removed", life.key)

    async def closed(self) -> None:
        await each(self.lives, lambda life: life.closed())


async def put_to_sleep(side: Side, offsets: Sequence[float]) -> Sleepers:
    """As many leases as offsets, each to end so many seconds after the first end. Returns when all are granted.

    Raises:
        VoidRunError: not all slept before the first end; then what follows would measure their granting.
    """
    approving_from = time.time() + LEAD_SECONDS
    first_end = float(int(approving_from + len(offsets) / side.pace + SETTLE_SECONDS))
    lives: list[Life] = []
    try:
        async with asyncio.timeout(first_end - AWAKE_SECONDS - time.time()), asyncio.TaskGroup() as group:
            for place, offset in enumerate(offsets):
                earliest, end = approving_from + place / side.pace, first_end + offset
                hold = int(end - earliest)
                lives.append(side.life(place, hold))
                group.create_task(_begin(lives[-1], end - hold))
        granted = all(life.key in side.yard.desk.journal.ends for life in lives)
    except TimeoutError:
        granted = False
    if not granted:
        await each(lives, lambda life: life.abandon())
        raise VoidRunError(
            f"{side.name}: not all of {len(lives)} leases slept {AWAKE_SECONDS:g} s before the first end; too busy a machine?"
        )
    return Sleepers(side, lives, first_end)


async def each(lives: Sequence[Life], do: Callable[[Life], Awaitable[None]]) -> None:
    """Do it for every life, not too many at once."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(life: Life) -> None:
        async with places:
            await do(life)

    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        for life in lives:
            group.create_task(one(life))


async def until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.time()))


async def _begin(life: Life, approve_at: float) -> None:
    await until(approve_at - LEAD_SECONDS)
    await life.ask()
    await until(approve_at)
    await life.approve()
    await life.granted()
