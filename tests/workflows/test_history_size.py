"""What one request and its lease cost the engine. Counts are exact on any machine, so they are held here and not in the bench.

docs/performance.md has the goals, which are lower, and what costs most.
"""

import pytest

from tests.house import House
from tests.workflows.counting import Tally, tally

MOST_EVENTS = 109
"""Seen every time: nothing in it runs side by side, so that no workflow task depends on what falls together."""

MOST_BYTES = 38_500
MOST_ACTIONS = 22
MOST_ACTIVITIES = 10


@pytest.fixture
async def cost(house: House) -> Tally:
    """Of a request that waits for its approval and is not extended, and of its one lease, both ended by time."""
    async with house.working():
        ticket = house.ask("2s")
        request = await house.start(ticket)
        await house.asked(ticket)
        await house.settled(request)
        await house.approve(ticket, request)
        await house.soon(request.result())
        return tally([await request.fetch_history(), await house.lease().fetch_history()])


async def test_request_and_lease_cost_no_more_than_they_did(cost: Tally) -> None:
    """Whoever makes the standard request dearer does so on purpose, and lowers these numbers when it becomes cheaper."""
    assert cost.events <= MOST_EVENTS, cost
    assert cost.bytes <= MOST_BYTES, cost
    assert cost.actions <= MOST_ACTIONS, cost
    assert cost.activities <= MOST_ACTIVITIES, cost


async def test_removal_and_its_reading_back_are_two_activities(cost: Tally) -> None:
    """However cheap it becomes: what removes, and what looks for the second time, stay apart in the history."""
    assert {"revoke_access", "observe_access"} <= set(cost.by_activity)
