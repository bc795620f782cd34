"""The embedded stack: Temporal, the sandbox vendors, worker and bridge, each a process, each waited for until it serves."""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import httpx
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from domain.errors import InvalidInputError
from domain.queues import Queue, queue_name
from domain.search import KINDS
from starter.connection import connect
from starter.dev_config import BOT, OKTA_APP, OKTA_SCOPES, SITE, login, write_profile, write_settings
from starter.dev_home import HOST, Home, Part, Stack, choose_ports
from starter.dev_process import is_alive, start, stop, tail
from starter.dev_vendors import VendorsHand

START_SECONDS = 90.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.1
QUEUE_PREFIX = "nightlatch-"
TEMPORAL = Path(sys.executable).parent / "temporal"

Tell = Callable[[str], None]


async def start_stack(home: Home, tell: Tell) -> Stack:
    """Start every process and return when all serve. `tell` hears of each step.

    Raises:
        InvalidInputError: one did not come up, with the end of its log. What was started runs on: the caller stops it.
    """
    home.adopt()
    stack = Stack(ports=choose_ports(home.load().ports, home.given))
    home.save(stack)
    write_profile(home, stack)
    run = _Run(home, stack, tell)
    run.start("temporal", temporal_command(home, stack))
    sandbox = ["-m", "sandbox", "--port", str(stack.ports.sandbox), "--data", str(home.sandbox)]
    run.start("sandbox", [sys.executable, *sandbox])
    await run.until_serving("sandbox", lambda: _answers(f"{stack.sandbox}/healthz"))
    await run.until_serving("temporal", lambda: _listens(stack.ports.temporal))
    async with VendorsHand(stack.sandbox) as hand:
        control = await hand.control_ticket(SITE, login(BOT))
        public_key, webhook_secret = write_settings(home, stack, control)
        await hand.register_okta_app(OKTA_APP, public_key, OKTA_SCOPES)
        await hand.set_jira_webhook(f"{stack.bridge}/webhooks/jira", webhook_secret)
    await run.set_up()
    worker = run.start("worker", [sys.executable, "worker.py"])
    run.start("bridge", [sys.executable, "-m", "starter.bridge"])
    await run.until_serving("bridge", lambda: _answers(f"{stack.bridge}/readyz"))
    client = await connect()
    await run.until_serving("worker", lambda: _polls(client, worker))
    return home.load()


def stop_stack(home: Home, patience_seconds: float = STOP_SECONDS) -> tuple[str, ...]:
    """End every process of the stack, those that use others first. Returns the names of those that ran."""
    stack = home.load()
    running = [part for part in stack.parts if is_alive(part)]
    base = ("temporal", "sandbox")
    stop([part for part in running if part.name not in base], patience_seconds)
    stop([part for part in running if part.name in base], patience_seconds)
    if stack.parts:
        home.save(stack.model_copy(update={"parts": ()}))
    return tuple(part.name for part in running)


def running_parts(stack: Stack) -> dict[str, bool]:
    """Each remembered process -> whether it still runs."""
    return {part.name: is_alive(part) for part in stack.parts}


class _Run:
    """One start: what was started is remembered at once, so that it can be ended whatever happens next."""

    def __init__(self, home: Home, stack: Stack, tell: Tell) -> None:
        self._home = home
        self._stack = stack
        self._tell = tell

    def start(self, name: str, command: list[str]) -> Part:
        part = start(name, command, self._home.environment(), self._home.log(name))
        self._stack = self._stack.model_copy(update={"parts": (*self._stack.parts, part)})
        self._home.save(self._stack)
        return part

    async def until_serving(self, name: str, serves: Callable[[], Awaitable[bool]]) -> None:
        part = next(part for part in self._stack.parts if part.name == name)
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await serves():
                    if not is_alive(part):
                        raise self._failed(name, "has ended")
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            raise self._failed(name, f"does not serve after {START_SECONDS:g} s") from error
        self._tell(name)

    async def set_up(self) -> None:
        """What an operator does once: `nightlatch setup`, in a process of its own."""
        log = self._home.log("setup")
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "starter.cli", "setup"),
                env=self._home.environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if code != 0:
            raise self._failed("setup", "did not succeed")

    def _failed(self, name: str, how: str) -> InvalidInputError:
        log = self._home.log(name)
        return InvalidInputError(f"{name} {how}. The end of {log}:\n{tail(log)}")


def temporal_command(home: Home, stack: Stack) -> list[str]:
    if not TEMPORAL.exists():
        raise InvalidInputError(f"{TEMPORAL} is missing: install the requirements into this environment (`make .venv`)")
    attributes = [word for name, kind in KINDS.items() for word in ("--search-attribute", f"{name}={kind}")]
    return [
        *(str(TEMPORAL), "server", "start-dev", "--ip", HOST),
        *("--port", str(stack.ports.temporal), "--ui-port", str(stack.ports.ui), "--log-level", "error"),
        *("--db-filename", str(home.database)),
        *("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=1"),
        *attributes,
    ]


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        try:
            return (await http.get(url)).is_success
        except httpx.HTTPError:
            return False


async def _listens(port: int) -> bool:
    with suppress(OSError):
        _, writer = await asyncio.open_connection(HOST, port)
        writer.close()
        return True
    return False


async def _polls(client: Client, worker: Part) -> bool:
    """Whether this very process polls for grants, which a worker does last of all: the server sees who asks."""
    queue = TaskQueue(name=queue_name(QUEUE_PREFIX, Queue.GRANTS))
    question = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=queue, task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    )
    try:
        answer = await client.workflow_service.describe_task_queue(question, timeout=timedelta(seconds=5))
    except RPCError:
        return False
    identity = f"{worker.pid}@{socket.gethostname()}"
    return any(poller.identity == identity for poller in answer.pollers)
