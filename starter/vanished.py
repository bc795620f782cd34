"""Tickets that vanish under running requests: deleted or hidden, they can stop nothing any more, and so their access ends.

Absence is believed only beside the control ticket, read in the same call, and only when two looks in a row find it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import NoReturn

from temporalio.client import Client
from temporalio.service import RPCError

from activities.ports import TicketSystem
from activities.settings import Settings
from domain.errors import NightlatchError
from domain.ids import TicketRef
from starter.requests import hint, running_requests

log = logging.getLogger(__name__)

BATCH = 99
"""With the control ticket 100, which is as many as a ticket system shows at once."""

NOTE = "its ticket was deleted, or is hidden from Nightlatch"


class VanishedTickets:
    """Looks for ever. Each request whose ticket has vanished is told once to revoke; it ends, and says so elsewhere."""

    def __init__(self, settings: Settings, client: Client, tickets: TicketSystem, *, interval: timedelta) -> None:
        self._settings = settings
        self._client = client
        self._tickets = tickets
        self._control = settings.control_ticket
        self._interval = interval
        self._missed: set[str] = set()
        self._told: set[str] = set()

    async def run(self) -> NoReturn:
        while True:
            try:
                await self.look_once()
            except (NightlatchError, RPCError) as error:
                log.warning("looking for vanished tickets failed and will be tried again: %s", error)
            except Exception:
                log.exception("looking for vanished tickets failed in a way nobody thought of, and will be tried again")
            await asyncio.sleep(self._interval.total_seconds())

    async def look_once(self) -> None:
        """One look at the ticket of every running request.

        Raises:
            RPCError: Temporal could not list them.
            VendorError: the tickets could not be looked at.
            TemporalUnavailableError: a request could not be told.
        """
        missing = [ticket async for ticket in self._missing()]
        for ticket in missing:
            if ticket.issue_id in self._missed - self._told:
                delivery = await hint(self._client, ticket, "revoke", note=NOTE)
                self._told.add(ticket.issue_id)
                log.warning("%s has vanished and its request was told to revoke: %s", ticket.key, delivery)
        self._missed = {ticket.issue_id for ticket in missing}
        self._told &= self._missed

    async def _missing(self) -> AsyncIterator[TicketRef]:
        running = [ticket async for ticket in running_requests(self._client, self._settings)]
        for first in range(0, len(running), BATCH):
            batch = [self._control, *running[first : first + BATCH]]
            missing = await self._tickets.missing_among(batch)
            if self._control in missing:
                log.warning("the control ticket %s is not shown either: no absence is believed", self._control.key)
                continue
            for ticket in missing:
                yield ticket
