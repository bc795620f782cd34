"""What removes goes to the leases themselves, beside the request: nothing that has happened to a request stands between."""

from contextlib import AsyncExitStack

from domain.queues import Queue
from domain.values import parse_instant
from starter.requests import Delivery, hint
from tests.house import House
from tests.queues import all_but
from tests.workflows.stories import PROMPTLY


async def test_revoke_reaches_a_lease_whose_request_cannot_move(house: House) -> None:
    """With nobody to run requests, a revoke sent by the bridge still ends the access at once."""
    async with AsyncExitStack() as running, house.working(all_but(Queue.REQUESTS)):
        await running.enter_async_context(house.working([Queue.REQUESTS]))
        ticket, handle = await house.approved("1h")
        await house.until(house.is_member)
        await house.until_listed(ticket)
        await running.aclose()
        assert await hint(house.client, ticket, "revoke", by="carol") is Delivery.ACCEPTED
        await house.until(lambda: not house.is_member())
        async with house.working([Queue.REQUESTS]):
            await house.soon(handle.result())
    assert next(entry.changed for entry in house.ledger("removed"))


async def test_bare_revoke_signal_is_obeyed(house: House) -> None:
    """A revoke without any body, as a person sends it from the Temporal UI, ends the access like any other."""
    async with house.working():
        _, handle = await house.approved("1h")
        await house.until(house.is_member)
        await handle.signal("revoke")
        await house.soon(handle.result())
    assert not house.is_member()


async def test_ticket_shows_since_when_access_is_gone(house: House) -> None:
    """Revoked long before its end, access is not shown as lasting until then: a search by that field finds what was true."""
    async with house.working():
        ticket, handle = await house.approved("1h")
        await house.told(ticket, "Access is active")
        await handle.signal("revoke")
        await house.soon(handle.result())
    (removed,) = house.ledger("removed")
    assert abs(parse_instant(house.tickets.field(ticket, "Access until")) - removed.at) < PROMPTLY


async def test_odd_signals_wedge_nothing(house: House) -> None:
    """Signals with no body, two bodies or the wrong type change nothing, and the lease still ends at its time."""
    async with house.working():
        _, handle = await house.approved("4s")
        await house.until(house.is_member)
        for name in ("approve", "extend", "lease_news"):
            for said in ([], ["text"], [7, {"by": "x"}], [None], [["list"]]):
                await handle.signal(name, args=said)
        await house.soon(handle.result())
    assert not house.is_member()
