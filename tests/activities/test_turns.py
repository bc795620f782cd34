"""Approvals of one process wait until those before them are on their way (ADR 14)."""

import asyncio

import pytest

from activities.turns import LOOK_SECONDS, PATIENCE_SECONDS, Turns
from domain.ids import TicketRef, request_workflow_id
from domain.messages import JudgeInput
from tests.activities.office import Office
from tests.house import APPROVED

FIRST, SECOND = (TicketRef(site="s", issue_id=number, key=f"SEC-{number}") for number in ("1", "2"))
SOON = 20 * LOOK_SECONDS


@pytest.fixture
def gone_on() -> set[TicketRef]:
    """The requests that have heard their answers."""
    return set()


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def turns(gone_on: set[TicketRef], now: list[float]) -> Turns:
    async def has_gone_on(ticket: TicketRef) -> bool:
        return ticket in gone_on

    return Turns(has_gone_on, lambda: now[0])


async def test_next_waits_until_the_one_before_has_gone_on(turns: Turns, gone_on: set[TicketRef]) -> None:
    """Not before, and then at once."""
    turns.note(FIRST)
    waiting = asyncio.create_task(turns.wait(SECOND))
    await asyncio.wait([waiting], timeout=3 * LOOK_SECONDS)
    assert not waiting.done()
    gone_on.add(FIRST)
    await asyncio.wait_for(waiting, SOON)


async def test_request_that_never_goes_on_is_waited_for_a_while(turns: Turns, now: list[float]) -> None:
    """One that has nobody to run it keeps nobody else from an answer."""
    turns.note(FIRST)
    now[0] = PATIENCE_SECONDS - 0.1
    waiting = asyncio.create_task(turns.wait(SECOND))
    await asyncio.wait([waiting], timeout=3 * LOOK_SECONDS)
    assert not waiting.done()
    now[0] = PATIENCE_SECONDS
    await asyncio.wait_for(waiting, SOON)


async def test_nobody_waits_for_themselves(turns: Turns) -> None:
    """An attempt whose answer was lost is made again at once, and nobody waits for that answer any more."""
    turns.note(FIRST)
    waiting = asyncio.create_task(turns.wait(SECOND))
    await asyncio.wait([waiting], timeout=3 * LOOK_SECONDS)
    await asyncio.wait_for(turns.wait(FIRST), SOON)
    await asyncio.wait_for(waiting, SOON)


@pytest.mark.parametrize("approved", [True, False])
async def test_only_an_approval_is_waited_for(approved: bool) -> None:
    """An answer that adds no access holds nobody up."""
    office = Office()
    asked = {}
    for ticket in (office.ask(), office.ask(creator="dave")):
        asked[ticket] = (await office.open(ticket)).asked
    first, second = asked
    office.unheard = {first, second}
    if approved:
        office.tickets.transition_as(first, APPROVED, "bob")

    async def judge(ticket: TicketRef) -> None:
        question = asked[ticket]
        assert question is not None
        request = JudgeInput(ticket=ticket, asked=question)
        await office.call(office.judge.judge_request, request, request_workflow_id(ticket))

    await judge(first)
    waiting = asyncio.create_task(judge(second))
    await asyncio.wait([waiting], timeout=5 * LOOK_SECONDS)
    assert waiting.done() is not approved
    office.unheard.clear()
    await asyncio.wait_for(waiting, SOON)
