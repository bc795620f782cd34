"""A worker process of Nightlatch whose vendor and ticket system are the driver's doubles.

`python -m bench.worker SOCKET ADDRESS PREFIX QUEUES`. Everything else is what production runs: the same activities, workflows
and worker options.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, cast

from temporalio.client import Client

from activities.bundle import Activities
from activities.data_converter import data_converter
from activities.ports import AccessProvider, Holder, TicketSystem
from activities.send_window import SendWindow
from bench.desk import Known
from bench.line import Line
from domain.catalogue import Catalogue
from domain.ids import SubjectRef, TargetRef
from domain.queues import Queue, queue_name
from domain.warrant import Warrant
from starter.garbage import collect_seldom
from starter.stranded import looking_after_the_stranded
from starter.watchdog import watching
from tests.fakes.providers import FakeAccessProviders
from tests.house import make_keys
from workflows.service import make_workers


class Remote:
    """A port whose methods are called in the driver. `known`: its properties, which never change."""

    def __init__(self, line: Line, port: str, **known: object) -> None:
        self.__dict__.update(known)
        self._line = line
        self._port = port

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **named: Any) -> Any:
            return await self._line.ask(self._port, name, *arguments, **named)

        return call


class RemoteProvider(Remote):
    """Asks the send window here, as an adapter does right before it sends."""

    async def grant(self, warrant: Warrant, window: SendWindow) -> Any:
        window.check("grant")
        return await self._line.ask(self._port, "grant", warrant, window)

    async def revoke(self, target: TargetRef, subject: SubjectRef, window: SendWindow) -> Any:
        window.check("revoke")
        return await self._line.ask(self._port, "revoke", target, subject, window)

    async def list_holders(self, target: TargetRef) -> AsyncIterator[Holder]:
        for holder in await self._line.ask(self._port, "list_holders", target):
            yield holder


class Shelf:
    """The catalogue as it stood when the worker was started."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def current(self) -> Catalogue:
        return self._catalogue


async def main(socket: str, address: str, prefix: str, queues: str) -> None:
    logging.basicConfig(level=logging.WARNING)
    line = await Line.open(socket)
    known: Known = await line.ask("desk", "known")
    client = await Client.connect(address, data_converter=data_converter())
    provider = RemoteProvider(line, "provider", instance=known.instance, capabilities=known.capabilities)
    activities = Activities.over(
        client=client,
        tickets=cast("TicketSystem", Remote(line, "tickets", rules=known.rules)),
        providers=FakeAccessProviders({known.instance: cast("AccessProvider", provider)}),
        catalogues=Shelf(known.catalogue),
        control=known.control,
        keys=make_keys(),
    )
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with watching(loop):
        served = [Queue(name) for name in queues.split(",")]
        async with AsyncExitStack() as stack:
            if Queue.LEASES in served:
                await stack.enter_async_context(looking_after_the_stranded(client, queue_name(prefix, Queue.LEASES)))
            for worker in make_workers(client, prefix, activities, served):
                await stack.enter_async_context(worker)
            collect_seldom()
            await line.ask("desk", "polling", os.getpid())
            await stop.wait()
    line.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
