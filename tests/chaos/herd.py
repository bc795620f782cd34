"""Many cases side by side, each killed at a point of its own: how they went, and which points never came."""

import asyncio
import json
import statistics
import traceback
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Generic, TypeVar

TRIES = 3
"""On a busy machine steps fall together, or a case is over before it has come to the point."""

P = TypeVar("P")


@dataclass(frozen=True)
class Outcome:
    """What a case that holds has measured: `came`, whether its point did; `lags`, how long what took."""

    came: bool
    lags: Mapping[str, timedelta]


Case = Callable[[P], Awaitable[Outcome]]
"""Plays one case and judges it; an error is that the case failed."""


@dataclass
class Herd(Generic[P]):
    """`missed`: points that never came, since what runs side by side fell together in another way."""

    points: list[P]
    lags: defaultdict[str, list[timedelta]] = field(default_factory=lambda: defaultdict(list))
    missed: list[P] = field(default_factory=list)
    failed: dict[P, str] = field(default_factory=dict)

    async def play_all(self, case: Case[P], side_by_side: int) -> None:
        places = asyncio.Semaphore(side_by_side)

        async def play_one(point: P) -> None:
            async with places:
                await self._play(case, point)

        async with asyncio.TaskGroup() as group:
            for point in self.points:
                group.create_task(play_one(point))

    async def _play(self, case: Case[P], point: P) -> None:
        """Play the case, and again when its point did not come."""
        for _ in range(TRIES):
            try:
                outcome = await case(point)
            except Exception:  # noqa: BLE001 - the other cases go on, and all are told
                self.failed[point] = traceback.format_exc()
                return
            if outcome.came:
                for what, lag in outcome.lags.items():
                    self.lags[what].append(lag)
                return
        self.missed.append(point)

    def assert_none_failed(self, which: Callable[[P], bool] = lambda _: True) -> None:
        failed = {point: why for point, why in self.failed.items() if which(point)}
        assert not failed, "\n\n".join(f"killed {point}: {why}" for point, why in failed.items())

    def write_figures(self, file: Path) -> None:
        taken = {what: [lag.total_seconds() for lag in lags] for what, lags in self.lags.items()}
        seconds = {what: {"p50": statistics.median(lags), "max": max(lags)} for what, lags in taken.items()}
        missed = [str(point) for point in self.missed]
        file.write_text(json.dumps({"cases": len(self.points), "missed": missed, "seconds": seconds}))
