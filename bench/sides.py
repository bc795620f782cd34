"""What is measured side by side: Nightlatch, and the two floors, each with worker processes of its own."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

from bench.floor import Shape
from bench.life import FloorLife, Life, Request
from bench.yard import Yard
from domain.catalogue import SURFACES, TargetKind
from domain.queues import Queue
from starter.dev_home import Part
from starter.dev_process import stop
from tests.workflows.counting import Tally

LOOKS = 2
"""Calls of the provider, one after another, in the look before the grant, in the grant, and in the removal."""

GRANTING, LOOK, GRANT = 8, 2, 4
"""How many activities lie between approval and hold, and which of them look and grant."""

LOOK_SECONDS = 0.05
STOP_SECONDS = 20.0
"""Longer than the grace that a stopping worker gives to running attempts."""


class Side(ABC):
    """`pace`: approvals a second at which leases can be put to sleep without more than half of the machine."""

    name: str
    pace: float

    def __init__(self, yard: Yard) -> None:
        self.yard = yard

    @abstractmethod
    def life(self, number: int, hold_seconds: int) -> Life: ...

    @abstractmethod
    async def start_worker(self, *queues: Queue) -> Part:
        """A worker process, polling: all queues, unless some are named."""

    @asynccontextmanager
    async def working(self) -> AsyncIterator[Part]:
        """A new worker process and an empty journal, until the end of the block."""
        self.yard.desk.begin_anew()
        async with self.process() as part:
            yield part

    @asynccontextmanager
    async def process(self, *queues: Queue) -> AsyncIterator[Part]:
        """One more worker process, polling until the end of the block, if it lives as long."""
        part = await self.start_worker(*queues)
        try:
            yield part
        finally:
            await asyncio.to_thread(stop, [part], STOP_SECONDS)

    async def _polling(self, part: Part) -> Part:
        waiting = asyncio.create_task(self.yard.desk.until("polling", str(part.pid)))
        try:
            while not waiting.done():
                self.yard.check(part)
                await asyncio.wait([waiting], timeout=LOOK_SECONDS)
        finally:
            waiting.cancel()
        return part


class Nightlatch(Side):
    name = "nightlatch"
    pace = 4.0

    def life(self, number: int, hold_seconds: int) -> Request:
        return Request(self.yard.desk, number, hold_seconds)

    async def start_messenger(self) -> Part:
        """The process that plays the bridge, connected."""
        return await self._polling(self.yard.spawn("messenger", "bench.messenger"))

    async def start_worker(self, *queues: Queue) -> Part:
        prefix = self.yard.desk.house.prefix
        part = self.yard.spawn(self.name, "bench.worker", prefix, ",".join(queues or Queue))
        return await self._polling(part)


class Floor(Side):
    """`knobs`: "default", as the SDK comes, or "tuned", with Nightlatch's worker options. As many steps as `tally` has."""

    pace = 8.0

    def __init__(self, yard: Yard, knobs: str, tally: Tally) -> None:
        super().__init__(yard)
        self.name = f"floor-{knobs}"
        self._knobs = knobs
        self._tally = tally
        self._queue = f"{self.name}-{uuid4().hex[:8]}"

    def life(self, number: int, hold_seconds: int) -> FloorLife:
        client = self.yard.client if self._knobs == "tuned" else self.yard.plain
        shape = self._shape(f"{self.name}-{number}", hold_seconds)
        return FloorLife(self.yard.desk, client, self._queue, shape)

    async def start_worker(self, *_queues: Queue) -> Part:
        part = self.yard.spawn(self.name, "bench.floor_worker", self._queue, self._knobs)
        return await self._polling(part)

    def _shape(self, key: str, hold_seconds: int) -> Shape:
        """As many activities as Nightlatch, those of the provider as long as there: look and grant before, three after."""
        delay = self.yard.desk.delay_seconds
        granting = [0.0] * GRANTING
        granting[LOOK] = granting[GRANT] = LOOKS * delay
        others = self._tally.activities - len(granting) - len(("asked", "removed"))
        return Shape(
            key=key,
            hold_seconds=hold_seconds,
            lag_seconds=SURFACES[TargetKind.OKTA_GROUP].read_lag.total_seconds(),
            removing_seconds=LOOKS * delay,
            signals=self._tally.signals,
            idle_timers=max(0, self._tally.timers - len(("hold", "lag"))),
            grant=GRANT,
            granting=granting,
            ending=[delay, delay, *[0.0] * (others - 2)],
        )


def all_sides(yard: Yard, tally: Tally) -> Sequence[Side]:
    return Nightlatch(yard), Floor(yard, "default", tally), Floor(yard, "tuned", tally)
