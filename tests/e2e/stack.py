"""The embedded stack as tests use it: commands in a state folder of their own, and what is left of their processes."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starter.dev_home import Part, Stack
from starter.dev_process import is_alive
from tests.sandbox_process import REPOSITORY

PATIENCE_SECONDS = 80


@dataclass
class Command:
    """One command at work; what it says is kept."""

    process: asyncio.subprocess.Process
    state: Path
    said: str = ""

    async def until_said(self, words: str) -> None:
        """Return once a line holds `words`; fails when the command ends before that."""
        assert self.process.stdout
        async with asyncio.timeout(PATIENCE_SECONDS):
            while line := (await self.process.stdout.readline()).decode():
                self.said += line
                if words in line:
                    return
        raise AssertionError(f"it ended before it said {words!r}:\n{self.said}")

    async def ended(self) -> int:
        """Its exit code, once it has closed its output and everything that shares it has ended too."""
        assert self.process.stdout
        async with asyncio.timeout(PATIENCE_SECONDS):
            self.said += (await self.process.stdout.read()).decode()
            return await self.process.wait()

    def stack(self) -> Stack:
        return remembered(self.state)


async def command(state: Path, *arguments: str, **variables: str) -> Command:
    """Start `python -m <arguments>` on the stack in `state`, errors and output in one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NIGHTLATCH_DEV_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        cwd=REPOSITORY,
        env=environment | {"NIGHTLATCH_DEV_STATE": str(state), "PYTHONUNBUFFERED": "1"} | variables,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    return Command(process, state)


async def dev(state: Path, verb: str, **variables: str) -> tuple[int, str]:
    """(exit code, what it said) of `nightlatch dev <verb> --json`."""
    running = await command(state, "starter.cli", "dev", verb, "--json", **variables)
    return await running.ended(), running.said


def document_of(said: str) -> dict[str, Any]:
    """The JSON document behind the progress that went to standard error."""
    found: dict[str, Any] = json.loads(said[said.index("{") :])
    return found


def remembered(state: Path) -> Stack:
    return Stack.model_validate_json((state / "stack.json").read_bytes())


def alive(parts: tuple[Part, ...]) -> list[str]:
    return [part.name for part in parts if is_alive(part)]


async def answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def nothing_is_left(parts: tuple[Part, ...], stack: Stack) -> bool:
    """No process of the stack runs, and none of its ports answers."""
    return bool(parts) and not alive(parts) and not any([await answers(port) for port in dict(stack.ports).values()])
