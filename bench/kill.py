"""Row 6: the one worker is killed right before the ends of a row of leases and started again at once: how late they are."""

import os
import signal
import time

from bench.machine import Meter
from bench.pairs import Rounds, Run, spread
from bench.plan import put_to_sleep, until
from bench.report import Row
from bench.scale import Scale
from bench.sides import Side, all_sides
from bench.yard import open_yard
from tests.workflows.counting import Tally

APART_SECONDS = 0.5
BEFORE_SECONDS = 1.0
MUST_SECONDS, AIM_SECONDS = 12.0, 3.0


async def measure(side: Side, leases: int) -> Run:
    """`next`: how late the first end after the kill was met; `last`: the latest of all. `polling`: how long nobody polled."""
    async with side.working() as worker:
        sleeping = await put_to_sleep(side, [number * APART_SECONDS for number in range(leases)])
        await until(sleeping.first_end - BEFORE_SECONDS)
        meter, killed_at = Meter.start(), time.time()
        os.killpg(worker.pid, signal.SIGKILL)
        async with side.process():
            polling = time.time() - killed_at
            await sleeping.removed()
            load, journal = meter.read(), side.yard.desk.journal
            first = min(journal.ends, key=lambda key: journal.ends[key])
            figures = {
                "next": journal.removals[first] - journal.ends[first],
                "last": max(journal.lags()),
                "polling": polling,
            }
            await sleeping.closed()
    return Run(side.name, figures, load)


async def run(scale: Scale, counted: Tally) -> tuple[list[Row], Rounds]:
    async with open_yard(people=scale.killed) as yard:
        sides = all_sides(yard, counted)
        rounds = await Rounds.play(sides, lambda side: measure(side, scale.killed), scale.herd_rounds)
    us, *floors = [side.name for side in sides]
    seen = rounds.values("next", us)
    told = ", ".join(f"{name} {spread(rounds.values('next', name))} s" for name in floors)
    row = Row(
        "worker killed (-9) and restarted, lateness of the next end",
        f"{spread(seen)} s",
        f"<= {MUST_SECONDS:g} s",
        f"<= {AIM_SECONDS:g} s",
        max(seen) <= MUST_SECONDS,
        note=f"latest of {scale.killed}: {spread(rounds.values('last', us))} s; "
        f"polling again after {spread(rounds.values('polling', us))} s; {told}",
    )
    return [row], rounds
