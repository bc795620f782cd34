"""Row 4: many leases that end within one second: when the last removal is called for, and how long none was while one was due."""

import time

from bench.machine import Meter, peak_mib
from bench.pairs import Rounds, Run, middle, percentile, spread
from bench.plan import put_to_sleep
from bench.report import Row
from bench.scale import Scale
from bench.sides import Side, all_sides
from bench.yard import open_yard
from tests.workflows.counting import Tally

MUST, AIM = 1.0, 0.4
MUST_SILENCE, AIM_SILENCE = 5.0, 1.0


async def measure(side: Side, leases: int) -> Run:
    """`last`: from the first end to the last removal. `spread`: from the first end to the last end. `mib`: the worker's."""
    async with side.working() as worker:
        idle = peak_mib(worker.pid)
        sleeping = await put_to_sleep(side, [number / leases for number in range(leases)])
        asleep, journal = peak_mib(worker.pid), side.yard.desk.journal
        meter, began_at = Meter.start(), min(journal.ends.values())
        await sleeping.removed()
        load, lags = meter.read(), journal.lags()
        figures = {
            "last": max(journal.removals.values()) - began_at,
            "p50": percentile(lags, 0.5),
            "p99": percentile(lags, 0.99),
            "silence": journal.longest_silence(),
            "spread": max(journal.ends.values()) - began_at,
            "idle_mib": idle,
            "asleep_mib": asleep,
        }
        await sleeping.closed()
        figures["closed"] = time.time() - began_at
    return Run(side.name, figures, load)


async def run(scale: Scale, counted: Tally) -> tuple[list[Row], Rounds]:
    async with open_yard(people=scale.herd) as yard:
        sides = all_sides(yard, counted)
        rounds = await Rounds.play(sides, lambda side: measure(side, scale.herd), scale.herd_rounds)
    return rows(rounds, [side.name for side in sides], scale.herd), rounds


def rows(rounds: Rounds, names: list[str], leases: int) -> list[Row]:
    us, *floors = names
    found = []
    for floor in floors:
        ratios = rounds.ratios("last", us, floor)
        is_goal = floor.endswith("default")
        lasts = ", ".join(f"{name} {spread(rounds.values('last', name))} s" for name in (us, floor))
        found.append(
            Row(
                f"herd of {leases}, last removal / {floor}",
                f"{spread(ratios)}x",
                f"<= {MUST}x" if is_goal else "",
                f"<= {AIM}x" if is_goal else "",
                middle(ratios) <= MUST if is_goal and ratios else None,
                note=f"{lasts}; void pairs {rounds.void(us, floor)}",
            )
        )
    silence = rounds.values("silence", us)
    told = ", ".join(f"{name} {spread(rounds.values('silence', name))} s" for name in floors)
    spreads = spread(rounds.values("spread", us))
    found.append(
        Row(
            f"herd of {leases}, longest silence while due",
            f"{spread(silence)} s",
            f"<= {MUST_SILENCE:g} s",
            f"<= {AIM_SILENCE:g} s",
            max(silence) <= MUST_SILENCE,
            note=f"{told}; the ends lay within {spreads} s",
        )
    )
    return found
