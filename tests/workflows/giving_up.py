"""Ways to a lease that is stuck because its target is gone, and what operators do then. No test lives here."""

import asyncio
from datetime import timedelta
from uuid import uuid4

from domain.ids import TicketRef
from domain.lease import LeaseState
from domain.lease_messages import ForgetAsk, ForgetView
from domain.messages import LeaseLine
from tests.house import PATIENCE_SECONDS, House
from tests.workflows.hands import pending
from tests.workflows.phases import Case, active, end
from tests.workflows.stories import A_MINUTE
from workflows.options import STUCK_AFTER

BECAUSE = "the group was merged into another"
A_SECOND = timedelta(seconds=1)


def operated(house: House, *operators: str) -> House:
    """Bob and carol are operators, unless others are named."""
    house.catalogue = house.catalogue.model_copy(update={"operators": operators or ("bob", "carol")})
    return house


async def stuck(house: House) -> Case:
    """An active lease whose group was deleted, and whose removal is late by now."""
    operated(house)
    case = await active(house)
    house.provider.delete_group(house.target())
    await end(case)
    await pending(house.lease(), "revoke_access", attempt=2)
    await house.jump(house.lease(), STUCK_AFTER + A_SECOND)
    await until_state(house, LeaseState.STUCK)
    return case


def wish(house: House, ticket: TicketRef, *people: str, lease_id: str = "") -> list[str]:
    """Operators write on a ticket that they want the lease forgotten; returns the ids of the comments."""
    words = f"/forget {lease_id or house.lease_id()} {BECAUSE}"
    return [house.tickets.comment_as(ticket, words, person) for person in people or ("bob", "carol")]


async def ask_to_forget(house: House, ticket: TicketRef) -> str:
    """Send the hint; returns by which id its answer is known."""
    ask_id = uuid4().hex
    await house.lease().signal("forget", ForgetAsk(ticket=ticket, ask_id=ask_id))
    return ask_id


async def refusal(house: House, ask_id: str) -> str:
    """Why that was in vain, when it was judged."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            view: ForgetView = await house.lease().query("forgetting", result_type=ForgetView)
            if view.ask_id == ask_id:
                return view.refused
            await asyncio.sleep(0.05)


async def until_state(house: House, *states: LeaseState) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            line: LeaseLine = await house.lease().query("status", result_type=LeaseLine)
            if line.state in states:
                return
            await asyncio.sleep(0.05)


async def over_the_fence(house: House) -> None:
    """Return when the lease is being forgotten and waits for nothing any more but its paper."""
    await until_state(house, LeaseState.FORGETTING)
    await house.settled(house.lease())
    await house.jump(house.lease(), A_MINUTE)
