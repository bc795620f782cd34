"""The processes of a seeded run: each may be killed, and started again under the same name and at the same address."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from sandbox.loopback import loopback_client
from starter.dev_home import Home, Part
from starter.dev_process import is_alive, start, stop, tail

LOOK_SECONDS = 0.05
START_SECONDS = 90.0
STOP_SECONDS = 3.0


@dataclass
class Actor:
    """A process that may be killed, and started again under the same name and at the same address."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    logs: Path
    serves: Callable[["Actor"], Awaitable[bool]]
    parts: list[Part] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.parts[-1].pid

    @property
    def log(self) -> Path:
        return self.logs / f"{self.name}-{len(self.parts)}.log"

    async def start(self) -> None:
        """Return when it serves."""
        log = self.logs / f"{self.name}-{len(self.parts) + 1}.log"
        self.parts.append(start(self.name, self.command, self.environment, log))
        async with asyncio.timeout(START_SECONDS):
            while not await self.serves(self):
                assert is_alive(self.parts[-1]), f"{self.name} has ended:\n{tail(log)}"
                await asyncio.sleep(LOOK_SECONDS)

    async def kill(self) -> None:
        """SIGKILL, and gone."""
        os.killpg(self.pid, signal.SIGKILL)
        await asyncio.to_thread(os.waitpid, self.pid, 0)


Serves = Callable[[Actor], Awaitable[bool]]


class Troupe(dict[str, Actor]):
    """Every process by its name."""

    async def begin(
        self, home: Home, name: str, words: list[str], environment: Mapping[str, str], serves: Serves
    ) -> None:
        """Start `python <words>`, and return when it serves."""
        self[name] = Actor(name, [sys.executable, *words], environment, home.logs, serves)
        await self[name].start()

    async def leave(self) -> None:
        """End all of them, in whatever trouble they are."""
        parts = [part for actor in self.values() for part in actor.parts]
        for part in parts:
            if is_alive(part):
                os.killpg(part.pid, signal.SIGCONT)
        await asyncio.to_thread(stop, parts, STOP_SECONDS)


@asynccontextmanager
async def troupe() -> AsyncIterator[Troupe]:
    """Processes that end with the block."""
    actors = Troupe()
    try:
        yield actors
    finally:
        await actors.leave()


def answers(url: str) -> Serves:
    """It serves when this address answers."""

    async def answer(_actor: Actor) -> bool:
        async with loopback_client(timeout=5) as http:
            try:
                return (await http.get(url)).is_success
            except httpx.TransportError:
                return False

    return answer


def says(words: str) -> Serves:
    """It serves when its log says so."""

    async def said(actor: Actor) -> bool:
        return words in actor.log.read_text()

    return said
