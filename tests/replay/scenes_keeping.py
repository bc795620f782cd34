"""Scenes of a request and an id that is not, or no longer, its own lease's: waited for, ousted, followed, cut off."""

from temporalio.api.enums.v1 import EventType
from temporalio.exceptions import ApplicationError

from domain.ids import request_workflow_id
from tests.house import House
from tests.replay.stage import Kept, Scene, porter_of, revoke, see_off
from tests.workflows import hands
from tests.workflows.forging import approved_unheard, complete
from tests.workflows.stories import A_MINUTE, hold, reset
from tests.workflows.test_keeping import current_run, following, put_ending_lease, squat

CHILD_STARTED = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED


async def held_by_another_ticket(house: House) -> Kept:
    _, holder = await hold(house)
    _, request = await house.approved()
    await house.soon(request.result())
    await revoke(house, holder)
    return {"request": request}


async def waiting_for_another_ticket(house: House) -> Kept:
    """The one before is on its way out: its end is waited for, then the id is asked for again."""
    _, leaving = await hold(house)
    gate = house.provider.hold("revoke")
    await leaving.signal("revoke", {})
    await gate.reached()
    ticket, request = await house.approved()
    await following(request)
    waiting = await request.fetch_history()
    gate.release()
    await house.told(ticket, "Access is active")
    await revoke(house, request)
    await house.soon(leaving.result())
    return {"standing": waiting, "request": request}


async def revoked_while_waiting_for_another_ticket(house: House) -> Kept:
    gate = house.provider.hold("revoke")
    other = await put_ending_lease(house, house.ask())
    await gate.reached()
    _, request = await house.approved()
    await following(request)
    await request.signal("revoke", {"by": "carol"})
    gate.release()
    await house.until(lambda: len(house.ledger("looked")) > 0)
    await house.jump(other, A_MINUTE)
    await house.soon(request.result())
    return {"request": request}


async def id_held_by_a_stranger(house: House) -> Kept:
    await squat(house)
    _, request = await house.approved()
    await house.soon(request.result())
    return {"request": request}


async def stranger_left_meanwhile(house: House) -> Kept:
    gate = porter_of(house).hold("describe_holder")
    stranger = await squat(house)
    ticket, request = await house.approved()
    await gate.reached()
    await stranger.terminate("by hand")
    gate.release()
    await house.told(ticket, "Access is active")
    await revoke(house, request)
    return {"request": request}


async def ousted_by_a_stranger(house: House) -> Kept:
    ticket, request = await hold(house)
    await house.settled(house.lease())
    await squat(house)
    await see_off(house, ticket, request)
    return {"request": request, "ending": house.lease()}


async def ended_by_another_ticket(house: House) -> Kept:
    _, request = await hold(house)
    await house.settled(house.lease())
    other = house.ask()
    await put_ending_lease(house, other)
    await see_off(house, other, request)
    return {"request": request}


async def held_on_other_terms(house: House) -> Kept:
    """By this very ticket, on terms that nobody approved now: that is taken back first."""
    ticket = await approved_unheard(house)
    gate = house.provider.hold("revoke")
    await put_ending_lease(house, ticket)
    await gate.reached()
    request = house.client.get_workflow_handle(request_workflow_id(ticket))
    await request.signal("approve")
    await following(request)
    gate.release()
    await house.until(lambda: len(house.ledger("looked")) > 0)
    await house.jump(house.lease(), A_MINUTE)
    await house.told(ticket, "Access is active")
    await revoke(house, request)
    return {"request": request}


async def followed_after_a_reset(house: House) -> Kept:
    ticket, request = await hold(house)
    await reset(house, request)
    again = current_run(house, request)
    await following(again)
    standing = await again.fetch_history()
    await again.signal("revoke", {})
    await see_off(house, ticket, again)
    return {"standing": standing, "request": again, "lease": house.lease()}


async def followed_end_invented(house: House) -> Kept:
    """Somebody fails the following by hand: that is no end, and the request looks again."""
    gate = porter_of(house).hold("follow_lease")
    _, request = await hold(house)
    await reset(house, request)
    again = current_run(house, request)
    await gate.reached()
    await complete(house, again, "follow_lease", ApplicationError("gone", non_retryable=True))
    await following(again)
    gate.release()
    await again.signal("revoke", {})
    await house.soon(again.result())
    return {"request": again}


async def cut_off_from_its_lease(house: House) -> Kept:
    """Reset to when its lease ran, after that has closed: nobody will tell of its end, and revoke has nobody to tell."""
    _, request = await hold(house)
    await house.settled(request)
    await revoke(house, request)
    point = await hands.task_after(request, await hands.first_event(request, CHILD_STARTED))
    await hands.reset(house, request.id, to=point, forgetting=True)
    again = current_run(house, request)
    await house.settled(again)
    await again.signal("revoke", {})
    await house.until(lambda: len(house.ledger("removed")) > 1)
    await house.jump(house.lease(), A_MINUTE)
    await house.soon(again.result())
    return {"request": again, "ending": house.lease()}


async def revoked_right_after_a_reset(house: House) -> Kept:
    """Before it has read its ticket again: without leases of its own it ends what the ticket was armed for."""
    ticket, request = await hold(house)
    await house.settled(request)
    gate = house.tickets.hold("read")
    await reset(house, request)
    again = current_run(house, request)
    await gate.reached()
    await again.signal("revoke", {"by": "carol"})
    gate.release()
    await see_off(house, ticket, again)
    return {"request": again}


async def reset_when_it_was_closed(house: House) -> Kept:
    _, request = await hold(house)
    await revoke(house, request)
    await hands.reset(house, request.id, forgetting=True)
    again = current_run(house, request)
    await house.soon(again.result())
    return {"request": again}


async def armed_and_started_again(house: House) -> Kept:
    """The engine has forgotten the request while access was on: what its ticket was armed for is ended, and proved anew."""
    ticket, request = await hold(house)
    await house.settled(request)
    await hands.delete(house, request.id)
    await house.until(lambda: not house.is_member())
    await house.jump(house.lease(), A_MINUTE)
    await house.soon(house.lease().result())
    again = await house.start(ticket)
    await again.signal("approve", {"by": "bob"})
    await house.until(lambda: len(house.ledger("removed")) > 1)
    await house.jump(house.lease(), A_MINUTE)
    await house.soon(again.result())
    return {"request": again}


SCENES: tuple[Scene, ...] = (
    held_by_another_ticket,
    waiting_for_another_ticket,
    revoked_while_waiting_for_another_ticket,
    id_held_by_a_stranger,
    stranger_left_meanwhile,
    ousted_by_a_stranger,
    ended_by_another_ticket,
    held_on_other_terms,
    followed_after_a_reset,
    followed_end_invented,
    cut_off_from_its_lease,
    revoked_right_after_a_reset,
    reset_when_it_was_closed,
    armed_and_started_again,
)
