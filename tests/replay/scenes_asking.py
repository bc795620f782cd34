"""Scenes before there is access: asked, answered, refused, withdrawn, lapsed; looked at, armed and not granted."""

from datetime import timedelta

from temporalio.exceptions import ApplicationError

from domain.errors import ForbiddenError, RetryableError
from domain.ids import request_workflow_id
from domain.messages import RequestInput
from domain.queues import Queue, queue_name
from tests.house import APPROVED, House, thaw
from tests.replay.stage import Handle, Kept, Scene, both, case_of, porter_of, revoke, see_off
from tests.workflows.forging import complete
from tests.workflows.hands import pending
from tests.workflows.phases import heard, over
from tests.workflows.stories import hold
from workflows.access_request import AccessRequestWorkflow
from workflows.lease import LeaseWorkflow
from workflows.options import LOOK_BUDGET

A_DAY = timedelta(days=1, minutes=1)


async def denied(house: House) -> Kept:
    ticket = house.ask()
    request = await house.start(ticket)
    await house.asked(ticket)
    await house.settled(request)
    house.tickets.transition_as(ticket, "Declined", "bob")
    await request.signal("deny", {"by": "bob"})
    await house.soon(request.result())
    return {"request": request}


async def denied_and_hard_to_close(house: House) -> Kept:
    """Somebody fails the search for what was armed on its ticket: it is searched again."""
    gate = porter_of(house).hold("find_armed")
    ticket = house.ask()
    request = await house.start(ticket)
    await house.asked(ticket)
    await house.settled(request)
    house.tickets.transition_as(ticket, "Declined", "bob")
    await request.signal("deny", {"by": "bob"})
    await gate.reached()
    await complete(house, request, "find_armed", ApplicationError("by hand", non_retryable=True))
    gate.release()
    await house.soon(request.result())
    return {"request": request}


async def lapsed(house: House) -> Kept:
    ticket = house.ask()
    request = await house.start(ticket)
    await house.asked(ticket)
    await house.jump(request, A_DAY)
    await house.soon(request.result())
    return {"request": request}


async def refused_by_the_catalogue(house: House) -> Kept:
    request = await house.start(house.ask(entitlement="nothing-of-that-name"))
    await house.soon(request.result())
    return {"request": request}


async def started_with_a_timeout(house: House) -> Kept:
    ticket = house.ask()
    request = await house.client.start_workflow(
        AccessRequestWorkflow.run,
        RequestInput(ticket=ticket),
        id=request_workflow_id(ticket),
        task_queue=queue_name(house.prefix, Queue.REQUESTS),
        run_timeout=timedelta(hours=1),
    )
    await house.soon(request.result())
    return {"request": request}


async def asked_anew(house: House) -> Kept:
    """What is asked for changes after the question: a new round, and its answer counts."""
    ticket = house.ask()
    request = await house.start(ticket)
    await house.asked(ticket)
    house.tickets.edit(ticket, "Duration", "2h", "alice")
    await request.signal("approve", {"by": "alice"})
    await house.asked(ticket, rounds=2)
    await house.approve(ticket, request)
    await house.told(ticket, "Access is active")
    await revoke(house, request)
    return {"request": request}


async def answered_by_the_wrong_person(house: House) -> Kept:
    ticket = house.ask()
    request = await house.start(ticket)
    await house.asked(ticket)
    await house.approve(ticket, request, by="alice")
    await house.told(ticket, "does not count")
    house.tickets.transition_as(ticket, "Waiting for approval", "bob")
    await house.approve(ticket, request)
    await house.told(ticket, "Access is active")
    await revoke(house, request)
    return {"request": request}


async def withdrawn_while_opening(house: House) -> Kept:
    gate = house.tickets.hold("read")
    ticket = house.ask()
    request = await house.start(ticket)
    await gate.reached()
    await request.cancel()
    await heard(case_of(house, ticket, request))
    gate.release()
    await house.soon(request.result())
    return {"request": request}


async def revoked_while_opening(house: House) -> Kept:
    gate = house.tickets.hold("read")
    ticket = house.ask()
    request = await house.start(ticket)
    await gate.reached()
    await request.signal("revoke", {"by": "bob"})
    await heard(case_of(house, ticket, request))
    gate.release()
    await house.soon(request.result())
    return {"request": request}


async def withdrawn_while_it_is_judged(house: House) -> Kept:
    gate = porter_of(house).hold("judge_request")
    ticket = house.ask()
    request = await house.start(ticket)
    await house.asked(ticket)
    await house.settled(request)
    await request.signal("approve", {"by": "bob"})
    await gate.reached()
    await request.cancel()
    await heard(case_of(house, ticket, request))
    gate.release()
    await house.soon(request.result())
    return {"request": request}


async def refused_standing(house: House) -> Kept:
    house.provider.add_by_hand(house.target(), house.subject())
    _ticket, request = await house.approved()
    await house.soon(request.result())
    return both(house, request)


async def refused_by_the_vendors_rules(house: House) -> Kept:
    _ticket, request = await _approved_under_a_rule(house)
    await house.soon(request.result())
    return {"lease": house.lease()}


