"""Attacks that a hostile review found open, each as it was run: the pair ends absent, or never was present."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from temporalio.client import WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Worker

from domain.evidence import RecordKind
from domain.lease_messages import ArmInput
from domain.paper import EvidenceInput, Fact, TicketFields
from domain.queues import Queue, queue_name
from tests.house import House
from tests.queues import all_but
from tests.workflows.forging import approved_unheard, digest_on, run_hostile, start_lease
from tests.workflows.hostile import HostileWorkflow, Order, SquattingWorkflow
from tests.workflows.stories import A_MINUTE, PROMPTLY, assert_proved_gone, close, hold, reset
from workflows.options import fence
from workflows.removal import LONGEST_PAUSE, PAUSE, pause_before_turn
from workflows.sandbox import workflow_runner


@asynccontextmanager
async def strangers(house: House) -> AsyncIterator[str]:
    """A worker of the attacker's own, on a queue of their own."""
    queue = f"{house.prefix}strangers"
    async with Worker(
        house.client,
        task_queue=queue,
        workflows=[HostileWorkflow, SquattingWorkflow],
        workflow_runner=workflow_runner(),
    ):
        yield queue


async def test_lease_that_was_reset_between_look_and_arming_takes_its_own_access_back(jumping_house: House) -> None:
    """Its replayed first look said absent, and a second arming is refused: all the same it may not say that nothing was sent."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        await reset(house, house.lease(), before="arm_lease")
        await house.until(lambda: not house.is_member())
        await close(house, handle)
    assert_proved_gone(house, ticket)


async def test_lease_that_was_reset_and_revoked_during_its_first_look_takes_its_own_access_back(
    jumping_house: House,
) -> None:
    """A stop before anything was sent by this run does not forget what the run before it had added."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        gate = house.provider.hold("preflight")
        await reset(house, house.lease())
        await gate.reached()
        await handle.signal("revoke", {"by": "carol"})
        gate.release()
        await house.until(lambda: not house.is_member())
        await close(house, handle)
    assert_proved_gone(house, ticket)


async def test_request_that_was_reset_and_revoked_before_it_found_its_lease_ends_it(house: House) -> None:
    """With the ticket system away it cannot look through its ticket at once; when it can, what was armed is ended."""
    async with house.working():
        ticket, handle = await hold(house)
        house.tickets.down()
        await reset(house, handle)
        current = house.client.get_workflow_handle(handle.id)
        await current.signal("revoke", {"by": "carol"})
        house.tickets.up()
        await house.until(lambda: not house.is_member())
        await house.soon(current.result())
    assert_proved_gone(house, ticket)


async def test_target_that_cannot_be_reached_holds_up_no_other(house: House) -> None:
    """One lease waits behind another ticket's; the other of the same request is revoked at once all the same."""
    async with house.working():
        other = house.ask()
        house.tickets.delete(other)  # so that its lease never finishes its paper, and keeps its id
        await start_lease(house, house.order(other, lasts=timedelta(hours=1), name="left", end_only=True))
        await house.until(lambda: len(house.ledger("looked")) > 0)
        _, handle = await house.approved(entitlement="pair")
        await house.until(lambda: house.is_member("right"))
        await handle.signal("revoke", {"by": "carol"})
        await house.until(lambda: not house.is_member("right"), PROMPTLY.total_seconds())


async def test_stranger_under_the_id_of_a_lease_is_ousted_and_the_access_ends(jumping_house: House) -> None:
    """A workflow that is no lease took the id and ended the lease: one that ends takes its place in one step."""
    house = jumping_house
    async with house.working(), strangers(house) as queue:
        ticket, handle = await hold(house)
        await house.client.start_workflow(
            SquattingWorkflow.run,
            id=house.lease_id(),
            task_queue=queue,
            id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
        )
        await house.until(lambda: not house.is_member())
        await handle.signal("revoke")
        await close(house, handle)
    assert_proved_gone(house, ticket)


async def test_stranger_under_the_id_of_a_lease_is_given_no_warrant(house: House) -> None:
    """An approval that stands is no warrant for code that would never revoke: the engine says who is asking."""
    async with house.working(all_but(Queue.LEASES)), strangers(house) as queue:
        ticket = await approved_unheard(house)
        order = house.order(ticket, lasts=timedelta(minutes=50)).model_copy(
            update={"terms_digest": digest_on(house, ticket)}
        )
        stranger: WorkflowHandle[HostileWorkflow, str] = await house.client.start_workflow(
            HostileWorkflow.run,
            Order(
                activity="arm_lease",
                queue=queue_name(house.prefix, Queue.TICKETS),
                request=ArmInput(order=order).model_dump(mode="json"),
            ),
            id=house.lease_id(),
            task_queue=queue,
        )
        assert "no lease of ours" in str(await house.soon(stranger.result()))
    assert house.ledger("added") == []


async def test_stranger_writes_nothing_in_the_name_of_a_request(house: House) -> None:
    """The scribe signs for the workflow that calls: no stranger closes a live ticket."""
    async with house.working():
        ticket, handle = await hold(house)
        fact = Fact(fact_id="closed", kind=RecordKind.CLOSED, at=datetime.now(UTC), comment="Closed: ended.")
        forged = EvidenceInput(
            ticket=ticket, writer=handle.id, facts=(fact,), fields=TicketFields(transition_to="closed")
        )
        assert "wrote in the name of" in await run_hostile(house, "record_evidence", Queue.TICKETS, forged)
        assert "closed" not in house.kinds(ticket, handle.id)
        await handle.signal("revoke")
        await house.soon(handle.result())


def test_removal_that_begins_again_and_again_does_not_fill_its_history() -> None:
    """The engine ends a run at 51,200 events, with the access on: a pair that comes back every time for a week stays below."""
    events_a_turn, week, spent, turns = 40, timedelta(days=7), timedelta(0), 0
    while spent < week:
        assert pause_before_turn(turns) <= pause_before_turn(turns + 1) <= LONGEST_PAUSE
        spent += pause_before_turn(turns) + fence(timedelta(0))
        turns += 1
    assert turns * events_a_turn < 51_200
    assert pause_before_turn(0) == PAUSE


async def test_lease_that_only_ends_takes_away_a_standing_membership(jumping_house: House) -> None:
    """Whoever may start workflows may end access, and needs no approval for it: that is by design, and it stands on the ticket."""
    house = jumping_house
    house.provider.add_by_hand(house.target(), house.subject())
    async with house.working():
        ticket = house.ask()
        lease = await start_lease(house, house.order(ticket, lasts=timedelta(hours=1), end_only=True))
        await house.until(lambda: not house.is_member())
        await house.jump(lease, A_MINUTE)
        await house.soon(lease.result())
    assert_proved_gone(house, ticket)
    assert "removed" in house.kinds(ticket, lease.id)
