"""Floods: ten thousand messages, megabytes of them, or more signatures than can be checked. The access ends, on time or earlier."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import RawValue
from temporalio.service import RPCError, RPCStatusCode

from domain.canonical import Signature
from domain.ids import TicketRef
from domain.lease import LeaseState
from domain.lease_messages import LeaseNews
from domain.queues import Queue
from domain.signed import Signed
from tests.figures import Measured
from tests.house import House
from tests.queues import all_but
from tests.workflows.forging import FOR_EVER
from tests.workflows.nonsense import TWO_MEGABYTES, json_of, plain, signal_raw
from tests.workflows.stories import Handle, assert_proved_gone, close, hold
from workflows.bounds import MAX_HISTORY_BYTES

TEN_THOUSAND = 10_000
"""The engine takes no more signals than that for one run; whatever else is sent is refused."""

BUSY = {RPCStatusCode.CANCELLED, RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED}
"""How an engine that is being flooded may drop a message."""

FLOOD_SECONDS = 90
"""How long a flood may go on before it has come to the bound, on a busy machine."""

DIFFICULT = plain(b"[" + b"[]," * (TWO_MEGABYTES // 3) + b"0]")
"""Two megabytes that are costly to decode: seven hundred thousand lists."""


async def flood(house: House, handle: WorkflowHandle[Any, Any], name: str, part: Payload, count: int) -> int:
    """Send it that often, as up to fifty strangers; returns how many the engine took before the run was over, or full."""
    taken = 0

    async def stranger(messages: int) -> None:
        nonlocal taken
        for _ in range(messages):
            try:
                await signal_raw(house.client, handle, name, [part])
            except RPCError as error:
                if error.status in BUSY:
                    continue
                if error.status not in {RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT}:
                    raise
                return
            taken += 1

    strangers = min(50, count)
    async with asyncio.TaskGroup() as crowd:
        for _ in range(strangers):
            crowd.create_task(stranger(count // strangers))
    return taken


@asynccontextmanager
async def held_while(house: House, away: Queue) -> AsyncIterator[tuple[TicketRef, Handle]]:
    """An active request of an hour, and every worker but that of one queue."""
    async with house.working(all_but(away)):
        async with house.working([away]):
            ticket, handle = await hold(house)
            await house.settled(handle)
            await house.settled(house.lease())
        yield ticket, handle


def signed_by_nobody(house: House) -> LeaseNews:
    """News with a receipt that names the witness's key, so that its signature has to be looked at."""
    assert house.keys.witness is not None
    signature = Signature(key_id=house.keys.witness.public.key_id, value="A" * 86 + "==")
    receipt = Signed(payload='{"a":[' + ",".join(["[]"] * 1_000) + "]}", signature=signature)
    at = datetime.now(UTC)
    return LeaseNews(
        lease_id=house.lease_id(), run_id="r", state=LeaseState.ACTIVE, at=at, expires_at=FOR_EVER, receipt=receipt
    )


async def test_flood_of_signals_ends_the_lease_that_hears_them(house: House) -> None:
    """Near the engine's limit, at which it would be terminated, the lease takes the access back; it answers meanwhile."""
    async with house.working():
        ticket, handle = await hold(house)
        lease = house.lease()
        flooding = asyncio.create_task(flood(house, lease, "commit_extension", json_of({}), 4_200))
        assert await lease.query("__stack_trace", result_type=RawValue)
        await house.until(lambda: not house.is_member(), FLOOD_SECONDS)
        await house.soon(handle.result())
        assert await flooding > 1_000
    assert_proved_gone(house, ticket)
    assert any("the lease had received too many messages" in text for text in house.comments(ticket))


@pytest.mark.parametrize("away", [Queue.LEASES, Queue.REQUESTS])
async def test_thousands_of_signals_that_wait_for_a_worker_end_the_access(
    house: House, away: Queue, measured: Measured
) -> None:
    """They come in one task, which the engine would give up after two seconds, again and again, with the access on."""
    async with held_while(house, away) as (ticket, handle):
        if away is Queue.LEASES:
            taken = await flood(house, house.lease(), "offer_extension", json_of({"wish_id": "7"}), TEN_THOUSAND)
        else:
            taken = await flood(house, handle, "lease_news", json_of(signed_by_nobody(house)), TEN_THOUSAND * 6 // 10)
        assert taken > 5_000
        async with house.working([away]):
            started_at = datetime.now(UTC)
            await house.until(lambda: not house.is_member(), FLOOD_SECONDS)
            measured("thousands of signals wait; a worker starts", datetime.now(UTC) - started_at)
            await house.soon(handle.result(), FLOOD_SECONDS)
    assert_proved_gone(house, ticket)
    assert any("had received too many messages" in text for text in house.comments(ticket))


@pytest.mark.parametrize("away", [Queue.LEASES, Queue.REQUESTS])
async def test_megabytes_that_wait_for_a_worker_end_the_access(house: House, away: Queue) -> None:
    """Nothing is decoded that nobody asked for, so that forty megabytes of it cost no time."""
    name = "offer_extension" if away is Queue.LEASES else "approve"
    async with held_while(house, away) as (ticket, handle):
        flooded = house.lease() if away is Queue.LEASES else handle
        assert await flood(house, flooded, name, DIFFICULT, 20) == 20
        async with house.working([away]):
            await house.until(lambda: not house.is_member())
            await house.soon(handle.result())
    assert_proved_gone(house, ticket)


@pytest.mark.parametrize(
    ("who", "name"), [("lease", "nobody_hears_this"), ("request", "nobody_hears_this"), ("request", "extend")]
)
async def test_history_of_five_megabytes_ends_the_access(house: House, who: str, name: str) -> None:
    """The bound on bytes is a tenth of the engine's, for lease and request, and holds for signals that mean nothing too."""
    async with house.working():
        ticket, handle = await hold(house)
        flooded = house.lease() if who == "lease" else handle
        await flood(house, flooded, name, json_of("x" * TWO_MEGABYTES), MAX_HISTORY_BYTES // TWO_MEGABYTES + 1)
        await house.until(lambda: not house.is_member())
        await house.soon(handle.result())
    assert_proved_gone(house, ticket)


async def test_flood_that_has_the_engine_terminate_a_lease_ends_the_access(jumping_house: House) -> None:
    """Faster than any worker can answer: that run is over without a word, and its request sees to the access."""
    house = jumping_house
    async with held_while(house, Queue.LEASES) as (ticket, handle):
        run_id = (await house.lease().describe()).run_id
        flooded = house.client.get_workflow_handle(house.lease_id(), run_id=run_id)
        await flood(house, flooded, "offer_extension", json_of("x" * TWO_MEGABYTES), 30)
        assert (await flooded.describe()).status is WorkflowExecutionStatus.TERMINATED
        assert house.is_member()
        async with house.working([Queue.LEASES]):
            await close(house, handle)
    assert_proved_gone(house, ticket)


async def test_flood_of_a_request_that_is_not_approved_yet_grants_nothing(house: House) -> None:
    """It is refused at the bound, whatever the approver says afterwards."""
    async with house.working():
        ticket = house.ask()
        handle = await house.start(ticket)
        await house.asked(ticket)
        await flood(house, handle, "approve", json_of("x" * TWO_MEGABYTES), 3)
        await house.soon(handle.result())
        house.tickets.transition_as(ticket, "Approved", "bob")
    assert house.provider.ledger == []
    assert any("it had received too many messages" in text for text in house.comments(ticket))
