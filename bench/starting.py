"""Row 8: the production worker beside the embedded stack: from the start of the process to the first poll of each queue."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.machine import Meter
from bench.pairs import Run, middle, spread
from bench.report import Row
from bench.scale import Scale
from domain.queues import Queue, queue_name
from starter.dev_stack import QUEUE_PREFIX
from tests.real_stack import RealStack, running_stack
from tests.workflows.counting import Tally

GOALS: Mapping[Queue, tuple[float, float]] = {
    Queue.REQUESTS: (2.5, 1.5),
    Queue.LEASES: (2.5, 1.5),
    Queue.GRANTS: (8.0, 3.0),
}
"""Must and aim in seconds. `leases` and `grants` wait until the vendor's SDK has been imported."""

LOOK_SECONDS = 0.01
PATIENCE_SECONDS = 60.0


async def measure(stack: RealStack) -> Run:
    """The worker is killed and started again; its log tells of each first poll."""
    stack.kill("worker")
    meter, began_at = Meter.start(), time.monotonic()
    stack.start("worker")
    log, seen = stack.home.log("worker-again"), dict[str, float]()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(seen) < len(GOALS):
            text = log.read_text()
            for queue in GOALS:
                if queue not in seen and f"polling {queue_name(QUEUE_PREFIX, queue)}" in text:
                    seen[queue] = time.monotonic() - began_at
            await asyncio.sleep(LOOK_SECONDS)
    return Run("worker", seen, meter.read())


async def run(scale: Scale, _counted: Tally) -> tuple[list[Row], list[Run]]:
    with TemporaryDirectory(prefix="nightlatch-bench-") as folder:
        async with running_stack(Path(folder)) as stack:
            runs = [await measure(stack) for _ in range(scale.starts)]
    return rows(runs), runs


def rows(runs: list[Run]) -> list[Row]:
    foreign = max(run.load.foreign for run in runs)
    found = []
    for queue, (must, aim) in GOALS.items():
        seen = [run.figures[queue] for run in runs]
        met = middle(seen) < must
        goal = f"< {must:g} s", f"< {aim:g} s"
        found.append(
            Row(
                f"start to first poll of {queue}",
                f"{spread(seen)} s",
                *goal,
                met,
                note=f"foreign load up to {foreign:.0%}",
            )
        )
    return found
