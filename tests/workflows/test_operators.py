"""What operators and other requests do to a request in the engine: cancel, terminate, reset, start again, ask for the same."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from domain.ids import request_workflow_id
from domain.lease import EndReason
from domain.messages import RequestInput
from domain.queues import Queue, queue_name
from domain.values import parse_instant
from tests.house import House
from tests.workflows.stories import A_MINUTE, PROMPTLY, Handle, actions, assert_proved_gone, close, hold, reset
from workflows.access_request import AccessRequestWorkflow
from workflows.lease import LeaseWorkflow


async def test_second_request_for_the_same_pair_is_told_who_holds_it(house: House) -> None:
    """One pair has one lease: the second ticket names the first, which is left as it is."""
    async with house.working():
        first, holder = await hold(house)
        second, handle = await house.approved()
        await house.soon(handle.result())
        await house.told(second, f"{first.key} holds this access already; extend it there")
        assert actions(house) == ["absent", "added", "present"]
        await holder.signal("revoke", {})
        await house.soon(holder.result())
    assert_proved_gone(house, first)


async def test_second_request_while_the_first_is_revoking_gets_it_afterwards(house: House) -> None:
    """Who comes while the lock is being opened waits for it: added again only after the first removal was proved."""
    async with house.working():
        first, leaving = await hold(house)
        gate = house.provider.hold("revoke")
        await leaving.signal("revoke", {})
        await gate.reached()
        second, coming = await house.approved()
        await until_following(coming)
        gate.release()
        await house.told(second, "Access is active")
        await coming.signal("revoke", {})
        await house.soon(coming.result())
        await house.soon(leaving.result())
    once = ["absent", "added", "present", "removed", "absent", "absent"]
    assert actions(house) == once + once
    assert_proved_gone(house, first)
    assert_proved_gone(house, second)


async def until_following(handle: Handle) -> None:
    """Return when a request waits for a lease that is not its own."""
    async with asyncio.timeout(20):
        while True:
            described = (await handle.describe()).raw_description
            if any(pending.activity_type.name == "follow_lease" for pending in described.pending_activities):
                return
            await asyncio.sleep(0.02)


async def cancel(handle: WorkflowHandle[Any, Any]) -> None:
    await handle.cancel()


async def terminate(handle: WorkflowHandle[Any, Any]) -> None:
    await handle.terminate("by hand")


@pytest.mark.parametrize("phase", ["granting", "active"])
@pytest.mark.parametrize("whose", ["request", "lease"])
@pytest.mark.parametrize("how", [cancel, terminate])
async def test_cancel_or_terminate_in_any_phase_and_access_is_removed(
    jumping_house: House, how: Callable[[WorkflowHandle[Any, Any]], Any], whose: str, phase: str
) -> None:
    """Whatever is stopped, and while the grant is under way too, the vendor is asked to remove and is looked at twice."""
    house = jumping_house
    async with house.working():
        gate = house.provider.hold("grant", "after")
        ticket, handle = await house.approved()
        await gate.reached()
        if phase == "active":
            gate.release()
            await house.told(ticket, "Access is active")
        await how(handle if whose == "request" else house.lease())
        gate.release()
        await house.until(lambda: not house.is_member())
        await house.jump(house.lease(), A_MINUTE)
        await house.until(lambda: "proved" in house.kinds(ticket, house.lease_id()))
        if (how, whose) != (terminate, "request"):
            await house.soon(handle.result())
        else:
            await house.soon(house.lease().result())
    assert_proved_gone(house, ticket)


async def test_request_that_was_reset_still_obeys_revoke(house: House) -> None:
    """The new run finds its own lease, follows it by id, and ends it when it is told to."""
    async with house.working():
        ticket, handle = await hold(house)
        await reset(house, handle)
        await until_following(house.client.get_workflow_handle(handle.id))
        assert actions(house) == ["absent", "added", "present"]
        current = house.client.get_workflow_handle(handle.id)
        await current.signal("revoke", {"by": "carol"})
        await house.soon(current.result())
    assert_proved_gone(house, ticket)
    assert actions(house).count("added") == 1


async def test_request_that_was_reset_gives_no_second_beyond_the_first_end(jumping_house: House) -> None:
    """A reset request prolongs nothing: the lease keeps its own time."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        await reset(house, handle)
        current = house.client.get_workflow_handle(handle.id)
        await until_following(current)
        await house.jump(house.lease(), timedelta(hours=1, seconds=10))
        await close(house, current)
    (armed,) = house.chains(ticket)[f"judge/{house.lease_id()}"]
    late = house.ledger("removed")[0].at - parse_instant(str(armed.facts["until"]))
    assert timedelta(0) <= late < PROMPTLY
    assert_proved_gone(house, ticket)


async def test_lease_that_was_reset_to_its_beginning_is_revoked(jumping_house: House) -> None:
    """Its new run finds access of its own for which it has no warrant: it ends it, and grants nothing anew."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        await reset(house, house.lease())
        await house.until(lambda: not house.is_member())
        await close(house, handle)
    assert_proved_gone(house, ticket)
    assert actions(house).count("added") == 1


async def test_request_that_was_started_with_a_timeout_is_refused(house: House) -> None:
    """A workflow that the engine may end unheard promises nothing, and so it gives nothing."""
    async with house.working():
        ticket = house.ask()
        handle = await house.client.start_workflow(
            AccessRequestWorkflow.run,
            RequestInput(ticket=ticket),
            id=request_workflow_id(ticket),
            task_queue=queue_name(house.prefix, Queue.REQUESTS),
            execution_timeout=timedelta(days=1),
        )
        await house.soon(handle.result())
    assert house.provider.ledger == []
    assert any("Closed: refused (it was started with a timeout" in text for text in house.comments(ticket))


async def test_lease_that_was_started_with_a_timeout_is_refused(house: House) -> None:
    """The same for a lease that somebody starts by hand."""
    async with house.working():
        ticket = house.ask()
        handle = await house.client.start_workflow(
            LeaseWorkflow.run,
            house.order(ticket, lasts=timedelta(hours=1)),
            id=house.lease_id(),
            task_queue=queue_name(house.prefix, Queue.LEASES),
            run_timeout=timedelta(hours=2),
        )
        outcome = await handle.result()
    assert outcome.reason is EndReason.REFUSED
    assert house.provider.ledger == []
