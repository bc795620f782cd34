"""How a step that failed is told: in the vendor's words, whatever the engine has wrapped them in."""

import pytest
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError, TimeoutType  # noqa: A004 - the engine's

from workflows.failures import cause_of


def wrapped(cause: BaseException | None) -> ActivityError:
    error = ActivityError(
        "Activity task failed",
        scheduled_event_id=5,
        started_event_id=6,
        identity="",
        activity_type="prolong_access",
        activity_id="1",
        retry_state=None,
    )
    error.__cause__ = cause
    return error


def given_up(cause: BaseException | None) -> TimeoutError:
    """What the engine says when the next attempt would come too late."""
    error = TimeoutError(
        "Not enough time to schedule next retry", type=TimeoutType.SCHEDULE_TO_CLOSE, last_heartbeat_details=[]
    )
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (wrapped(ApplicationError("read back absent")), "read back absent"),
        (wrapped(given_up(ApplicationError("read back absent"))), "read back absent"),
        (wrapped(given_up(None)), "Not enough time to schedule next retry"),
        (wrapped(None), "Activity task failed"),
        (wrapped(ApplicationError("x" * 300)), "x" * 200),
    ],
)
def test_failure_is_told_in_the_words_that_began_it(error: ActivityError, told: str) -> None:
    """An attempt whose time ran out says why the attempts before it failed, where there were any."""
    assert cause_of(error) == told
