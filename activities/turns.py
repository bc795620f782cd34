"""Approvals wait for those before them (ADR 14): what is approved while its requests hear nothing is granted all in one moment."""

import asyncio
from collections.abc import Awaitable, Callable

from activities.send_window import steady_seconds
from domain.ids import TicketRef

PATIENCE_SECONDS = 10.0
"""A request that does not go on for as long is waited for no more: it may have nobody to run it."""

LOOK_SECONDS = 0.1


class Turns:
    """The approvals of one process. `has_gone_on` asks the engine whether a request has heard its answer.

    The queue of the requests is one, and in order: a thousand signals in it keep every answer waiting that is given meanwhile.
    """

    def __init__(
        self, has_gone_on: Callable[[TicketRef], Awaitable[bool]], seconds: Callable[[], float] = steady_seconds
    ) -> None:
        self._has_gone_on = has_gone_on
        self._seconds = seconds
        self._approved: dict[TicketRef, float] = {}
        self._looking = asyncio.Lock()

    def note(self, ticket: TicketRef) -> None:
        """Its request is about to be told that it is approved."""
        self._approved[ticket] = self._seconds()

    async def wait(self, ticket: TicketRef) -> None:
        """Return when every other request that was approved here before has gone on, or has been waited for."""
        self._approved.pop(ticket, None)
        async with self._looking:
            while self._approved:
                first, since = next(iter(self._approved.items()))
                if self._seconds() - since >= PATIENCE_SECONDS or await self._has_gone_on(first):
                    self._approved.pop(first, None)
                else:
                    await asyncio.sleep(LOOK_SECONDS)
