"""Attempts whose process stood still: what they have not sent yet stays unsent, however whole they find themselves."""

import pytest
from temporalio.exceptions import ApplicationError

from activities.heartbeats import LONGEST_SILENCE, Pulse
from domain.errors import RetryableError
from tests.activities.office import Office


async def test_grant_that_the_engine_has_given_up_sends_nothing(office: Office) -> None:
    """An attempt that was read late is asked about: its own clocks say that it has just begun."""
    request = await office.armed()
    office.runs.given_up = True
    with pytest.raises(ApplicationError, match="given attempt 1 up") as caught:
        await office.call(office.access.grant_access, request)
    assert not caught.value.non_retryable
    assert not [entry for entry in office.provider.ledger if entry.action == "added"]


class Hands:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize("noticed", [True, False])
def test_pulse_with_a_gap_is_lost_for_good(noticed: bool) -> None:
    """Whether the heartbeat or the write comes first after a standstill, the write is refused."""
    hands = Hands()
    pulse = Pulse(hands)
    for _ in range(30):
        hands.seconds += 1.0
        pulse.beat()
    pulse.check("PUT")
    hands.seconds += LONGEST_SILENCE.total_seconds()
    if noticed:
        pulse.beat()
        hands.seconds += 1.0
        pulse.beat()
    with pytest.raises(RetryableError, match="stood still for 3"):
        pulse.check("PUT")
