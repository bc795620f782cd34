"""Ways to a lease that is stuck because its target is gone, and what operators do then. No test lives here."""

import asyncio
from datetime import timedelta
from uuid import uuid4

from domain.errors import RateLimitedError
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
A_SECOND, PUT_OFF = timedelta(seconds=1), timedelta(minutes=10)
PAST_THE_FENCE = timedelta(seconds=21)
"""Less than what a last question is given: it would be out of time before anybody had asked it."""


def operated(house: House, *operators: str) -> House:
    """Bob and carol are operators, unless others are named."""
    house.catalogue = house.catalogue.model_copy(update={"operators": operators or ("bob", "carol")})
    return house


async def stuck(house: House, *, asked_again_after: timedelta = PUT_OFF) -> Case:
    """An active lease whose group was deleted, and whose removal is late by now.

    A test whose clock jumps has to wait for each attempt on the way, so that by default the next one is put off.
    """
    operated(house)
    case = await active(house)
    house.provider.delete_group(house.target())
    if asked_again_after > STUCK_AFTER:
        house.provider.fail("revoke", RateLimitedError("429", delay=asked_again_after))
    await end(case)
    await pending(house.lease(), "revoke_access", attempt=2)
    await house.jump(house.lease(), STUCK_AFTER + A_SECOND)
    await until_state(house, LeaseState.STUCK)
    house.provider.succeed("revoke")
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
    await until_state(house, LeaseState.FORGETTING, LeaseState.FORGOTTEN)
    await house.settled(house.lease())
    await house.jump(house.lease(), PAST_THE_FENCE)


async def forgotten(house: House) -> Case:
    """A lease that two people have given up, and whose request has closed."""
    case = await stuck(house)
    wish(house, case.ticket)
    await ask_to_forget(house, case.ticket)
    await over_the_fence(house)
    await house.soon(case.request.result())
    return case


async def proved_after_all(case: Case) -> None:
    """The target is there again: the removal, which has gone on, proves it, and the request closes."""
    house = case.house
    if house.target().container_id not in house.provider.groups:
        house.provider.restore_group(house.target())
    await house.jump(house.lease(), PUT_OFF)
    await house.until(lambda: not house.is_member())
    await house.jump(house.lease(), A_MINUTE)
    await house.soon(case.request.result())
