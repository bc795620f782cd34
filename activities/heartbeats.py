"""Heartbeats for every activity that talks to a vendor, so that a dead worker is noticed within seconds.

And what an attempt knows of itself: one whose process was frozen for as long has been given to somebody else.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta

from temporalio import activity

from activities.send_window import steady_seconds
from domain.errors import RetryableError

INTERVAL_SECONDS = 1.0
"""Well below the heartbeat timeout of 5 s (workflows/options.py)."""

LONGEST_SILENCE = timedelta(seconds=3)
"""The engine hears of a heartbeat up to 1.5 s late (workflows/service.py), so that it may give an attempt up that was silent for longer."""


class Pulse:
    """Whether an attempt has been heartbeating without a gap. Read from any thread; once lost, it stays lost."""

    def __init__(self, seconds: Callable[[], float] = steady_seconds) -> None:
        self._seconds = seconds
        self._beat_at = seconds()
        self._longest = 0.0

    def beat(self) -> None:
        now = self._seconds()
        self._longest = max(self._longest, now - self._beat_at)
        self._beat_at = now

    def check(self, call: str) -> None:
        """Return while the attempt has not been silent for too long.

        Raises:
            RetryableError: it has been; nothing was sent.
        """
        silence = max(self._longest, self._seconds() - self._beat_at)
        if silence >= LONGEST_SILENCE.total_seconds():
            raise RetryableError(
                f"{call}: not sent, this process stood still for {silence:.1f} s and another attempt may be at it"
            )


_PULSE: ContextVar[Pulse | None] = ContextVar("pulse", default=None)


def check_pulse(call: str) -> None:
    """Asked right before a write that a newer attempt may have made already. Outside of `beating` it asks nothing.

    Raises:
        RetryableError: the attempt was silent for too long.
    """
    pulse = _PULSE.get()
    if pulse is not None:
        pulse.check(call)


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Heartbeat while the body runs."""
    pulse = Pulse()
    token = _PULSE.set(pulse)
    task = asyncio.create_task(_beat(pulse))
    try:
        yield
    finally:
        _PULSE.reset(token)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _beat(pulse: Pulse) -> None:
    while True:
        pulse.beat()
        activity.heartbeat()
        await asyncio.sleep(INTERVAL_SECONDS)
