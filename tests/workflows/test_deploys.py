"""Deploys over live leases: the build that is rolled out, rolled back, or should never have been. docs/deploys.md is the how-to."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.common import VersioningBehavior
from temporalio.worker import Worker
from temporalio.workflow import NondeterminismError, _Definition

from domain.errors import RetryableError
from domain.ids import TicketRef
from domain.queues import Queue
from domain.values import parse_instant
from tests.house import House
from tests.queues import all_but
from tests.replay.edited import EditedLeaseWorkflow
from tests.replay.gate import replay, replay_all
from tests.replay.histories import patches
from tests.replay.open_runs import failures
from tests.replay.patched import AFTER_THE_GRANT, BEFORE_THE_END, PatchedLeaseWorkflow
from tests.workflows.newer import FIELD, newer_build
from tests.workflows.stories import (
    A_MINUTE,
    PROMPTLY,
    Handle,
    assert_proved_gone,
    close,
    hold,
    serving_leases,
    until_event,
)
from workflows.lease import LeaseWorkflow
from workflows.service import WORKFLOWS, make_workers

AN_HOUR = timedelta(hours=1, seconds=1)
OTHERS = all_but(Queue.LEASES)
FAILED_TASK = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED


def build_with(house: House, lease: type[Any]) -> Worker:
    """A worker of the leases' queue whose build has that lease; nothing is cached, so that every step is a replay."""
    return serving_leases(house, lease, house.activities().by_queue[Queue.LEASES])


async def hold_for(house: House, person: str) -> tuple[TicketRef, Handle]:
    """A request of that person's that carol has approved, and that is active."""
    ticket = house.ask(creator=person)
    handle = await house.start(ticket)
    await house.asked(ticket)
    await house.approve(ticket, handle, by="carol")
    await house.told(ticket, "Access is active")
    return ticket, handle


def lateness(house: House, ticket: TicketRef, person: str) -> timedelta:
    """How long after its signed end the vendor took somebody out."""
    armed = house.chains(ticket)[f"judge/{house.lease_id(person=person)}"][0]
    (at,) = (entry.at for entry in house.ledger("removed") if entry.changed and entry.subject == house.subject(person))
    until: datetime = parse_instant(str(armed.facts["until"]))
    return at - until


def seen_gone(house: House, person: str) -> bool:
    """Whether the vendor's own ledger of that person ends with two looks at nothing."""
    looks = [entry.changed for entry in house.ledger("looked") if entry.subject == house.subject(person)]
    return not house.is_member(person=person) and looks[-2:] == [False, False]


async def test_patched_build_rolled_over_live_leases_ends_each_in_time(jumping_house: House) -> None:
    """One lease is active, one was removed and waits for its second look, one begins after the deploy: each goes on where it stood,
    takes the new steps that it has not passed yet, and ends."""
    house = jumping_house
    async with house.working(OTHERS):
        async with build_with(house, LeaseWorkflow):
            async with asyncio.TaskGroup() as both:
                holding = both.create_task(hold_for(house, "alice"))
                leaving = both.create_task(hold_for(house, "dave"))
            (ticket, active), (other, ending) = holding.result(), leaving.result()
            house.provider.fail("revoke", RetryableError("503"), times=1)
            await ending.signal("revoke")
            await house.until(lambda: "removed" in house.kinds(other, house.lease_id(person="dave")))
            for person in ("alice", "dave"):
                await house.settled(house.lease(person=person))
        async with build_with(house, PatchedLeaseWorkflow):
            _, begun = await hold_for(house, "bob")
            await begun.signal("revoke")
            async with asyncio.TaskGroup() as jumps:
                jumps.create_task(house.jump(house.lease(), AN_HOUR))
                jumps.create_task(house.jump(house.lease(person="dave"), A_MINUTE))
            for request in (active, ending, begun):
                await house.soon(request.result())
    assert timedelta(0) <= lateness(house, ticket, "alice") < PROMPTLY
    passed = {"alice": {BEFORE_THE_END}, "dave": set(), "bob": {AFTER_THE_GRANT, BEFORE_THE_END}}
    histories = {person: await house.lease(person=person).fetch_history() for person in passed}
    assert {person: patches(history) for person, history in histories.items()} == passed
    assert all(seen_gone(house, person) for person in passed)
    assert await replay_all(histories, PatchedLeaseWorkflow) == dict.fromkeys(passed)
    under_the_old_build = await replay_all(histories)
    assert [person for person, failure in under_the_old_build.items() if failure is None] == ["dave"]


