"""Temporal's time inside an activity: ends are the engine's instants, so a wrong clock on this host moves none of them."""

from collections.abc import Callable
from datetime import datetime, timedelta

from temporalio import activity

from activities.send_window import steady_seconds
from domain.durations import MAX_SKEW


class EngineClock:
    """Made on an activity's first line: the server's start instant plus what the monotonic clock has counted since."""

    def __init__(self, monotonic: Callable[[], float] = steady_seconds) -> None:
        self._started_at = activity.info().started_time
        self._monotonic = monotonic
        self._received = monotonic()

    def now(self) -> datetime:
        return self._started_at + timedelta(seconds=self._monotonic() - self._received)


def skew_refusal(now: datetime, vendor_at: datetime | None, vendor: str) -> str:
    """Why `vendor`'s clock forbids a grant, or empty. A vendor that tells no time is not compared."""
    if vendor_at is not None and abs(vendor_at - now) > MAX_SKEW:
        return (
            f"the clock of {vendor} differs from the engine's by {abs(vendor_at - now)}; grants stop until clocks agree"
        )
    return ""
