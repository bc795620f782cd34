"""Row 5: leases that end one by one while many approved requests queue for their grants, beside the same without a queue."""

from bench.machine import Meter
from bench.pairs import Rounds, Run, middle, percentile, spread
from bench.plan import each, put_to_sleep, until
from bench.report import Row
from bench.scale import Scale
from bench.sides import Nightlatch
from bench.yard import open_yard
from domain.queues import Queue
from tests.workflows.counting import Tally

MUST, AIM = 1.5, 1.1
QUEUE, NO_QUEUE = "queue", "no queue"
HOLD_SECONDS = 600
ASKING, ENDING = (Queue.REQUESTS, Queue.APPROVALS, Queue.TICKETS), (Queue.LEASES, Queue.RECONCILE)
"""The queues of the process that asks people, and of the one that takes away."""

APART_SECONDS = 0.4
BEFORE_SECONDS = 2.0
"""So long before the first end all of the queue is approved in one moment: a thousand signals take the engine more than one."""


async def measure(case: str, scale: Scale) -> Run:
    """On a server of its own: what queued is thrown away with it. The processes are those of production (docs/operations.md)."""
    async with open_yard(people=scale.singles + scale.queued_grants) as yard:
        side = Nightlatch(yard)
        async with side.process(*ASKING), side.process(*ENDING), side.process(Queue.GRANTS):
            queued = [side.life(scale.singles + number, HOLD_SECONDS) for number in range(scale.queued_grants)]
            queued = queued if case == QUEUE else []
            await side.start_messenger()
            await each(queued, lambda life: life.ask())
            sleeping = await put_to_sleep(side, [number * APART_SECONDS for number in range(scale.singles)])
            await until(sleeping.first_end - BEFORE_SECONDS)
            meter, journal = Meter.start(), yard.desk.journal
            for life in queued:
                life.answer()
            yard.desk.tell([life.handle.id for life in queued])
            await sleeping.removed()
            load, lags = meter.read(), journal.lags()
            waiting = sum(life.key not in journal.ends for life in queued)
    return Run(case, {"p50": percentile(lags, 0.5), "p99": percentile(lags, 0.99), "still_waiting": waiting}, load)


async def run(scale: Scale, _counted: Tally) -> tuple[list[Row], Rounds]:
    rounds = await Rounds.play((NO_QUEUE, QUEUE), lambda case: measure(case, scale), scale.rounds)
    ratios = rounds.ratios("p99", QUEUE, NO_QUEUE)
    seen = ", ".join(
        f"{case} p50 {spread(rounds.values('p50', case), 3)} s, p99 {spread(rounds.values('p99', case), 3)} s"
        for case in (NO_QUEUE, QUEUE)
    )
    waiting = spread(rounds.values("still_waiting", QUEUE), 0)
    row = Row(
        f"{scale.singles} removals while {scale.queued_grants} grants queue, p99 / no queue",
        f"{spread(ratios)}x",
        f"<= {MUST}x",
        f"<= {AIM}x",
        middle(ratios) <= MUST if ratios else None,
        note=f"{seen}; {waiting} grants still waited at the last removal; void pairs {rounds.void(QUEUE, NO_QUEUE)}",
    )
    return [row], rounds