async def test_build_rolled_back_holds_what_had_passed_its_patches(jumping_house: House) -> None:
    """What began on the new build stands still under the old one, with its access on, until a build with the patch is back or
    somebody terminates the lease: that is why a patched build is rolled forward, and not back."""
    house = jumping_house
    async with house.working(OTHERS):
        async with build_with(house, PatchedLeaseWorkflow):
            ticket, handle = await hold(house)
            await house.settled(house.lease())
        async with build_with(house, LeaseWorkflow):
            await handle.signal("revoke")
            await until_event(house.lease(), FAILED_TASK)
            assert house.is_member()
            assert await replay(await house.lease().fetch_history(), PatchedLeaseWorkflow) is None
            await house.lease().terminate("the build was rolled back")
            await close(house, handle)
    assert_proved_gone(house, ticket)


async def test_bad_build_is_caught_by_the_open_runs_before_it_is_deployed(house: House) -> None:
    """Replayed from production's own histories: a build that would stand still is named with the lease, a good one passes."""
    async with house.working():
        ticket, handle = await hold(house)
        await house.settled(handle)
        await house.until_listed(ticket)
        assert await failures(house.client, house.prefix) == (2, {})
        seen, found = await failures(house.client, house.prefix, EditedLeaseWorkflow)
        assert (seen, list(found)) == (2, [house.lease_id()])
        assert isinstance(found[house.lease_id()], NondeterminismError)
        await handle.signal("revoke")
        await house.soon(handle.result())


@pytest.mark.parametrize(
    "newer", [{Queue.REQUESTS, Queue.APPROVALS, Queue.TICKETS}, {Queue.LEASES, Queue.GRANTS}], ids=["request", "lease"]
)
async def test_messages_that_grew_are_read_by_the_build_before(house: House, newer: set[Queue]) -> None:
    """While half of the processes are of a newer build, whatever they say bears fields that the others do not know: the order,
    the news, the offers, what activities answer. The access is granted, extended, ended and proved all the same."""
    async with newer_build(house, sorted(newer)), house.working(set(Queue) - newer):
        ticket, handle = await hold(house)
        house.tickets.comment_as(ticket, "/extend 30m", "alice")
        await handle.signal("extend", {"by": "alice"})
        await house.told(ticket, "Extended by alice's wish")
        await handle.signal("revoke", {"by": "bob"})
        await house.soon(handle.result())
    assert_proved_gone(house, ticket)
    first = (await house.lease().fetch_history()).events[0].workflow_execution_started_event_attributes
    (order,) = first.input.payloads
    assert (FIELD.encode() in order.data) is (Queue.REQUESTS in newer)


async def test_builds_take_each_others_runs_over_by_themselves(house: House) -> None:
    """No worker belongs to a version and no workflow names a versioning behaviour: whichever build polls goes on with whatever is
    open. One that named a behaviour would wedge: the engine takes none from a worker without a version."""
    for workflow in (workflow for served in WORKFLOWS.values() for workflow in served):
        assert _Definition.must_from_class(workflow).versioning_behavior in {None, VersioningBehavior.UNSPECIFIED}
    for worker in make_workers(house.client, house.prefix, house.activities(), Queue):
        assert worker.config().get("deployment_config") is None
