"""What an activity knows of its own attempt at a vendor: how long it may send, which one it is, what comes of what it began."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

from temporalio import activity

from activities.ports import AccessProvider, Answered
from activities.send_window import LONGEST_ATTEMPT, SendWindow


def send_window(provider: AccessProvider) -> SendWindow:
    """Open for start-to-close less the client timeout (DESIGN 4, zombie writes).

    An operator can change the options of a running activity, and the fence would know nothing of a longer start-to-close.
    """
    start_to_close = min(activity.info().start_to_close_timeout or timedelta(0), LONGEST_ATTEMPT)
    return SendWindow(start_to_close - provider.capabilities.client_timeout)


def which_attempt() -> int:
    """Which attempt this is. An operator's reset of the activity counts from 1 again, and is never the first."""
    info = activity.info()
    began_anew = info.current_attempt_scheduled_time > info.scheduled_time
    return max(info.attempt, 2) if began_anew else info.attempt


async def to_its_end(call: Coroutine[Any, Any, Answered]) -> Answered:
    """What a call that was begun comes to, although the engine cancels the attempt meanwhile."""
    task = asyncio.create_task(call)
    with suppress(asyncio.CancelledError):
        await asyncio.wait([task])
    return await task
