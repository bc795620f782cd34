"""What the scenes of recorded histories share: how access is brought about and seen off, and what of it is kept."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from temporalio.client import WorkflowHandle, WorkflowHistory

from domain.ids import TicketRef
from tests.house import House
from tests.workflows.phases import Case, Phase, heard, over
from tests.workflows.porter import Porter

Handle = WorkflowHandle[Any, Any]
Kept = dict[str, Handle | WorkflowHistory]
"""By the name of the part: a workflow, whose history is taken when the scene is over, or a history as it was before."""

PAST_THE_FENCE = timedelta(seconds=30)
"""So far a lease jumps after its removal: to its second look, and not to when it would be late."""

Scene = Callable[[House], Awaitable[Kept]]


def both(house: House, request: Handle) -> Kept:
    return {"request": request, "lease": house.lease()}


def porter_of(house: House) -> Porter:
    """The porter that stands before the activities of every house on this stage."""
    (porter,) = house.client.config()["interceptors"]
    assert isinstance(porter, Porter)
    return porter


def stopped_in(phase: Phase) -> Scene:
    """A scene that keeps what runs in that phase as it stands there, then cancels it, and keeps how it ends."""

    async def scene(house: House) -> Kept:
        case = await phase(house)
        standing = case.request if phase.__name__ == "pending" else house.lease()
        await (house.settled(standing) if standing is case.request else heard(case))
        cut = await standing.fetch_history()
        await case.request.cancel()
        await heard(case)
        case.let_go()
        await over(case, case.request)
        return {"standing": cut, "cancelled": standing}

    return scene


async def see_off(house: House, ticket: TicketRef, request: Handle, *names: str) -> None:
    """Return when the request has closed; each lease jumps over the wait for what might land late."""
    async with asyncio.TaskGroup() as jumps:
        for name in names or ("admin",):
            jumps.create_task(jump_when_removed(house, ticket, name))
    await house.soon(request.result())


async def jump_when_removed(house: House, ticket: TicketRef, name: str = "admin") -> None:
    await house.until(lambda: "removed" in house.kinds(ticket, house.lease_id(name)))
    await house.jump(house.lease(name), PAST_THE_FENCE)


async def revoke(house: House, request: Handle) -> None:
    await request.signal("revoke", {"by": "bob"})
    await house.soon(request.result())


async def this_run(house: House, handle: Handle) -> Handle:
    """What runs under that id now, whatever takes its place later."""
    return house.client.get_workflow_handle(handle.id, run_id=(await handle.describe()).run_id)


def case_of(house: House, ticket: TicketRef, request: Handle) -> Case:
    return Case(house, ticket, request)
