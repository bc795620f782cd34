"""Row 7: one run of the reconciler over one target, as many holders as leases: seconds and memory, and whether they grow in line."""

import asyncio
import time
from collections.abc import Sequence

from bench.machine import Meter, peak_mib
from bench.pairs import Run
from bench.report import Row
from bench.scale import Scale
from bench.sides import Nightlatch
from bench.yard import Yard, open_yard
from domain.catalogue import TargetMode
from domain.queues import Queue
from tests.queues import all_but
from tests.workflows.counting import Tally
from tests.workflows.reconciling import reconcile

SHARES = (0.25, 0.5, 1.0)
GRANTING_AT_ONCE = 30
HOLD_SECONDS = 86_400
MUST_SECONDS, MUST_MIB = 60.0, 300.0
MOST_GROWTH = 1.3
"""Seconds a holder with all of them to seconds a holder with a quarter: more is not in line."""


async def run(scale: Scale, _counted: Tally) -> tuple[list[Row], list[Run]]:
    runs: list[Run] = []
    async with open_yard(people=scale.holders) as yard:
        yard.desk.house.watch("admin", TargetMode.ENFORCE)
        side, have = Nightlatch(yard), 0
        async with side.process(*all_but(Queue.RECONCILE)):
            for share in SHARES:
                wanted = int(scale.holders * share)
                await _grant(side, range(have, wanted))
                have = wanted
                runs.append(await measure(yard, have))
    return rows(runs), runs


async def measure(yard: Yard, holders: int) -> Run:
    """One run in a fresh process that serves the reconciler's queue only.

    Raises:
        RuntimeError: it did not see every holder, or found anything: then it did not do the whole work, or other work.
    """
    async with Nightlatch(yard).process(Queue.RECONCILE) as worker:
        idle, meter, began_at = peak_mib(worker.pid), Meter.start(), time.monotonic()
        report = await reconcile(yard.desk.house)
        seconds, load = time.monotonic() - began_at, meter.read()
        memory = peak_mib(worker.pid)
    (target,) = [target for target in report.targets if target.target == "admin"]
    if target.problem or target.members != holders or target.findings:
        raise RuntimeError(
            f"the reconciler saw {target.members} of {holders} holders: {target.problem or target.findings[:1]}"
        )
    figures = {"holders": holders, "seconds": seconds, "mib": memory, "idle_mib": idle}
    return Run("reconciler", figures, load)


async def _grant(side: Nightlatch, numbers: Sequence[int]) -> None:
    places = asyncio.Semaphore(GRANTING_AT_ONCE)

    async def one(number: int) -> None:
        async with places:
            life = side.life(number, HOLD_SECONDS)
            await life.ask()
            await life.approve()
            await life.granted()

    async with asyncio.TaskGroup() as group:
        for number in numbers:
            group.create_task(one(number))


def rows(runs: Sequence[Run]) -> list[Row]:
    least, most = runs[0].figures, runs[-1].figures
    growth = (most["seconds"] / most["holders"]) / (least["seconds"] / least["holders"])
    steps = ", ".join(
        f"{run.figures['holders']}: {run.figures['seconds']:.2f} s, {run.figures['mib']:.0f} MiB" for run in runs
    )
    foreign = max(run.load.foreign for run in runs)
    return [
        Row(
            f"reconcile {most['holders']} holders against as many leases",
            f"{most['seconds']:.1f} s, {most['mib']:.0f} MiB",
            f"< {MUST_SECONDS:g} s, < {MUST_MIB:g} MiB",
            "",
            most["seconds"] < MUST_SECONDS and most["mib"] < MUST_MIB,
            note=f"{steps}; idle process {most['idle_mib']:.0f} MiB; foreign load up to {foreign:.0%}",
        ),
        Row(
            "reconcile, seconds a holder: all / a quarter of them",
            f"{growth:.2f}x",
            f"<= {MOST_GROWTH}x",
            "",
            growth <= MOST_GROWTH,
        ),
    ]
