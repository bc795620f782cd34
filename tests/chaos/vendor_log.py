"""The vendors' own account as many cases read it at once: what happened to whom, which calls are held, and when nobody answered."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from sandbox.client import SandboxClient

POLL_SECONDS = 0.1
STALL = timedelta(seconds=0.5)


class VendorLog:
    """The vendors' audit log and the calls they hold, read once for all cases."""

    def __init__(self, sandbox: SandboxClient, *, through_outages: bool = False) -> None:
        """`through_outages`: vendors that are away are asked again; else nobody waits for them any longer."""
        self._sandbox = sandbox
        self._through_outages = through_outages
        self._about: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._held: dict[str, int] = {}
        self._looks = 0
        self._news = asyncio.Condition()
        self._broken: Exception | None = None
        self._stalls: list[tuple[datetime, datetime]] = []

    async def follow(self) -> None:
        """Read on until cancelled. Whoever waits is told when it cannot be read any more."""
        seq = 0
        while self._broken is None:
            begun_at = datetime.now(UTC)
            try:
                for line in await self._sandbox.audit(seq):
                    seq = line["seq"]
                    self._about[line.get("group_id") or line.get("issue_id") or ""].append(line)
                self._held = await self._sandbox.holds()
            except Exception as error:  # noqa: BLE001 - it belongs to those who wait
                if not (self._through_outages and isinstance(error, httpx.TransportError)):
                    self._broken = error
            self._looks += 1
            async with self._news:
                self._news.notify_all()
            await asyncio.sleep(POLL_SECONDS)
            if (now := datetime.now(UTC)) - begun_at > STALL:
                self._stalls.append((begun_at, now))

    @property
    def stalls(self) -> Sequence[tuple[datetime, datetime]]:
        """When the vendors did not answer even us."""
        return self._stalls

    def stalled(self, since: datetime, until: datetime) -> timedelta:
        """For how long in that time the vendors did not answer even us, because the machine was too busy."""
        overlaps = (min(end, until) - max(begin, since) for begin, end in self._stalls)
        return sum((overlap for overlap in overlaps if overlap > timedelta(0)), timedelta(0))

    def about(self, thing: str, *events: str) -> list[dict[str, Any]]:
        """What happened to a group or an issue, by its id, oldest first."""
        return [line for line in self._about[thing] if line["event"] in events]

    async def first(self, thing: str, event: str, *, after: int = 0, **facts: tuple[str, ...]) -> dict[str, Any]:
        """The first such line above line `after`, with each fact one of those given, when it is there."""

        def found() -> dict[str, Any] | None:
            for line in self.about(thing, event):
                if line["seq"] > after and all(line.get(name) in values for name, values in facts.items()):
                    return line
            return None

        await self._until(lambda: found() is not None)
        return found() or {}

    async def caught_up(self) -> None:
        """Return when all is read that has happened up to now. A look that is under way may have been too early."""
        looks = self._looks
        await self._until(lambda: self._looks >= looks + 2)

    async def held(self, name: str) -> None:
        """Return once a call is held under that name."""
        await self._until(lambda: name in self._held)

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with self._news:
            await self._news.wait_for(lambda: self._broken is not None or holds())
        if self._broken is not None:
            raise self._broken
