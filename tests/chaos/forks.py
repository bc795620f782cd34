"""The hand on the process that forks workers (`nursery.py`): start one, kill one, hear of its end."""

import asyncio
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from starter.dev_home import Home
from tests.chaos.self_kill import Order
from tests.sandbox_process import REPOSITORY

START_SECONDS = 60


@dataclass
class WorkerProcess:
    pid: int
    ended: asyncio.Event

    async def kill(self) -> None:
        """SIGKILL, and gone."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        await self.ended.wait()


class Nursery:
    """Bears workers, and hears of their deaths."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._born: dict[str, asyncio.Future[int]] = {}
        self._ended: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)

    async def bear(self, order: Order) -> WorkerProcess:
        """A worker process that begins to work now."""
        assert self._process.stdin
        born = self._born[order.name] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(order.model_dump_json().encode() + b"\n")
        pid = await born
        return WorkerProcess(pid, self._ended[pid])

    async def listen(self) -> None:
        """Hear of births and deaths, until the process ends."""
        assert self._process.stdout
        async for line in self._process.stdout:
            facts = json.loads(line)
            if "born" in facts:
                self._ended.pop(facts["born"], None)
                born = self._born.pop(facts["name"])
                if not born.done():  # whoever asked may have been cancelled meanwhile
                    born.set_result(facts["born"])
            if "ended" in facts:
                self._ended[facts["ended"]].set()


@asynccontextmanager
async def running_nursery(home: Home) -> AsyncIterator[Nursery]:
    """A nursery for the block; at its end it takes with it what it has borne."""
    with home.log("nursery").open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.chaos.nursery"),
            cwd=REPOSITORY,
            env=home.environment() | {"PYTHONPATH": str(REPOSITORY)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    assert process.stdin
    assert process.stdout
    async with asyncio.timeout(START_SECONDS):
        assert b"ready" in await process.stdout.readline(), home.log("nursery").read_text()
    nursery = Nursery(process)
    listening = asyncio.create_task(nursery.listen())
    try:
        yield nursery
    finally:
        process.stdin.close()
        await process.wait()
        await listening
