"""Asking again where nobody else does: outside of Temporal, which owns retrying within."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from domain.errors import RateLimitedError, RetryableError, VendorError

Answer = TypeVar("Answer")

PAUSE = timedelta(seconds=2)
PASSING = (RateLimitedError, RetryableError)
"""What the same call may not meet the next time."""


async def persist(
    ask: Callable[[], Awaitable[Answer]], patience: timedelta, *, over: tuple[type[VendorError], ...] = PASSING
) -> Answer:
    """What `ask` answers, asked again after every failure of `over`; a vendor's own wish for a pause is kept.

    Raises:
        VendorError: the last one, when the next attempt would begin later than `patience` after the first.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + patience.total_seconds()
    while True:
        try:
            return await ask()
        except over as error:
            wish = error.delay if isinstance(error, RateLimitedError) else None
            pause = (wish or PAUSE).total_seconds()
            if loop.time() + pause > until:
                raise
            await asyncio.sleep(pause)
