"""Scenes in which access is taken away against odds: refused, late, paged, meddled with; and leases that only end."""

from datetime import timedelta

from temporalio.exceptions import ApplicationError

from domain.errors import ForbiddenError, InvalidError, RateLimitedError, RetryableError
from domain.queues import Queue, queue_name
from tests.house import House
from tests.replay.stage import Kept, Scene, both, jump_when_removed, porter_of, see_off
from tests.workflows import giving_up, hands, phases
from tests.workflows.forging import complete
from tests.workflows.stories import A_MINUTE, actions, close, hold
from workflows.lease import LeaseWorkflow
from workflows.options import STUCK_AFTER

AN_HOUR, PUT_OFF = timedelta(hours=1), timedelta(minutes=10)
SUSPEND_AFTER = timedelta(minutes=30)
LATE = STUCK_AFTER + timedelta(seconds=1)
BY_HAND = ApplicationError("there is nothing to do", non_retryable=True)


async def revoking_with_retries(house: House) -> Kept:
    ticket, request = await hold(house)
    house.provider.fail("revoke", RetryableError("503"), times=2)
    await request.signal("revoke", {})
    await see_off(house, ticket, request)
    return both(house, request)


async def cancelled_twice_while_revoking(house: House) -> Kept:
    _ticket, request = await hold(house)
    gate = house.provider.hold("revoke")
    await request.signal("revoke", {})
    await gate.reached()
    await request.cancel()
    await house.lease().cancel()
    await house.settled(request)
    gate.release()
    await house.soon(request.result())
    return both(house, request)


async def stuck_and_paged(house: House) -> Kept:
    """Refused for ten minutes: late, said so, paged twice, and told to be over."""
    case = await phases.active(house)
    house.provider.fail("revoke", RateLimitedError("429", delay=PUT_OFF))
    await phases.end(case)
    await house.until(lambda: bool(house.ledger("sessions_ended")))
    await house.jump(house.lease(), LATE)
    await house.until(lambda: len(house.pager.told) == 1)
    await phases.heard(case)
    stuck = await house.lease().fetch_history()
    await house.jump(house.lease(), 2 * STUCK_AFTER)
    await house.until(lambda: len(house.pager.told) == 2)
    house.provider.succeed("revoke")
    await house.jump(house.lease(), PUT_OFF)
    await close(house, case.request)
    return {"standing": stuck, "lease": house.lease(), "request": case.request}


async def stuck_and_suspended(house: House) -> Kept:
    """Refused until the account was suspended, as the catalogue has it."""
    target = house.catalogue.targets["admin"].model_copy(update={"suspend_after": SUSPEND_AFTER})
    house.catalogue = house.catalogue.model_copy(update={"targets": {**house.catalogue.targets, "admin": target}})
    case = await phases.active(house)
    house.provider.fail("revoke", RateLimitedError("429", delay=PUT_OFF))
    await phases.end(case)
    await house.until(lambda: bool(house.ledger("sessions_ended")))
    await house.jump(house.lease(), SUSPEND_AFTER)
    await house.until(lambda: "suspended" in house.kinds(case.ticket, house.lease_id()))
    await phases.heard(case)
    suspended = await house.lease().fetch_history()
    house.provider.succeed("revoke")
    await house.jump(house.lease(), PUT_OFF)
    await close(house, case.request)
    return {"standing": suspended, "lease": house.lease()}


async def stuck_and_nobody_paged(house: House) -> Kept:
    house.pager.failure = InvalidError("the pager answered 400")
    case = await phases.active(house)
    house.provider.fail("revoke", RateLimitedError("429", delay=PUT_OFF))
    await phases.end(case)
    await house.until(lambda: bool(house.ledger("sessions_ended")))
    await house.jump(house.lease(), LATE)
    await house.until(lambda: house.pager.asked > 0)
    house.provider.succeed("revoke")
    await house.jump(house.lease(), PUT_OFF)
    await house.until(lambda: not house.is_member())
    house.pager.failure = None
    await close(house, case.request)
    return {"lease": house.lease()}


async def late_at_its_time(house: House) -> Kept:
    """What may wait of an end at its time waits no longer than until the removal is late."""
    ticket, request = await hold(house)
    house.provider.fail("revoke", ForbiddenError("403"))
    await house.jump(house.lease(), AN_HOUR)
    await hands.pending(house.lease(), "revoke_access", attempt=2)
    await house.jump(house.lease(), LATE)
    await house.told(ticket, "The removal from admin is late")
    house.provider.succeed("revoke")
    await close(house, request)
    return {"lease": house.lease()}


async def sessions_late(house: House) -> Kept:
    """The access is proved gone; what cannot be ended for ten minutes are its sessions."""
    case = await phases.active(house)
    house.provider.fail("end_sessions", RateLimitedError("429", delay=PUT_OFF))
    await phases.end(case)
    await jump_when_removed(house, case.ticket)
    await house.until(lambda: "proved" in house.kinds(case.ticket, house.lease_id()))
    await house.jump(house.lease(), LATE)
    await house.until(lambda: bool(house.pager.told))
    house.provider.succeed("end_sessions")
    await house.jump(house.lease(), PUT_OFF)
    await house.soon(case.request.result())
    return {"lease": house.lease()}


