"""`nightlatch dev up | down | status`: the embedded stack, left running for people to click through."""

import asyncio
import shlex
import shutil
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from domain.errors import InvalidInputError
from starter.dev_guard import Guard
from starter.dev_home import HOST, Home, Stack
from starter.dev_stack import running_parts, start_stack, stop_stack

INTERRUPTED_PATIENCE_SECONDS = 5.0
PARTS = ("temporal", "sandbox", "worker", "bridge")

Result = TypeVar("Result")


def up() -> dict[str, str]:
    """Start the stack and return its addresses; one that runs already is left as it is.

    Raises:
        InvalidInputError: it does not come up. Nothing of it is left running then.
    """
    home = Home.from_environment()
    if is_whole(home.load()):
        return {"stack": "was running already"} | addresses(home, home.load())
    with tenure(home) as held:
        try:
            stack = interruptible(start_stack(home, lambda name: _note(f"{name} serves")))
        except asyncio.CancelledError:
            raise InvalidInputError("interrupted; what had been started is stopped again") from None
        held.keep = True
    return {"stack": "is running"} | addresses(home, stack)


def down() -> dict[str, str]:
    """Stop what runs of the stack. Its state stays, and access that it holds is taken back after the next start."""
    home = Home.from_environment()
    with home.changing():
        stopped = stop_stack(home)
    return {"stopped": ", ".join(stopped) or "nothing was running"}


def status() -> dict[str, str]:
    """Each process, and the addresses if all of them run."""
    home = Home.from_environment()
    stack = home.load()
    running = running_parts(stack)
    told = {"folder": str(home.folder)}
    told |= {name: "running" if running.get(name) else "not running" for name in PARTS}
    return told | (addresses(home, stack) if is_whole(stack) else {})


def is_whole(stack: Stack) -> bool:
    running = running_parts(stack)
    return all(running.get(name) for name in PARTS)


def addresses(home: Home, stack: Stack) -> dict[str, str]:
    """Where to look, and what a command needs in order to speak to this stack."""
    pointers = " ".join(f"{name}={shlex.quote(value)}" for name, value in home.pointers().items())
    command = "nightlatch" if shutil.which("nightlatch") else str(Path(sys.executable).with_name("nightlatch"))
    return {
        "tickets": f"{stack.sandbox}/jira/",
        "temporal-ui": stack.temporal_ui,
        "temporal-grpc": f"{HOST}:{stack.ports.temporal}",
        "webhooks": f"{stack.bridge}/webhooks/jira",
        "logs": str(home.logs),
        "first": f"export {pointers}",
        "then": f'{command} request aws-prod-admin 10m --reason "try it" --as alice',
    }


@dataclass
class Tenure:
    """`keep`: what was started is to stay when the block ends."""

    keep: bool = False


@contextmanager
def tenure(home: Home) -> Iterator[Tenure]:
    """Alone in charge of the stack; what is started in the block ends with it, even if this process is killed.

    Raises:
        InvalidInputError: somebody else is in charge.
    """
    with home.changing():
        stop_stack(home)
        guard, held = Guard(home), Tenure()
        try:
            yield held
        finally:
            # From here on a further Ctrl-C changes nothing: what was begun is put away, within bounds.
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            if not held.keep:
                stop_stack(home, INTERRUPTED_PATIENCE_SECONDS)
            guard.dismiss(keep=held.keep)
            signal.signal(signal.SIGINT, before)


def interruptible(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work`; SIGINT, SIGTERM and SIGHUP cancel it at its next await, and no sooner, so that no process goes unrecorded.

    Raises:
        asyncio.CancelledError: it was interrupted. A second signal changes nothing: what was begun is put away in order.
    """

    async def run() -> Result:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
        return await task

    return asyncio.run(run())


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")
