"""Heartbeats for every activity that talks to a vendor, so that a dead worker is noticed within seconds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from temporalio import activity

INTERVAL_SECONDS = 1.0
"""Well below the heartbeat timeout of 5 s (workflows/options.py)."""


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Heartbeat while the body runs."""
    task = asyncio.create_task(_beat())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(INTERVAL_SECONDS)
