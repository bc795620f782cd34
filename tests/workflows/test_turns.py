"""What is approved while the requests hear nothing is not granted all in one moment: approvals wait for those before them."""

import asyncio
from datetime import timedelta
from functools import partial

from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.client import (
    Client,
    DescribeWorkflowInput,
    Interceptor,
    OutboundInterceptor,
    WorkflowExecutionDescription,
)
from temporalio.service import RPCError, RPCStatusCode

from activities.engine import has_gone_on
from domain.errors import RateLimitedError
from domain.ids import TicketRef
from domain.queues import Queue
from tests.house import PATIENCE_SECONDS, House
from tests.queues import all_but
from tests.workflows.hands import events_of, pending, pending_names
from tests.workflows.stories import Handle

JUDGE = "judge_request"
LATER = timedelta(seconds=3)
"""When one of two judgements is tried again: the other one is there by then."""


class Away(Interceptor):
    """An engine that does not answer what is asked about a workflow."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        return Unanswered(next)


class Unanswered(OutboundInterceptor):
    async def describe_workflow(self, input: DescribeWorkflowInput) -> WorkflowExecutionDescription:  # noqa: A002
        raise RPCError(f"nobody answers about {input.id}", RPCStatusCode.UNAVAILABLE, b"")


async def test_second_approval_is_judged_when_the_first_was_heard(house: House) -> None:
    """Two are approved while no request hears: the second is judged when the first request has gone on, and both are granted."""
    async with house.working(all_but(Queue.APPROVALS)):
        handles = [(await waiting_for_judgement(house, person))[1] for person in ("alice", "dave")]
    house.tickets.fail("read", RateLimitedError("429", delay=LATER))
    async with house.working([Queue.APPROVALS]):
        first = await judged(handles)
        (second,) = (handle for handle in handles if handle is not first)
        while (await pending(second, JUDGE, attempt=2)).state != PendingActivityState.PENDING_ACTIVITY_STATE_STARTED:
            await asyncio.sleep(0.02)
        async with house.working(all_but(Queue.APPROVALS)):
            await house.until(lambda: len(house.ledger("added")) == len(handles))
    _, answered = await events_of(second, JUDGE)
    assert answered.event_time.ToNanoseconds() > await heard_at(first)


async def test_request_has_gone_on_when_it_has_heard_or_never_will(house: House) -> None:
    """Not while it waits for its judgement, nor before it hears of it; but when it has heard, is over, or never was."""
    asked_about = partial(has_gone_on, house.client)
    async with house.working(all_but(Queue.APPROVALS)):
        ticket, handle = await waiting_for_judgement(house, "alice")
        over, stopped = await waiting_for_judgement(house, "dave")
    assert not await asked_about(ticket)
    async with house.working([Queue.APPROVALS]):
        await judged([handle])
        await judged([stopped])
        assert not await asked_about(ticket)
    await stopped.terminate()
    assert await asked_about(over)
    async with house.working():
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await asked_about(ticket):
                await asyncio.sleep(0.02)
    assert await asked_about(ticket.model_copy(update={"issue_id": "404"}))


async def test_request_of_which_nothing_is_known_is_waited_for(house: House) -> None:
    """An engine that does not answer says nothing about a request."""
    client = Client(house.client.service_client, interceptors=[Away()])
    assert not await has_gone_on(client, house.ask())


async def waiting_for_judgement(house: House, person: str) -> tuple[TicketRef, Handle]:
    """An approved request whose judgement nobody makes yet."""
    ticket = house.ask(creator=person)
    handle = await house.start(ticket)
    await house.asked(ticket)
    await house.settled(handle)
    await house.approve(ticket, handle)
    await pending(handle, JUDGE)
    return ticket, handle


async def judged(handles: list[Handle]) -> Handle:
    """The first of these requests whose judgement is there."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            for handle in handles:
                if JUDGE not in await pending_names(handle):
                    return handle
            await asyncio.sleep(0.02)


async def heard_at(handle: Handle) -> int:
    """When a request began the task in which it heard its judgement. Nanoseconds, by the engine's clock."""
    _, answered = await events_of(handle, JUDGE)
    async for event in handle.fetch_history_events():
        if event.event_id > answered.event_id and event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
            return event.event_time.ToNanoseconds()
    raise AssertionError(f"{handle.id} has not heard its judgement")
