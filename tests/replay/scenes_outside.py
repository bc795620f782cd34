"""Scenes of the reconciler: runs that find nothing, find what is amiss, or cannot look; and the leases that come of them."""

import asyncio

from temporalio.client import (
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleHandle,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.exceptions import ApplicationError

from domain.catalogue import TargetMode
from domain.errors import RetryableError
from domain.queues import Queue, queue_name
from domain.watch import ReconcileInput
from tests.house import PATIENCE_SECONDS, House
from tests.replay.stage import Handle, Kept, Scene, porter_of, this_run
from tests.workflows import hands, phases
from tests.workflows.forging import complete
from tests.workflows.stories import A_MINUTE, hold
from workflows.reconcile import ReconcileWorkflow


async def reconciled_with_nothing_amiss(house: House) -> Kept:
    await hold(house)
    return {"run": await _run(house, await _schedule(house))}


async def reconciled_with_findings(house: House) -> Kept:
    """One member to be removed, one only reported, one missing; and the next run, which knows what this one left."""
    house.watch("admin", TargetMode.ENFORCE)
    await hold(house, entitlement="pair")
    house.provider.remove_by_hand(house.target("right"), house.subject())
    for name in ("admin", "left"):
        house.provider.add_by_hand(house.target(name), house.subject("dave"))
    schedule = await _schedule(house)
    first = await _run(house, schedule)
    await house.until(lambda: not house.is_member(person="dave"))
    orphan = house.lease(person="dave")
    await house.jump(orphan, A_MINUTE)
    await house.soon(orphan.result())
    return {"run": first, "next": await _run(house, schedule), "orphan": orphan}


async def reconciled_up_to_its_limit(house: House) -> Kept:
    """More strangers than a run removes: people are woken, and told when it is over; one page that failed is sent again."""
    house.watch("admin", TargetMode.ENFORCE)
    strangers = ("carol", "dave", "mallory")
    for person in strangers:
        house.provider.add_by_hand(house.target(), house.subject(person))
    schedule = await _schedule(house, limit=1)
    gate = porter_of(house).hold("page_people")
    first = await _triggered(house, schedule)
    await gate.reached()
    await complete(house, first, "page_people", ApplicationError("by hand", non_retryable=True))
    gate.release()
    await house.soon(first.result())
    last = first
    for left in (2, 1):
        await house.until(lambda left=left: sum(house.is_member(person=each) for each in strangers) == left)  # type: ignore[misc]
        last = await _run(house, schedule)
    return {"run": first, "last": last}


async def reconciled_without_a_listing(house: House) -> Kept:
    house.provider.fail("list_holders", RetryableError("503"))
    return {"run": await _run(house, await _schedule(house))}


async def reconciled_without_a_catalogue(house: House) -> Kept:
    house.catalogue_fault = RuntimeError("a defect")
    return {"run": await _run(house, await _schedule(house))}


async def reconciled_without_a_remedy(house: House) -> Kept:
    """Somebody fails the remedy by hand: the run says so, and the next one finds the member again."""
    house.watch("admin", TargetMode.ENFORCE)
    house.provider.add_by_hand(house.target(), house.subject("dave"))
    gate = porter_of(house).hold("remedy_drift")
    schedule = await _schedule(house)
    run = await _triggered(house, schedule)
    await gate.reached()
    await complete(house, run, "remedy_drift", ApplicationError("by hand", non_retryable=True))
    gate.release()
    await house.soon(run.result())
    return {"run": run}


async def terminated_with_its_request(house: House) -> Kept:
    _ticket, request = await hold(house)
    await house.settled(request)
    gate = porter_of(house).hold("revoke_access")
    await request.terminate("by hand")
    await gate.reached()
    await house.lease().terminate("by hand")
    run = await _run(house, await _schedule(house))
    gate.release()
    await house.until(lambda: not house.is_member())
    await house.jump(house.lease(), A_MINUTE)
    await house.soon(house.lease().result())
    return {"run": run, "ending": house.lease()}


async def replaced(house: House) -> Kept:
    """Its revoke is paused by hand; when it has not moved for a while, a lease that only ends takes its place."""
    case = await phases.backing_off(house)
    stalled = await this_run(house, house.lease())
    await hands.change_activity(house, stalled, "pause", "revoke_access")
    case.let_go()
    schedule = await _schedule(house)
    run = await _run(house, schedule)
    async with asyncio.timeout(2 * PATIENCE_SECONDS):
        while house.is_member():
            run = await _run(house, schedule)
    await house.jump(house.lease(), A_MINUTE)
    await house.soon(case.request.result())
    return {"run": run, "stalled": stalled, "ending": house.lease(), "request": case.request}


async def _schedule(house: House, *, limit: int = 20) -> ScheduleHandle:
    """Of the house's own reconciler. It runs when it is triggered, and never by the clock."""
    run = ScheduleActionStartWorkflow(
        ReconcileWorkflow.run,
        ReconcileInput(instance=house.provider.instance, limit=limit),
        id=f"{house.prefix}reconcile",
        task_queue=queue_name(house.prefix, Queue.RECONCILE),
    )
    wanted = Schedule(action=run, spec=ScheduleSpec(), state=ScheduleState(paused=True))
    return await house.client.create_schedule(f"{house.prefix}reconcile", wanted)


async def _run(house: House, schedule: ScheduleHandle) -> Handle:
    run = await _triggered(house, schedule)
    await house.soon(run.result())
    return run


async def _triggered(house: House, schedule: ScheduleHandle) -> Handle:
    before = (await schedule.describe()).info.num_actions
    await schedule.trigger()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (told := (await schedule.describe()).info).num_actions == before:
            await asyncio.sleep(0.05)
    action = told.recent_actions[-1].action
    assert isinstance(action, ScheduleActionExecutionStartWorkflow)
    return house.client.get_workflow_handle(action.workflow_id, run_id=action.first_execution_run_id)


SCENES: tuple[Scene, ...] = (
    reconciled_with_nothing_amiss,
    reconciled_with_findings,
    reconciled_up_to_its_limit,
    reconciled_without_a_listing,
    reconciled_without_a_catalogue,
    reconciled_without_a_remedy,
    terminated_with_its_request,
    replaced,
)
