"""How a double is told to misbehave: errors, gates that hold a call, and effects that land late. The effects are the double's own."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from domain.errors import VendorError

When = Literal["before", "after"]

REACH_SECONDS = 20


class Gate:
    """Holds every call that comes to it until it is released, and tells when one has come."""

    def __init__(self, when: When) -> None:
        self.when = when
        self._reached = asyncio.Event()
        self._released = asyncio.Event()

    async def reached(self) -> None:
        """Return once a call stands at the gate; raises `TimeoutError` when none comes."""
        async with asyncio.timeout(REACH_SECONDS):
            await self._reached.wait()

    def release(self) -> None:
        """Let the call go on, and later ones pass without a stop."""
        self._released.set()

    async def pass_through(self) -> None:
        self._reached.set()
        await self._released.wait()


@dataclass
class _Failure:
    error: Exception
    times_left: int | None


@dataclass
class Script:
    """What is to go wrong, by the name of the call. One thing a kind: the last one told counts."""

    _failures: dict[str, _Failure] = field(default_factory=dict)
    _gates: dict[str, Gate] = field(default_factory=dict)
    _delays: dict[str, timedelta] = field(default_factory=dict)
    _late: set[asyncio.Task[None]] = field(default_factory=set)

    def fail(self, call: str, error: Exception, times: int | None) -> None:
        self._failures[call] = _Failure(error, times)

    def succeed(self, call: str) -> None:
        self._failures.pop(call, None)

    def hold(self, call: str, when: When) -> Gate:
        self._gates[call] = Gate(when)
        return self._gates[call]

    def land_late(self, call: str, delay: timedelta) -> None:
        self._delays[call] = delay

    def delay_of(self, call: str) -> timedelta | None:
        """How late the effect of this call is to land; told once, used once."""
        return self._delays.pop(call, None)

    def raise_failure(self, call: str) -> None:
        failure = self._failures.get(call)
        if failure is None:
            return
        if failure.times_left is not None:
            failure.times_left -= 1
            if failure.times_left <= 0:
                del self._failures[call]
        raise failure.error

    async def stop_at_gate(self, call: str, when: When) -> None:
        gate = self._gates.get(call)
        if gate is not None and gate.when == when:
            await gate.pass_through()

    def later(self, delay: timedelta, effect: Callable[[], object]) -> None:
        """Let `effect` happen after `delay`, whatever becomes of the caller; nobody hears if the vendor refuses it."""

        async def land() -> None:
            await asyncio.sleep(delay.total_seconds())
            with suppress(VendorError):
                effect()

        task = asyncio.get_running_loop().create_task(land())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def settle(self) -> None:
        """Return when every late effect has landed."""
        while self._late:
            await asyncio.wait(self._late)
