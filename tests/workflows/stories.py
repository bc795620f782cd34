"""Steps that kernel tests share: bring a request to its lease, see it off, and read what the vendor saw."""

from datetime import timedelta

from temporalio.client import WorkflowHandle

from domain.ids import TicketRef
from tests.house import House
from workflows.access_request import AccessRequestWorkflow

Handle = WorkflowHandle[AccessRequestWorkflow, object]

A_MINUTE = timedelta(minutes=1)
"""Longer than any fence: a lease that jumps by it has had its second look."""

PROMPTLY = timedelta(seconds=5)
"""An end that a test waits for is kept within this: the jumping server moves in whole seconds."""


async def hold(house: House, duration: str = "1h", entitlement: str = "admin") -> tuple[TicketRef, Handle]:
    """A request of alice's that is active."""
    ticket, handle = await house.approved(duration, entitlement=entitlement)
    await house.told(ticket, "Access is active")
    return ticket, handle


async def close(house: House, handle: Handle, *names: str) -> None:
    """Let the named leases pass their fences, and wait for the request to end."""
    for name in names or ("admin",):
        await house.until(lambda name=name: not house.is_member(name))  # type: ignore[misc]
        await house.jump(house.lease(name), A_MINUTE)
    await house.soon(handle.result())


def actions(house: House, name: str = "admin") -> list[str]:
    """What happened to alice at one target, sessions left out; a write that changed nothing stands in brackets."""
    words = {("looked", True): "present", ("looked", False): "absent"}
    return [
        words.get((entry.action, entry.changed), entry.action if entry.changed else f"({entry.action})")
        for entry in house.ledger("added", "removed", "looked")
        if entry.target == house.target(name) and entry.subject == house.subject()
    ]


def assert_proved_gone(house: House, ticket: TicketRef, name: str = "admin") -> None:
    """The vendor's own ledger ends with two looks at nothing, and the ticket bears the proof."""
    assert not house.is_member(name)
    assert actions(house, name)[-2:] == ["absent", "absent"]
    assert "proved" in house.kinds(ticket, house.lease_id(name))
