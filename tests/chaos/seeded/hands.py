"""The hands that do the faults of a plan, each at its time, and note when it began and when the house was whole again."""

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import httpx

from tests.chaos.seeded.bounds import Happening
from tests.chaos.seeded.plan import WORKERS, Fault, PlannedFault
from tests.chaos.seeded.proxy import Network
from tests.chaos.seeded.stage import Stage, now

CALLERS = (*WORKERS, "bridge", "sweep")
DELAY_SECONDS = 2.5
RESET_IN_SECONDS = 2
LONGEST_HOLD_SECONDS = 7.0
"""A vendor lets a call land no later than its client's patience of 6 s and the landing lag that the catalogue states, 2 s."""

ANSWERS: dict[str, dict[str, Any]] = {
    "500": {"kind": "status", "status": 500},
    "503": {"kind": "status", "status": 503},
    "403": {"kind": "status", "status": 403, "body": {"errorCode": "E0000006", "errorMessages": ["no"]}},
    "429": {"kind": "rate_limit", "reset_in": RESET_IN_SECONDS},
    "empty": {"kind": "empty"},
    "delay": {"kind": "delay", "seconds": DELAY_SECONDS},
    "truncate": {"kind": "truncate"},
    "reset before": {"kind": "reset", "when": "before"},
    "reset after": {"kind": "reset", "when": "after"},
    "html": {"kind": "content_type", "value": "text/html"},
    "hold before": {"kind": "hold", "name": "chaos", "when": "before"},
    "hold after": {"kind": "hold", "name": "chaos", "when": "after"},
}
"""How each way in which a vendor answers badly is armed at the sandbox."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Hands:
    """`happened`: what is over. Two faults of one part of the house wait for each other; others overlap."""

    stage: Stage
    happened: list[Happening] = field(default_factory=list)
    _taken: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def do_all(self, faults: Iterable[PlannedFault], began: float) -> None:
        """Return when all are over. `began`: the loop's time from which the plan counts."""

        async def do(fault: PlannedFault) -> None:
            await asyncio.sleep(began + fault.begins - asyncio.get_running_loop().time())
            await self.do(fault)

        async with asyncio.TaskGroup() as group:
            for fault in faults:
                group.create_task(do(fault))

    async def do(self, fault: PlannedFault) -> None:
        if fault.fault is Fault.CLOCK and self.stage.offset is None:
            return
        async with self._alone(fault):
            began_at = now()
            async with self._under(fault):
                await asyncio.sleep(fault.lasts)
            self.happened.append(Happening(fault.fault, fault.where, fault.how, began_at, now()))

    @asynccontextmanager
    async def _alone(self, fault: PlannedFault) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for part in sorted(_parts(fault)):
                await stack.enter_async_context(self._taken[part])
            yield

    @asynccontextmanager
    async def _under(self, fault: PlannedFault) -> AsyncIterator[None]:
        """With the fault in force for the block, and what it befell working again behind it."""
        async with AsyncExitStack() as stack:
            match fault.fault:
                case Fault.WORKER_KILLED | Fault.BRIDGE_KILLED | Fault.VENDORS_KILLED:
                    await stack.enter_async_context(self._killed(_names(fault.where)))
                case Fault.SERVER_KILLED:
                    await stack.enter_async_context(self._server_killed())
                case Fault.SERVER_FROZEN:
                    stack.enter_context(_frozen([self.stage.server.pid]))
                case Fault.WORKER_FROZEN | Fault.BRIDGE_FROZEN | Fault.VENDORS_FROZEN:
                    stack.enter_context(_frozen([self.stage.actors[name].pid for name in _names(fault.where)]))
                case Fault.OKTA | Fault.JIRA:
                    await stack.enter_async_context(self._answering(fault.where, fault.how))
                case Fault.SERVER_LINK | Fault.VENDOR_LINK:
                    stack.enter_context(self._network(fault))
                case Fault.CLOCK:
                    stack.enter_context(self._clock(fault.how))
                case Fault.WEBHOOKS:
                    await stack.enter_async_context(self._webhooks(fault.how))
            yield

    @asynccontextmanager
    async def _killed(self, names: list[str]) -> AsyncIterator[None]:
        actors = [self.stage.actors[name] for name in names]
        for actor in actors:
            await actor.kill()
        try:
            yield
        finally:
            async with asyncio.TaskGroup() as group:
                for actor in actors:
                    group.create_task(actor.start())

    @asynccontextmanager
    async def _server_killed(self) -> AsyncIterator[None]:
        await self.stage.server.kill()
        try:
            yield
        finally:
            await self.stage.server.start()

    @asynccontextmanager
    async def _answering(self, vendor: str, how: str) -> AsyncIterator[None]:
        """The vendor answers so to worker, bridge and sweep; people get through. What is held goes on in time."""
        fault = dict(ANSWERS[how])
        name = f"{vendor} {how}"
        if fault["kind"] == "hold":
            fault["name"] = name
        armed = [await self.patiently(self.stage.sandbox.arm, vendor, fault, caller=caller) for caller in CALLERS]
        releasing = asyncio.create_task(self._release(name)) if fault["kind"] == "hold" else None
        try:
            yield
        finally:
            for rule in armed:
                await self.patiently(self.stage.sandbox.clear, rule)
            if releasing is not None:
                releasing.cancel()
                await self.patiently(self.stage.sandbox.release, name)
            if how == "429":
                await asyncio.sleep(RESET_IN_SECONDS)

    async def _release(self, name: str) -> None:
        """Let go what is held again and again, so that nothing is held for longer than an honest vendor would."""
        while True:
            await asyncio.sleep(LONGEST_HOLD_SECONDS)
            await self.patiently(self.stage.sandbox.release, name)

    @contextmanager
    def _network(self, fault: PlannedFault) -> Iterator[None]:
        links = [self.stage.links[name] for name in _names(fault.where)]
        proxies = [link.server if fault.fault is Fault.SERVER_LINK else link.vendors for link in links]
        for proxy in proxies:
            proxy.turn(Network(fault.how))
        try:
            yield
        finally:
            for proxy in proxies:
                proxy.turn(Network.SOUND)

    @contextmanager
    def _clock(self, offset: str) -> Iterator[None]:
        file = self.stage.offset
        assert file is not None
        file.write_text(offset)
        try:
            yield
        finally:
            file.write_text("+0")

    @asynccontextmanager
    async def _webhooks(self, mode: str) -> AsyncIterator[None]:
        await self.patiently(self.stage.sandbox.set_jira_webhook_mode, mode)
        try:
            yield
        finally:
            await self.patiently(self.stage.sandbox.set_jira_webhook_mode, "deliver")

    async def patiently(self, call: Callable[P, Awaitable[T]], *words: P.args, **more: P.kwargs) -> T:
        """The vendors' control routes are away when the vendors are."""
        while True:
            try:
                return await call(*words, **more)
            except httpx.TransportError:
                await asyncio.sleep(0.1)


@contextmanager
def _frozen(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.killpg(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.killpg(pid, signal.SIGCONT)


def _names(where: str) -> list[str]:
    return list(WORKERS) if where == "both" else [where]


def _parts(fault: PlannedFault) -> set[str]:
    """What of the house it takes for itself."""
    match fault.fault:
        case Fault.SERVER_LINK | Fault.VENDOR_LINK:
            return {f"{fault.fault} {name}" for name in _names(fault.where)}
        case Fault.CLOCK:
            return {"clock"}
        case _:
            return set(_names(fault.where))
