"""What an operator starts over: a request or a lease, running or closed, from any point. Nothing is granted twice or told twice."""

from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType

from domain.ids import TicketRef
from domain.values import parse_instant
from tests.house import House
from tests.workflows import hands
from tests.workflows.stories import A_MINUTE, PROMPTLY, Handle, actions, assert_proved_gone, close, hold

ONCE = ["absent", "added", "present", "removed", "absent", "absent"]
TOLD_ONCE = ["granted", "ending", "removed", "proved", "sessions_ended"]
CHILD_STARTED = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED


def current_run(house: House, handle: Handle) -> Handle:
    """The request by its id, so that its latest run is meant."""
    return house.client.get_workflow_handle(handle.id)


async def revoked_early(house: House) -> tuple[TicketRef, Handle]:
    """A request of alice's that is closed long before its end."""
    ticket, handle = await hold(house)
    await house.settled(handle)
    await handle.signal("revoke", {"by": "carol"})
    await close(house, handle)
    return ticket, handle


@pytest.mark.parametrize("forgetting", [True, False])
async def test_closed_request_that_was_reset_to_its_beginning_grants_nothing_anew(
    jumping_house: House, *, forgetting: bool
) -> None:
    """Revoked early, then begun again within the time that was approved: the vendor hears nothing, the ticket says no more."""
    house = jumping_house
    async with house.working():
        ticket, handle = await revoked_early(house)
        said = house.comments(ticket)
        await hands.reset(house, handle.id, forgetting=forgetting)
        await house.soon(current_run(house, handle).result())
    assert house.comments(ticket) == said
    assert actions(house) == ONCE


async def test_request_that_was_cut_off_from_the_end_of_its_lease_ends_when_it_is_told_to(jumping_house: House) -> None:
    """Reset to when its lease ran, after that lease has closed: nobody will tell the new run, which asks the vendor instead."""
    house = jumping_house
    async with house.working():
        ticket, handle = await revoked_early(house)
        said = house.comments(ticket)
        point = await hands.task_after(handle, await hands.first_event(handle, CHILD_STARTED))
        await hands.reset(house, handle.id, to=point, forgetting=True)
        current = current_run(house, handle)
        await house.settled(current)
        await hands.signal(house, handle.id, "revoke")
        await house.until(lambda: len(house.ledger("removed")) > 1)
        await close(house, current)
    assert actions(house) == [*ONCE, "(removed)", "absent", "absent"]
    assert [text for text in house.comments(ticket) if text.startswith("Closed: ")] == said[-1:]


async def test_running_request_that_was_reset_to_after_its_lease_began_still_ends_it(jumping_house: House) -> None:
    """The engine hands the lease over to the new run: access is unchanged, and a revoke on the ticket ends it."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        await house.settled(handle)
        point = await hands.task_after(handle, await hands.first_event(handle, CHILD_STARTED))
        await hands.reset(house, handle.id, to=point)
        assert actions(house) == ["absent", "added", "present"]
        await hands.signal(house, handle.id, "revoke")
        await close(house, current_run(house, handle))
    assert_proved_gone(house, ticket)
    assert actions(house) == ONCE
    assert house.kinds(ticket, house.lease_id()) == TOLD_ONCE


async def test_closed_lease_that_was_reset_to_before_its_grant_grants_nothing_anew(jumping_house: House) -> None:
    """Its warrant names the run that had it, and its ticket says that it has ended: the new run only takes away, and proves it."""
    house = jumping_house
    async with house.working():
        ticket, _ = await revoked_early(house)
        point = await hands.task_before(house.lease(), "grant_access")
        await hands.reset(house, house.lease_id(), to=point, forgetting=True)
        await house.until(lambda: len(house.ledger("removed")) > 1)
        await house.jump(house.lease(), A_MINUTE)
        await house.soon(house.lease().result())
    assert actions(house) == [*ONCE, "(removed)", "absent", "absent"]
    assert house.kinds(ticket, house.lease_id()) == [*TOLD_ONCE, "ending", "removed", "proved", "sessions_ended"]


async def test_closed_lease_that_was_reset_to_after_its_grant_gives_no_second_beyond_its_end(
    jumping_house: House,
) -> None:
    """It holds what is no longer there until its old end, takes it away once more, and tells no grant a second time."""
    house = jumping_house
    async with house.working():
        ticket, _ = await revoked_early(house)
        _, granted = await hands.events_of(house.lease(), "grant_access")
        point = await hands.task_after(house.lease(), granted.event_id)
        await hands.reset(house, house.lease_id(), to=point, forgetting=True)
        await house.jump(house.lease(), timedelta(hours=1, seconds=1))
        await house.until(lambda: len(house.ledger("removed")) > 1)
        await house.jump(house.lease(), A_MINUTE)
        await house.soon(house.lease().result())
    assert actions(house) == [*ONCE, "(removed)", "absent", "absent"]
    assert house.kinds(ticket, house.lease_id()) == [*TOLD_ONCE, "ending", "removed", "proved", "sessions_ended"]
    armed = house.chains(ticket)[f"judge/{house.lease_id()}"][0]
    late = house.ledger("removed")[1].at - parse_instant(str(armed.facts["until"]))
    assert timedelta(0) <= late < PROMPTLY


async def test_closed_lease_that_was_reset_to_its_removal_tells_its_end_once(jumping_house: House) -> None:
    """What it had told before that point is not told anew by the run that replays it; its second look is its own."""
    house = jumping_house
    async with house.working():
        ticket, _ = await revoked_early(house)
        _, removed = await hands.events_of(house.lease(), "revoke_access")
        point = await hands.task_after(house.lease(), removed.event_id)
        await hands.reset(house, house.lease_id(), to=point, forgetting=True)
        await house.until(lambda: len(house.kinds(ticket, house.lease_id())) > len(TOLD_ONCE))
        await house.soon(house.lease().result())
    assert actions(house) == [*ONCE, "absent"]
    assert house.kinds(ticket, house.lease_id()) == [*TOLD_ONCE, "proved", "sessions_ended"]


async def test_request_that_was_deleted_and_started_again_grants_nothing_anew(jumping_house: House) -> None:
    """The engine knows nothing of it, the ticket does: the same approval arms nothing a second time."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        await hands.delete(house, handle.id)
        await house.until(lambda: not house.is_member())
        await house.jump(house.lease(), A_MINUTE)
        await house.soon(house.lease().result())
        again = await house.start(ticket)
        await again.signal("approve", {"by": "bob"})
        await house.until(lambda: len(house.ledger("removed")) > 1)
        await close(house, again)
    assert_proved_gone(house, ticket)
    assert actions(house).count("added") == 1