async def came_back(house: House) -> Kept:
    """A grant that was given up lands after the removal: the second look finds it, and the removal begins again."""
    house.provider.land_late("grant", timedelta(seconds=3))
    _ticket, request = await house.approved()
    await house.until(lambda: not house.provider.script._delays)
    house.provider.fail("grant", ForbiddenError("no second time"))
    await house.until(lambda: actions(house) == ["absent", "(removed)", "absent"])
    await house.provider.settle()
    await house.jump(house.lease(), A_MINUTE)
    await close(house, request)
    return {"lease": house.lease()}


async def removal_answered_with_nonsense(house: House) -> Kept:
    case = await phases.revoking(house)
    await complete(house, house.lease(), "revoke_access", "done")
    case.let_go()
    await close(house, case.request)
    return {"lease": house.lease()}


async def removal_failed_by_hand(house: House) -> Kept:
    case = await phases.revoking(house)
    await complete(house, house.lease(), "revoke_access", BY_HAND)
    case.let_go()
    await close(house, case.request)
    return {"lease": house.lease()}


async def second_look_failed_by_hand(house: House) -> Kept:
    case = await phases.second_look(house)
    await complete(house, house.lease(), "observe_access", BY_HAND)
    case.let_go()
    await close(house, case.request)
    return {"lease": house.lease()}


async def sessions_failed_by_hand(house: House) -> Kept:
    gate = porter_of(house).hold("end_sessions")
    case = await phases.active(house)
    house.provider.fail("end_sessions", RateLimitedError("429", delay=None), times=2)
    await phases.end(case)
    await gate.reached()
    await complete(house, house.lease(), "end_sessions", BY_HAND)
    gate.release()
    await close(house, case.request)
    return {"lease": house.lease()}


async def writing_failed_by_hand(house: House) -> Kept:
    """Nobody completes what is to be written by saying so: it is written again."""
    case = await phases.writing(house)
    await complete(house, house.lease(), "record_evidence", BY_HAND)
    case.let_go()
    await house.soon(case.request.result())
    return {"lease": house.lease()}


async def evidence_late(house: House) -> Kept:
    """The ticket system is away from before the end until after the proof."""
    _, request = await hold(house)
    await house.settled(request)
    house.tickets.down()
    await request.signal("revoke", {})
    await house.until(lambda: actions(house)[-2:] == ["absent", "absent"])
    await hands.pending(house.lease(), "record_evidence", attempt=2)
    waiting = await house.lease().fetch_history()
    house.tickets.up()
    await house.soon(request.result())
    return {"standing": waiting, "lease": house.lease()}


async def end_only(house: House) -> Kept:
    ticket = house.ask()
    house.provider.add_by_hand(house.target(), house.subject())
    order = house.order(ticket, lasts=timedelta(hours=1), end_only=True)
    lease = await house.client.start_workflow(
        LeaseWorkflow.run, order, id=house.lease_id(), task_queue=queue_name(house.prefix, Queue.LEASES)
    )
    await jump_when_removed(house, ticket)
    await house.soon(lease.result())
    return {"lease": lease}


async def given_up(house: House) -> Kept:
    """The group is gone for good: two people say so, after one has said so in vain."""
    case = await giving_up.stuck(house)
    giving_up.wish(house, case.ticket, "bob")
    await giving_up.refusal(house, await giving_up.ask_to_forget(house, case.ticket))
    standing = await house.lease().fetch_history()
    giving_up.wish(house, case.ticket, "carol")
    await house.jump(house.lease(), timedelta(seconds=2))
    await giving_up.ask_to_forget(house, case.ticket)
    await giving_up.over_the_fence(house)
    await house.soon(case.request.result())
    return {"standing": standing, "lease": house.lease(), "request": case.request}


async def given_up_in_vain(house: House) -> Kept:
    """The group is back before two people have said so, and its member is taken out of it."""
    case = await giving_up.stuck(house)
    await giving_up.refusal(house, await giving_up.ask_to_forget(house, case.ticket))
    await giving_up.proved_after_all(case)
    return {"lease": house.lease()}


SCENES: tuple[Scene, ...] = (
    revoking_with_retries,
    cancelled_twice_while_revoking,
    stuck_and_paged,
    stuck_and_suspended,
    stuck_and_nobody_paged,
    late_at_its_time,
    sessions_late,
    came_back,
    removal_answered_with_nonsense,
    removal_failed_by_hand,
    second_look_failed_by_hand,
    sessions_failed_by_hand,
    writing_failed_by_hand,
    evidence_late,
    end_only,
    given_up,
    given_up_in_vain,
)
