"""Scenes while access is held: extended or not, doubted, stopped by operators' hands, or near the bound of a history."""

from datetime import timedelta

from temporalio.exceptions import ApplicationError

from domain.errors import ForbiddenError, RetryableError
from domain.messages import ExtendInput
from tests.house import House, thaw
from tests.replay.stage import Handle, Kept, Scene, both, jump_when_removed, porter_of, revoke, see_off, this_run
from tests.workflows import hands
from tests.workflows.forging import complete
from tests.workflows.stories import A_MINUTE, actions, close, hold, reset
from workflows.access_request import AccessRequestWorkflow

AN_HOUR = timedelta(hours=1, seconds=1)


async def active(house: House) -> Kept:
    _ticket, request = await hold(house)
    await house.settled(request)
    return both(house, request)


async def expired(house: House) -> Kept:
    _ticket, request = await house.approved("2s")
    await house.soon(request.result())
    return both(house, request)


async def two_targets(house: House) -> Kept:
    _ticket, request = await hold(house, entitlement="pair")
    await revoke(house, request)
    return {"request": request, "left": house.lease("left"), "right": house.lease("right")}


async def extended_twice(house: House) -> Kept:
    ticket, request = await hold(house)
    for _ in range(2):
        house.tickets.comment_as(ticket, "/extend 30m", "alice")
        await request.signal("extend", {"by": "alice"})
    await house.until(lambda: sum("Extended by" in text for text in house.comments(ticket)) == 2)
    await revoke(house, request)
    return both(house, request)


async def extension_asked_for_and_answered(house: House) -> Kept:
    """By the update, which answers with the verdict; the access then ends at its new end."""
    ticket, request = await hold(house)
    wish_id = house.tickets.comment_as(ticket, "/extend 30m", "alice")
    await request.execute_update(AccessRequestWorkflow.request_extension, ExtendInput(wish_id=wish_id))
    await house.jump(house.lease(), AN_HOUR + timedelta(minutes=30))
    await house.soon(request.result())
    return both(house, request)


async def extension_wished_by_a_stranger(house: House) -> Kept:
    ticket, request = await hold(house)
    house.tickets.comment_as(ticket, "/extend 30m", "mallory")
    await request.signal("extend", {"by": "mallory"})
    await house.told(ticket, "Not extended")
    await revoke(house, request)
    return {"request": request}


async def extension_wished_while_frozen(house: House) -> Kept:
    ticket, request = await hold(house)
    thaw(house, frozen=True)
    house.tickets.comment_as(ticket, "/extend 30m", "alice")
    await request.signal("extend", {"by": "alice"})
    await house.told(ticket, "Not extended")
    await revoke(house, request)
    return both(house, request)


async def extension_that_the_vendor_refuses(house: House) -> Kept:
    ticket, request = await hold(house)
    house.provider.fail("verify", ForbiddenError("the vendor says no"))
    house.tickets.comment_as(ticket, "/extend 30m", "alice")
    await request.signal("extend", {"by": "alice"})
    await house.told(ticket, "Not extended")
    house.provider.succeed("verify")
    await request.signal("revoke", {"by": "bob"})
    await see_off(house, ticket, request)
    return both(house, request)


async def extension_of_one_target_alone(house: House) -> Kept:
    """The other one is no longer there: neither is extended, and what the first had prolonged is void."""
    ticket, request = await hold(house, entitlement="pair")
    house.provider.remove_by_hand(house.target("right"), house.subject())
    house.tickets.comment_as(ticket, "/extend 30m", "alice")
    looks = len(house.ledger("looked"))
    await request.signal("extend", {"by": "alice"})
    await house.until(lambda: len(house.ledger("looked")) >= looks + 3)
    await house.jump(house.lease("right"), timedelta(seconds=10))
    await house.told(ticket, "Not extended")
    await request.signal("revoke", {"by": "bob"})
    await see_off(house, ticket, request, "left", "right")
    return {"request": request, "left": house.lease("left"), "right": house.lease("right")}


async def extension_settled_too_late(house: House) -> Kept:
    ticket, request = await hold(house, "2s")
    gate = house.provider.hold("verify")
    house.tickets.comment_as(ticket, "/extend 30m", "alice")
    await request.signal("extend", {"by": "alice"})
    await gate.reached()
    await house.until(lambda: bool(house.ledger("removed")))
    gate.release()
    await see_off(house, ticket, request)
    return both(house, request)


async def extension_that_nobody_judged(house: House) -> Kept:
    """Somebody fails the judging by hand: no wish is found, and none is lost by it."""
    gate = porter_of(house).hold("judge_wishes")
    ticket, request = await hold(house)
    house.tickets.comment_as(ticket, "/extend 30m", "alice")
    await request.signal("extend", {"by": "alice"})
    await gate.reached()
    await complete(house, request, "judge_wishes", ApplicationError("by hand", non_retryable=True))
    gate.release()
    await house.settled(request)
    await revoke(house, request)
    return {"request": request}