async def refused_and_hard_to_trace(house: House) -> Kept:
    """Somebody fails the question whether an earlier run had sent anything: it is asked again."""
    gate = porter_of(house).hold("trace_run")
    _ticket, request = await _approved_under_a_rule(house)
    await gate.reached()
    await complete(house, house.lease(), "trace_run", ApplicationError("by hand", non_retryable=True))
    gate.release()
    await house.soon(request.result())
    return {"lease": house.lease()}


async def looked_at_in_vain(house: House) -> Kept:
    """The vendor answers no look for as long as one is tried."""
    house.provider.fail("preflight", RetryableError("503"))
    _ticket, request = await house.approved()
    await pending(house.lease(), "look_before_grant", attempt=2)
    await house.jump(house.lease(), LOOK_BUDGET)
    await house.soon(request.result())
    return {"lease": house.lease()}


async def lease_started_with_a_timeout(house: House) -> Kept:
    lease = await house.client.start_workflow(
        LeaseWorkflow.run,
        house.order(house.ask(), lasts=timedelta(hours=1)),
        id=house.lease_id(),
        task_queue=queue_name(house.prefix, Queue.LEASES),
        run_timeout=timedelta(hours=2),
    )
    await house.soon(lease.result())
    return {"lease": lease}


async def frozen_before_arming(house: House) -> Kept:
    look = house.provider.hold("preflight")
    _ticket, request = await house.approved()
    await look.reached()
    thaw(house, frozen=True)
    look.release()
    await house.soon(request.result())
    return both(house, request)


async def arming_answered_with_nonsense(house: House) -> Kept:
    gate = porter_of(house).hold("arm_lease")
    _ticket, request = await house.approved()
    await gate.reached()
    await complete(house, house.lease(), "arm_lease", "armed")
    gate.release()
    await house.soon(request.result())
    return {"lease": house.lease()}


async def refused_by_the_vendor(house: House) -> Kept:
    house.provider.fail("grant", ForbiddenError("403"))
    ticket, request = await house.approved()
    await over(case_of(house, ticket, request), request)
    return both(house, request)


async def granted_and_never_answered(house: House) -> Kept:
    """The vendor adds, its answer is lost, and nothing more is heard of it: taken for granted, and taken back."""
    house.provider.land_late("grant", timedelta(seconds=0.05))
    ticket, request = await house.approved()
    await house.until(house.is_member)
    house.provider.fail("grant", ForbiddenError("no second time"))
    await over(case_of(house, ticket, request), request)
    return {"lease": house.lease()}


async def granted_and_not_read_back(house: House) -> Kept:
    gate = house.provider.hold("grant", "after")
    ticket, request = await house.approved()
    await gate.reached()
    house.provider.fail("verify", ForbiddenError("no reading here"), times=1)
    gate.release()
    await over(case_of(house, ticket, request), request)
    return {"lease": house.lease()}


async def revoked_while_granting(house: House) -> Kept:
    gate = house.provider.hold("grant", "after")
    ticket, request = await house.approved()
    await gate.reached()
    await request.signal("revoke", {"by": "bob"})
    await heard(case_of(house, ticket, request))
    gate.release()
    await over(case_of(house, ticket, request), request)
    return both(house, request)


async def one_of_two_fails(house: House) -> Kept:
    ticket = house.ask(entitlement="pair")
    request = await house.start(ticket)
    await house.asked(ticket)
    gate = house.provider.hold("grant", "after")
    await house.approve(ticket, request)
    await gate.reached()
    house.provider.fail("grant", ForbiddenError("403"), times=1)
    gate.release()
    await see_off(house, ticket, request, "left", "right")
    return {"request": request, "left": house.lease("left"), "right": house.lease("right")}


async def approved_and_started_again(house: House) -> Kept:
    """The engine has forgotten the request, the ticket has not: what was armed on it is ended, and nothing armed anew."""
    ticket, request = await hold(house)
    await revoke(house, request)
    house.tickets.transition_as(ticket, APPROVED, "bob")
    again = await house.start(ticket)
    await house.soon(again.result())
    return {"request": again}


async def _approved_under_a_rule(house: House) -> tuple[object, Handle]:
    house.provider.groups["00gadmin"].rules.append("0pr1")
    return await house.approved()


SCENES: tuple[Scene, ...] = (
    denied,
    denied_and_hard_to_close,
    lapsed,
    refused_by_the_catalogue,
    started_with_a_timeout,
    asked_anew,
    answered_by_the_wrong_person,
    withdrawn_while_opening,
    revoked_while_opening,
    withdrawn_while_it_is_judged,
    refused_standing,
    refused_by_the_vendors_rules,
    refused_and_hard_to_trace,
    looked_at_in_vain,
    lease_started_with_a_timeout,
    frozen_before_arming,
    arming_answered_with_nonsense,
    refused_by_the_vendor,
    granted_and_never_answered,
    granted_and_not_read_back,
    revoked_while_granting,
    one_of_two_fails,
    approved_and_started_again,
)
