"""Row 2: whole requests a second in full flow, when so many are always at work and the others sleep until their end."""

import asyncio
import time
from dataclasses import dataclass, field

from bench.machine import Meter
from bench.pairs import Rounds, Run, VoidRunError, middle, spread
from bench.report import Row
from bench.scale import Scale
from bench.sides import Side, all_sides
from bench.yard import open_yard
from tests.workflows.counting import Tally

HOLD_SECONDS = 8
"""Long enough to be granted in on a busy machine. Those that sleep cost nothing, and are not counted as at work."""

WARM_UP_SECONDS = 3.0
MUST, AIM = 0.5, 1.0


@dataclass
class Flow:
    """New requests are begun while fewer than `at_work` are being granted or ended; what is due first slows what is new."""

    side: Side
    at_work: int
    active: int = 0
    closed: int = 0
    first_closed: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: bool = False

    async def feed(self, group: asyncio.TaskGroup) -> int:
        """Begin requests until stopped; returns how many."""
        number = 0
        while not self.stopped:
            if self.active < self.at_work:
                self.active += 1
                group.create_task(self._one(number))
                number += 1
            await asyncio.sleep(0 if self.active < self.at_work else 0.005)
        return number

    async def _one(self, number: int) -> None:
        life, desk = self.side.life(number, HOLD_SECONDS), self.side.yard.desk
        await life.ask()
        await life.approve()
        await life.granted()
        self.active -= 1
        await asyncio.sleep(max(0.0, desk.journal.ends.get(life.key, 0.0) - time.time()))
        self.active += 1
        await life.closed()
        self.active -= 1
        self.closed += 1
        self.first_closed.set()


async def measure(side: Side, at_work: int, seconds: float) -> Run:
    """The flow for `seconds`, from the first end on.

    Raises:
        VoidRunError: a request was not granted and removed, so that it was not a whole one.
    """
    async with side.working():
        flow = Flow(side, at_work)
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(flow.feed(group))
            await flow.first_closed.wait()
            meter, before = Meter.start(), flow.closed
            await asyncio.sleep(seconds)
            load, done = meter.read(), flow.closed - before
            flow.stopped = True
        begun, whole = feeding.result(), len(side.yard.desk.journal.removals)
    if whole != begun:
        raise VoidRunError(f"{side.name}: {whole} of {begun} requests were granted and ended; is the machine too busy?")
    cpu_ms = {role: 1000 * used / done for role, used in load.cpu.items()}
    return Run(side.name, {"rate": done / load.seconds, "cpu_ms": sum(cpu_ms.values()), **cpu_ms}, load)


async def run(scale: Scale, counted: Tally) -> tuple[list[Row], dict[str, Rounds]]:
    found, played = list[Row](), dict[str, Rounds]()
    for delay in scale.delays_ms:
        async with open_yard(people=scale.people) as yard:
            yard.desk.delay_seconds = delay / 1000
            sides = all_sides(yard, counted)
            if scale.warm_up:
                await Rounds.play(sides, lambda side: measure(side, scale.at_work, WARM_UP_SECONDS), 1)
            rounds = await Rounds.play(
                sides, lambda side: measure(side, scale.at_work, scale.flow_seconds), scale.rounds
            )
        played[f"{delay} ms"] = rounds
        found += rows(rounds, [side.name for side in sides], f"provider {delay} ms")
    return found, played


def rows(rounds: Rounds, names: list[str], where: str) -> list[Row]:
    us, *floors = names
    found = []
    for floor in floors:
        ratios = rounds.ratios("rate", us, floor)
        rates = ", ".join(f"{name} {spread(rounds.values('rate', name))}/s" for name in (us, floor))
        is_goal = floor.endswith("tuned")
        found.append(
            Row(
                f"throughput / {floor}, {where}",
                f"{spread(ratios)}x",
                f">= {MUST}x" if is_goal else "",
                f">= {AIM}x" if is_goal else "",
                middle(ratios) >= MUST if is_goal and ratios else None,
                note=f"{rates}; void pairs {rounds.void(us, floor)}",
            )
        )
    cpu = ", ".join(f"{name} {spread(rounds.values('cpu_ms', name), 0)}" for name in names)
    return [*found, Row(f"CPU-ms a request, {where}", cpu, note="server, workers and driver together")]
