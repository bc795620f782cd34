"""`nightlatch watch` in a real terminal, while the server goes away and comes back, and while a person has enough of it."""

import asyncio
import os
import pty
import select
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import pytest
from temporalio.client import Client

from domain.ids import TicketRef, request_workflow_id
from tests.e2e.cli_process import nightlatch
from tests.e2e.telling import TellingRequest, telling_request, to
from tests.engine import start_server
from tests.sandbox_process import REPOSITORY

CTRL_C = b"\x03"
LAST_WORDS_SECONDS = 0.2
"""How long a terminal may take to hand on what was written there last."""
CURSOR_SHOWN, CURSOR_HIDDEN = "\x1b[?25h", "\x1b[?25l"


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[Client]:
    async with await start_server() as environment:
        yield environment.client


@pytest.fixture
async def running(temporal: Client) -> AsyncIterator[TicketRef]:
    async with telling_request(temporal, "SEC-78") as ticket:
        yield ticket


class Screen:
    """A command in a terminal of its own. `shown` is all that was ever written there."""

    def __init__(self, process: asyncio.subprocess.Process, hand: int) -> None:
        self._process = process
        self._hand = hand
        self.shown = ""
        asyncio.get_running_loop().add_reader(hand, self._read)

    async def until_shown(self, words: str, since: int = 0) -> None:
        async with asyncio.timeout(30):
            while words not in self.shown[since:]:
                await asyncio.sleep(0.02)

    def type(self, keys: bytes) -> None:
        os.write(self._hand, keys)

    async def ended(self) -> int:
        """Its exit code, once it has ended and its last words are read."""
        code = await asyncio.wait_for(self._process.wait(), 30)
        while select.select([self._hand], [], [], LAST_WORDS_SECONDS)[0]:
            self._read()
        return code

    def _read(self) -> None:
        with suppress(OSError):
            self.shown += os.read(self._hand, 65536).decode(errors="replace")


@contextmanager
def _terminal() -> Iterator[tuple[int, int]]:
    hand, terminal = pty.openpty()
    try:
        yield hand, terminal
    finally:
        asyncio.get_running_loop().remove_reader(hand)
        os.close(hand)
        os.close(terminal)


@asynccontextmanager
async def on_screen(*arguments: str, env: dict[str, str]) -> AsyncIterator[Screen]:
    with _terminal() as (hand, terminal):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", LEADER, sys.executable, "-m", "starter.cli", *arguments),
            cwd=REPOSITORY,
            env={"PATH": "/usr/bin:/bin", "TERM": "xterm", "COLUMNS": "100", "LINES": "30", **env},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        try:
            yield Screen(process, hand)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


LEADER = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Takes the terminal for its session, as a shell would, so that Ctrl-C reaches the command: also from a suite in the background."""


class Bridge:
    """A way to the server that can be cut. `cut` closes what is open and refuses what comes."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._open = True
        self._writers: set[asyncio.StreamWriter] = set()
        self.in_use = asyncio.Event()

    def cut(self) -> None:
        self._open = False
        for writer in self._writers:
            writer.close()

    def mend(self) -> None:
        self._open = True

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.close()
            return
        there_reader, there = await asyncio.open_connection(self._host, self._port)
        self._writers |= {writer, there}
        self.in_use.set()
        async with asyncio.TaskGroup() as both:
            both.create_task(_pour(reader, there))
            both.create_task(_pour(there_reader, writer))


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def way_to(temporal: Client) -> AsyncIterator[tuple[Bridge, dict[str, str]]]:
    """A way to the server, and the environment of a command that takes it."""
    bridge = Bridge(to(temporal)["TEMPORAL_ADDRESS"])
    async with await asyncio.start_server(bridge.carry, "127.0.0.1") as server:
        yield bridge, {"TEMPORAL_ADDRESS": f"127.0.0.1:{server.sockets[0].getsockname()[1]}"}
        bridge.cut()


async def test_watch_outlives_a_server_that_is_away_for_a_while(temporal: Client, running: TicketRef) -> None:
    """It says that nobody answers, in place and without a line of anybody's log, and goes on when somebody does."""
    watch = ("watch", running.key, "--interval", "0.2")
    async with way_to(temporal) as (bridge, env), on_screen(*watch, env=env) as screen:
        await screen.until_shown("granted")
        bridge.cut()
        await screen.until_shown("no answer from Temporal now, still asking")
        bridge.mend()
        await temporal.get_workflow_handle(request_workflow_id(running)).signal("revoke")
        assert await screen.ended() == 0
        await screen.until_shown("closed")
        assert "WARN" not in screen.shown


async def test_watch_ends_at_ctrl_c_and_leaves_the_terminal_as_it_was(temporal: Client, running: TicketRef) -> None:
    """Exit code 130, the cursor is back, and nothing of ours is complained about."""
    async with on_screen("watch", running.key, "--interval", "0.2", env=to(temporal)) as screen:
        await screen.until_shown("granted")
        screen.type(CTRL_C)
        assert await screen.ended() == 130
        assert screen.shown.rindex(CURSOR_SHOWN) > screen.shown.rindex(CURSOR_HIDDEN)
        assert "Traceback" not in screen.shown


async def test_watch_waits_for_a_ticket_that_is_too_new_and_tells_a_pipe_each_line_once(temporal: Client) -> None:
    """What `request` advises works at once; without a terminal it is a log: a line for each thing that happens."""
    async with way_to(temporal) as (bridge, env):
        run = asyncio.create_task(nightlatch("watch", "SEC-79", "--interval", "0.2", env=env))
        await bridge.in_use.wait()
        async with telling_request(temporal, "SEC-79") as ticket:
            before = TellingRequest.looks
            async with asyncio.timeout(20):
                while TellingRequest.looks < before + 3:
                    await asyncio.sleep(0.02)
            await temporal.get_workflow_handle(request_workflow_id(ticket)).signal("revoke")
            said = await run
    assert said.code == 0, said.err
    assert said.out.index("granted") < said.out.index("closed (ended")
    assert said.out.count("granted") == 2
