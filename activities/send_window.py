"""The zombie guard: an attempt that was held up too long refuses to send, so that no write lands after its fence."""

import time
from collections.abc import Callable
from datetime import timedelta

from domain.errors import RetryableError

LONGEST_ATTEMPT = timedelta(seconds=12)
"""Start-to-close of every call to a vendor, on which the kernel's fence is built. No attempt sends by a longer one."""


def steady_seconds() -> float:
    """Seconds on a clock that nobody sets and that, where the system has such a one, goes on while the machine sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class SendWindow:
    """Open from its making until `span` later by a steady clock, which no clock change moves.

    An activity makes it on receipt with `start-to-close - client timeout`; an adapter checks it right before each write.
    """

    def __init__(self, span: timedelta, monotonic: Callable[[], float] = steady_seconds) -> None:
        self._monotonic = monotonic
        self._closes_at = monotonic() + span.total_seconds()

    @property
    def left(self) -> timedelta:
        """How long it stays open; negative once it has closed."""
        return timedelta(seconds=self._closes_at - self._monotonic())

    def check(self, call: str) -> None:
        """Return while the window is open.

        Raises:
            RetryableError: it is too late to send `call`; nothing was sent.
        """
        late = self._monotonic() - self._closes_at
        if late >= 0:
            raise RetryableError(
                f"{call}: not sent, this attempt is {late:.1f} s past the time until which it may send; the next one will"
            )
