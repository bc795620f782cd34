"""The floor: a bare workflow with as many activities, signals and timers as a request and its lease, and nothing in them.

Kept free of everything else: its worker imports no Nightlatch in the default variant.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow

STEP = "step"
NEVER_SECONDS = 3600.0


@dataclass(frozen=True)
class Step:
    """An activity that does nothing for `seconds`, and then tells the driver `tells` about `key`, if anything."""

    key: str
    seconds: float = 0.0
    tells: str = ""
    ends_at: float = 0.0


@dataclass(frozen=True)
class Shape:
    """`granting` and `ending`: the activities before and after the hold, by how long each takes in seconds.

    `signals` are awaited before the first; the one at `grant` tells that it grants; `idle_timers` are started at the end of
    the hold and cancelled at the last.
    """

    key: str
    hold_seconds: float
    lag_seconds: float
    removing_seconds: float
    signals: int = 1
    idle_timers: int = 0
    grant: int = 0
    granting: list[float] = field(default_factory=list)
    ending: list[float] = field(default_factory=list)


@workflow.defn(name="FloorWorkflow")
class FloorWorkflow:
    def __init__(self) -> None:
        self._heard = 0

    @workflow.run
    async def run(self, shape: Shape) -> None:
        await _do(Step(shape.key, tells="asked"))
        await workflow.wait_condition(lambda: self._heard >= shape.signals)
        ends_at = workflow.now() + timedelta(seconds=shape.hold_seconds)
        for place, seconds in enumerate(shape.granting):
            await _do(Step(shape.key, seconds, "granted" if place == shape.grant else "", ends_at.timestamp()))
        await asyncio.sleep(max(0.0, (ends_at - workflow.now()).total_seconds()))
        idle = [asyncio.create_task(asyncio.sleep(NEVER_SECONDS)) for _ in range(shape.idle_timers)]
        await _do(Step(shape.key, shape.removing_seconds, "removed", ends_at.timestamp()))
        await asyncio.sleep(shape.lag_seconds)
        for seconds in shape.ending:
            await _do(Step(shape.key, seconds))
        for timer in idle:
            timer.cancel()

    @workflow.signal
    def approve(self) -> None:
        self._heard += 1


async def _do(step: Step) -> None:
    await workflow.execute_activity(STEP, step, start_to_close_timeout=timedelta(seconds=12))
