"""The real Temporal dev server for tests, from the wheel that ships it: in memory, or on a file, to be killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.testing import WorkflowEnvironment

from activities.data_converter import data_converter
from domain.search import KINDS
from starter.dev_home import HOST, Home, Part, Stack, choose_ports
from starter.dev_process import is_alive, start, stop, tail
from starter.dev_stack import temporal_command

START_SECONDS = 60
LOOK_SECONDS = 0.02

SMALL_QUEUES = tuple(
    word
    for kind in ("Read", "Write")
    for word in ("--dynamic-config-value", f"matching.numTaskqueue{kind}Partitions=1")
)
"""Each test has queues of its own, with a handful of tasks: the server's usual four partitions of each would only cost. The
embedded stack has them, and so the tests that use it."""

_KEYS: dict[str, Callable[[str], SearchAttributeKey[Any]]] = {
    "Keyword": SearchAttributeKey.for_keyword,
    "KeywordList": SearchAttributeKey.for_keyword_list,
    "Datetime": SearchAttributeKey.for_datetime,
}
SEARCH_ATTRIBUTES: list[SearchAttributeKey[Any]] = [_KEYS[kind](name) for name, kind in KINDS.items()]


def temporal_binary() -> str:
    """The `temporal` program beside this interpreter."""
    return str(Path(sys.executable).parent / "temporal")


async def start_server(*arguments: str, **options: Any) -> WorkflowEnvironment:
    """A server in memory, in real time; `arguments` are added to its command line, `options` are those of `start_local`."""
    return await WorkflowEnvironment.start_local(
        data_converter=data_converter(),
        dev_server_existing_path=temporal_binary(),
        dev_server_log_level="error",
        dev_server_extra_args=[*SMALL_QUEUES, *arguments],
        search_attributes=SEARCH_ATTRIBUTES,
        **options,
    )


async def start_skipping_server() -> WorkflowEnvironment:
    """A server in memory in which each workflow's own clock jumps over what it waits for."""
    return await WorkflowEnvironment.start_time_skipping_v2(
        data_converter=data_converter(),
        dev_server_existing_path=temporal_binary(),
        dev_server_log_level="error",
        dev_server_extra_args=[*SMALL_QUEUES, "--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"],
        search_attributes=SEARCH_ATTRIBUTES,
    )


class FileServer:
    """The server as `nightlatch dev up` starts it, with its state in a file. Its address stays the same over restarts."""

    def __init__(self, home: Home, *arguments: str) -> None:
        """`arguments` are added to its command line."""
        stack = Stack(ports=choose_ports(home.load().ports, {}))
        self.home = home
        self.address = f"{HOST}:{stack.ports.temporal}"
        self._command = [*temporal_command(home, stack), *arguments]
        self._parts: list[Part] = []

    @property
    def pid(self) -> int:
        """Of the process that runs now, or ran last."""
        return self._parts[-1].pid

    async def start(self) -> datetime:
        """Return when it answered first: the instant from which on it is there."""
        name = f"temporal-{len(self._parts) + 1}"
        self._parts.append(start(name, self._command, self.home.environment(), self.home.log(name)))
        async with asyncio.timeout(START_SECONDS):
            while True:
                assert is_alive(self._parts[-1]), tail(self.home.log(name))
                with suppress(RuntimeError):
                    await self.client()
                    return datetime.now(UTC)
                await asyncio.sleep(LOOK_SECONDS)

    async def client(self) -> Client:
        return await Client.connect(self.address, data_converter=data_converter())

    async def kill(self) -> datetime:
        """SIGKILL, and gone with its last thread and socket: the instant from which on it is not there."""
        pid = self._parts[-1].pid
        os.killpg(pid, signal.SIGKILL)
        await asyncio.to_thread(os.waitpid, pid, 0)
        return datetime.now(UTC)

    async def stop(self) -> None:
        await asyncio.to_thread(stop, self._parts, 2.0)


@asynccontextmanager
async def running_file_server(folder: Path, *arguments: str) -> AsyncIterator[FileServer]:
    """A server with its state in `folder`, ended with the block."""
    home = Home(folder)
    with home.changing():
        pass
    server = FileServer(home, *arguments)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
