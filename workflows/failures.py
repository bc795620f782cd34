"""How a step of a workflow says that the story ends here, and how a failure is told in words."""

from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.exceptions import TimeoutError as EngineTimeoutError

from domain.lease import EndReason
from domain.request import RequestOutcome


class LeaseEnds(Exception):  # noqa: N818 - a turn of the story, not an error
    """The lease ends now. `_take_back` does the rest."""

    def __init__(self, reason: EndReason, note: str = "") -> None:
        super().__init__(f"{reason}: {note}")
        self.reason = reason
        self.note = note


class RequestEnds(Exception):  # noqa: N818 - a turn of the story, not an error
    """The request ends now. Its `finally` does the rest."""

    def __init__(self, outcome: RequestOutcome, why: str = "") -> None:
        super().__init__(f"{outcome}: {why}")
        self.outcome = outcome
        self.why = why


def cause_of(error: BaseException) -> str:
    """The innermost cause in at most 200 characters: the vendor's own words, not the engine's wrapping."""
    cause: BaseException = error
    while isinstance(cause, ActivityError | EngineTimeoutError) and cause.cause is not None:
        cause = cause.cause
    text = cause.message if isinstance(cause, ApplicationError) else str(cause)
    return text[:200]
