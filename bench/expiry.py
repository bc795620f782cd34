"""Row 3: leases that end one by one on a machine with nothing else to do: from the end to the call that removes."""

from bench.machine import Meter
from bench.pairs import Rounds, Run, middle, percentile, spread
from bench.plan import put_to_sleep
from bench.report import Row
from bench.scale import Scale
from bench.sides import Side, all_sides
from bench.yard import open_yard
from tests.workflows.counting import Tally

APART_SECONDS = 0.4
MUST_SECONDS, AIM = 1.0, 1.1


async def measure(side: Side, leases: int) -> Run:
    async with side.working():
        sleeping = await put_to_sleep(side, [number * APART_SECONDS for number in range(leases)])
        meter = Meter.start()
        await sleeping.removed()
        load, lags = meter.read(), side.yard.desk.journal.lags()
        await sleeping.closed()
    return Run(side.name, {"p50": percentile(lags, 0.5), "p99": percentile(lags, 0.99)}, load)


async def run(scale: Scale, counted: Tally) -> tuple[list[Row], Rounds]:
    async with open_yard(people=scale.singles) as yard:
        sides = all_sides(yard, counted)
        rounds = await Rounds.play(sides, lambda side: measure(side, scale.singles), scale.rounds)
    return rows(rounds, [side.name for side in sides], scale.singles), rounds


def rows(rounds: Rounds, names: list[str], leases: int) -> list[Row]:
    us, *floors = names
    seen = rounds.values("p99", us)
    found = [
        Row(
            f"expiry to removal call, p99 of {leases}",
            f"{spread(seen, 3)} s",
            f"< {MUST_SECONDS:g} s",
            "",
            middle(seen) < MUST_SECONDS,
            note=f"p50 {spread(rounds.values('p50', us), 3)} s",
        )
    ]
    for floor in floors:
        told = f"{floor} p50 {spread(rounds.values('p50', floor), 3)} s, p99 {spread(rounds.values('p99', floor), 3)} s"
        aim = f"<= {AIM}x" if floor.endswith("tuned") else ""
        ratios = rounds.ratios("p99", us, floor)
        note = f"{told}; void pairs {rounds.void(us, floor)}"
        found.append(Row(f"expiry to removal call / {floor}", f"{spread(ratios)}x", "", aim, note=note))
    return found
