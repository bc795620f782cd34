"""Reads the freeze on the control ticket for whoever is about to add access."""

from datetime import datetime

from activities.ports import TicketSystem
from domain.canonical import KeyRing
from domain.freeze import PROPERTY, why_frozen
from domain.ids import TicketRef


class FreezeGate:
    def __init__(self, tickets: TicketSystem, control: TicketRef, keys: KeyRing) -> None:
        self._tickets = tickets
        self._control = control
        self._keys = keys

    async def why_closed(self, now: datetime) -> str:
        """Why nothing may be granted, or empty.

        Raises:
            VendorError: the control ticket cannot be read; the caller grants nothing.
        """
        properties = await self._tickets.read_properties(self._control, PROPERTY)
        return why_frozen(properties.get(PROPERTY), self._control, self._keys, now)