async def revoked_on_the_ticket(house: House) -> Kept:
    ticket, request = await hold(house)
    house.tickets.comment_as(ticket, "/revoke", "carol")
    await request.signal("extend", {"by": "carol"})
    await house.soon(request.result())
    return {"request": request}


async def removed_elsewhere(house: House) -> Kept:
    _ticket, request = await hold(house)
    house.provider.remove_by_hand(house.target(), house.subject())
    await house.lease().signal("look_again")
    await house.soon(request.result())
    return both(house, request)


async def doubted_in_vain(house: House) -> Kept:
    """First somebody is wrong; then the access is gone for a moment, and there at the second look."""
    _ticket, request = await hold(house)
    await house.lease().signal("look_again")
    await house.until(lambda: actions(house)[-2:] == ["present", "present"])
    await house.settled(house.lease())
    house.provider.remove_by_hand(house.target(), house.subject())
    await house.lease().signal("look_again")
    await house.until(lambda: actions(house)[-1] == "absent")
    house.provider.add_by_hand(house.target(), house.subject())
    await house.until(lambda: actions(house)[-1] == "present")
    await house.settled(house.lease())
    await revoke(house, request)
    return {"lease": house.lease()}


async def revoked_while_in_doubt(house: House) -> Kept:
    """The provider answers no look: the doubt is not settled, and the lease ends when it is told to."""
    _ticket, request = await hold(house)
    house.provider.fail("verify", RetryableError("503"))
    await house.lease().signal("look_again")
    await hands.pending(house.lease(), "observe_access", attempt=2)
    await request.signal("revoke", {"by": "bob"})
    await house.until(lambda: not house.is_member())
    house.provider.succeed("verify")
    await close(house, request)
    return {"lease": house.lease()}


async def ticket_gone(house: House) -> Kept:
    ticket, request = await hold(house)
    house.tickets.delete(ticket)
    await request.signal("revoke", {"note": "its ticket was deleted"})
    await close(house, request)
    return both(house, request)


async def lease_terminated(house: House) -> Kept:
    """The request starts one in its place that only ends."""
    ticket, request = await hold(house)
    await house.settled(house.lease())
    first = await this_run(house, house.lease())
    await first.terminate("by hand")
    await see_off(house, ticket, request)
    return {"request": request, "terminated": first, "ending": house.lease()}


async def request_terminated(house: House) -> Kept:
    ticket, request = await hold(house)
    await house.settled(request)
    await request.terminate("by hand")
    await jump_when_removed(house, ticket)
    await house.soon(house.lease().result())
    return both(house, request)


async def lease_reset(house: House) -> Kept:
    """To its beginning, while it is active: the new run finds access of its own, and ends it."""
    ticket, request = await hold(house)
    await reset(house, house.lease())
    await see_off(house, ticket, request)
    return {"lease": house.lease()}


async def lease_reset_when_it_was_closed(house: House) -> Kept:
    """To before its grant: the new run grants nothing, and takes away what may be there."""
    _ticket, request = await hold(house)
    await revoke(house, request)
    await hands.reset(
        house, house.lease_id(), to=await hands.task_before(house.lease(), "grant_access"), forgetting=True
    )
    await house.until(lambda: len(house.ledger("removed")) > 1)
    await house.jump(house.lease(), A_MINUTE)
    await house.soon(house.lease().result())
    return {"lease": house.lease()}


async def lease_full(house: House) -> Kept:
    """Told so much that its history comes to its bound, here a small one."""
    _ticket, request = await hold(house)
    await _fill(house.lease())
    await house.soon(request.result())
    return {"lease": house.lease()}


async def request_full(house: House) -> Kept:
    _ticket, request = await hold(house)
    await _fill(request)
    await house.soon(request.result())
    return {"request": request}


async def _fill(handle: Handle) -> None:
    for _ in range(SMALL_BOUND):
        await handle.signal("nothing-that-means-anything")


SMALL_BOUND = 60
"""Events of a history after which the engine of these scenes tells a run to continue as new."""

WITH_A_SMALL_BOUND: tuple[Scene, ...] = (lease_full, request_full)

SCENES: tuple[Scene, ...] = (
    active,
    expired,
    two_targets,
    extended_twice,
    extension_asked_for_and_answered,
    extension_wished_by_a_stranger,
    extension_wished_while_frozen,
    extension_that_the_vendor_refuses,
    extension_of_one_target_alone,
    extension_settled_too_late,
    extension_that_nobody_judged,
    revoked_on_the_ticket,
    removed_elsewhere,
    doubted_in_vain,
    revoked_while_in_doubt,
    ticket_gone,
    lease_terminated,
    request_terminated,
    lease_reset,
    lease_reset_when_it_was_closed,
)
