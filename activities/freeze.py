"""Reads the freeze on the control ticket for whoever is about to add access."""

from datetime import datetime

from activities.ports import TicketSystem
from domain.canonical import KeyRing
from domain.errors import FrozenError
from domain.freeze import PROPERTY, read_freeze, refuse_if_frozen
from domain.ids import TicketRef


class FreezeGate:
    """Remembers for as long as its process lives when the newest word was said: an older one, put back, opens nothing."""

    def __init__(self, tickets: TicketSystem, control: TicketRef, keys: KeyRing) -> None:
        self._tickets = tickets
        self._control = control
        self._keys = keys
        self._newest: datetime | None = None

    async def why_closed(self, now: datetime) -> str:
        """Why nothing may be granted, or empty.

        Raises:
            VendorError: the control ticket cannot be read; the caller grants nothing.
        """
        properties = await self._tickets.read_properties(self._control, PROPERTY)
        try:
            word = read_freeze(properties.get(PROPERTY), self._control, self._keys, now)
            newest = self._newest = max(self._newest or word.at, word.at)
            refuse_if_frozen(word, newest)
        except FrozenError as frozen:
            return str(frozen)
        return ""
