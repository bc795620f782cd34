"""The driver's desk: it holds the doubles, hears every call that reaches them, and notes the instants that count.

An end is what the warrant says, a removal is when the call for it arrives. The floor's steps are heard in the same way.
"""

import asyncio
import math
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from activities.ports import Capabilities
from bench.line import Call
from domain.catalogue import Catalogue
from domain.ids import TicketRef
from domain.ticket import TicketRules
from tests.house import House

QUESTION = "Your answer is bound to"


class Known(NamedTuple):
    """What a worker has to know before it begins."""

    instance: str
    catalogue: Catalogue
    control: TicketRef
    capabilities: Capabilities
    rules: TicketRules


@dataclass
class Journal:
    """Instants in seconds since the epoch, by who holds access; the first of each counts."""

    ends: dict[str, float] = field(default_factory=dict)
    removals: dict[str, float] = field(default_factory=dict)

    def lags(self) -> list[float]:
        """How long after its end each removal was called for, in the order of the calls."""
        return [at - self.ends[key] for key, at in self.removals.items()]

    def longest_silence(self) -> float:
        """The longest time in which no removal was called for though one was due: the first end counts as a call."""
        ordered = sorted(self.removals.items(), key=lambda item: item[1])
        silent, due, after = 0.0, math.inf, math.inf
        for key, at in reversed(ordered):
            silent = max(silent, min(after - max(at, due), after - due)) if due < after < math.inf else silent
            due, after = min(due, self.ends[key]), at
        return max(silent, after - due)


class Desk:
    """`delay_seconds` is how long every call of the provider takes."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.delay_seconds = 0.0
        self.journal = Journal()
        self._happened: defaultdict[tuple[str, str], asyncio.Event] = defaultdict(asyncio.Event)
        self._answered: list[str] = []

    def begin_anew(self) -> None:
        """Forget what was noted and what of it has happened."""
        self.journal = Journal()
        self._happened.clear()

    async def until(self, what: str, key: str) -> None:
        """Return when "asked", "granted" or "removed" has happened to that holder or ticket; of a process, "polling"."""
        await self._happened[what, key].wait()

    def tell(self, requests: list[str]) -> None:
        """Have the messenger tell these requests that their tickets were answered."""
        self._answered = requests
        self._happened["answered", ""].set()

    async def hear(self, call: Call) -> None:
        if call.port == "provider":
            self._note(call)
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
        elif call.name == "comment" and QUESTION in call.arguments[1]:
            # Told once the question has been posted: the double posts it in the same step of this loop.
            asyncio.get_running_loop().call_soon(self.asked, call.arguments[0].issue_id)

    def _note(self, call: Call) -> None:
        if call.name == "grant":
            warrant = call.arguments[0]
            self.granted(warrant.subject.user_id, warrant.expires_at.timestamp())
        elif call.name == "revoke":
            self.removed(call.arguments[1].user_id)

    # What workers and the messenger call.

    def known(self) -> Known:
        house = self.house
        return Known(
            house.provider.instance,
            house.current(),
            house.control,
            house.provider.capabilities,
            house.tickets.rules,
        )

    def polling(self, pid: int) -> None:
        self._happened["polling", str(pid)].set()

    def asked(self, key: str, _ends_at: float = 0.0) -> None:
        self._happened["asked", key].set()

    def granted(self, key: str, ends_at: float) -> None:
        self.journal.ends.setdefault(key, ends_at)
        self._happened["granted", key].set()

    def removed(self, key: str, _ends_at: float = 0.0) -> None:
        self.journal.removals.setdefault(key, time.time())
        self._happened["removed", key].set()

    async def answered(self) -> list[str]:
        await self.until("answered", "")
        return self._answered
