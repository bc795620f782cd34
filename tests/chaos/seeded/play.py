"""One seeded run from its plan to its account: everybody lives on the stage while the hands do their faults; then all is healed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from temporalio.service import RPCError

from activities.callers import LEASE_TYPE
from tests.chaos.seeded.account import Account, Request, read_told
from tests.chaos.seeded.bounds import STALL, Happening
from tests.chaos.seeded.hands import Hands
from tests.chaos.seeded.house import approver_accounts
from tests.chaos.seeded.operators import Operators
from tests.chaos.seeded.people import live
from tests.chaos.seeded.plan import Plan, PlannedLease
from tests.chaos.seeded.stage import Stage, now, open_stage

PULSE_SECONDS = 0.1
STILL_SECONDS = 0.5
SETTLING_SECONDS = 240.0
LOOK_SECONDS = 0.5

SWEPT_MINUTES = 4.0
"""A sweep acts on what it has seen twice, two minutes apart: a shorter run ends before it could."""

Tell = Callable[[str], None]


@dataclass
class Pulse:
    """When this process did not get to run: then nobody else on the machine may have."""

    stalls: list[tuple[datetime, datetime]] = field(default_factory=list)

    async def beat(self) -> None:
        while True:
            before = now()
            await asyncio.sleep(PULSE_SECONDS)
            if now() - before > timedelta(seconds=STILL_SECONDS):
                self.stalls.append((before, now()))


async def play(plan: Plan, folder: Path, reconciled_every: timedelta, tell: Tell) -> Account:
    """Play the plan in `folder`, which keeps every process's log, and give account of it."""
    tell("starting server, vendors, workers and bridge")
    async with open_stage(folder, plan) as stage:
        return await play_on(stage, plan, reconciled_every, tell)


async def play_on(stage: Stage, plan: Plan, reconciled_every: timedelta, tell: Tell) -> Account:
    """Play the plan on a stage that is whole, and leave it whole."""
    await stage.until_whole()
    pulse, hands = Pulse(), Hands(stage)
    operators = Operators(stage, hands)
    before = max((entry["seq"] for entry in await stage.sandbox.audit(0)), default=0)
    begun_at, began = now(), asyncio.get_running_loop().time()

    async def play_one(planned: PlannedLease) -> Request:
        await asyncio.sleep(began + planned.begins - asyncio.get_running_loop().time())
        return await live(stage, operators, planned)

    tell(f"{len(plan.leases)} requests and {len(plan.faults)} faults within {plan.seconds:.0f} s")
    work = [pulse.beat(), stage.reconcile_for_ever(reconciled_every)]
    if plan.minutes >= SWEPT_MINUTES:
        work.append(stage.sweep_for_ever())
    async with _meanwhile(work):
        async with asyncio.TaskGroup() as group:
            group.create_task(hands.do_all(plan.faults, began))
            lived = [group.create_task(play_one(planned)) for planned in plan.leases]
        tell("all requests are over; waiting until no lease runs and nobody is a member")
        await _settle(stage)
    happened = [*hands.happened, *(Happening(STALL, "machine", "", *stall) for stall in pulse.stalls)]
    return await _give_account(
        stage, [task.result() for task in lived], begun_at, before, tuple(happened), reconciled_every
    )


async def _give_account(
    stage: Stage,
    requests: list[Request],
    begun_at: datetime,
    before: int,
    happened: tuple[Happening, ...],
    reconciled_every: timedelta,
) -> Account:
    """`before`: the vendors' last line from before the run."""
    await stage.log.caught_up()
    log = tuple(await stage.sandbox.audit(before))
    told = [
        await read_told(request, request.ticket, stage.settings, stage.keys, log)
        for request in requests
        if request.ticket is not None
    ]
    silent = (Happening(STALL, "vendors", "", *stall) for stall in stage.log.stalls if stall[1] > begun_at)
    return Account(
        begun_at=begun_at,
        told=tuple(told),
        log=log,
        happened=(*happened, *silent),
        reconciled_every=reconciled_every,
        approvers=approver_accounts(),
        groups=stage.targets.all_groups(),
    )


async def _settle(stage: Stage) -> None:
    """Return when no lease runs and no member is left, or after a patience: the oracle says what is left then."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLING_SECONDS):
            while await _is_somebody_in(stage) or await _does_a_lease_run(stage):
                await asyncio.sleep(LOOK_SECONDS)


async def _is_somebody_in(stage: Stage) -> bool:
    await stage.log.caught_up()
    changes = (
        [line for line in stage.log.about(group, "membership.added", "membership.removed") if line["changed"]]
        for group in stage.targets.all_groups()
    )
    return any(sum(1 if line["event"] == "membership.added" else -1 for line in lines) != 0 for lines in changes)


async def _does_a_lease_run(stage: Stage) -> bool:
    query = f"WorkflowType = '{LEASE_TYPE}' AND ExecutionStatus = 'Running'"
    try:
        return (await stage.client.count_workflows(query)).count > 0
    except RPCError:
        return True


@asynccontextmanager
async def _meanwhile(work: Iterable[Coroutine[None, None, None]]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
