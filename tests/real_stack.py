"""The embedded stack for chaos tests: real processes on a database file, to be killed one by one; the vendors' log as oracle."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from activities.integrations.jira_person import JiraPerson, PersonSettings
from domain.queues import Queue, queue_name
from domain.values import parse_instant
from sandbox.client import SandboxClient
from starter.dev_config import BOT_ACCOUNT, SITE, login
from starter.dev_home import STATE_VARIABLE, Home, Part, Stack
from starter.dev_process import is_alive, start
from starter.dev_stack import QUEUE_PREFIX, start_stack, stop_stack, temporal_command

GROUPS = {"aws-prod-admin": "00gawsprodadmin000001", "gcp-prod-viewer": "00ggcpprodviewer00001"}
PATIENCE_SECONDS = 100.0


class RealStack:
    """Everything that `nightlatch dev up` starts, with hands to kill and start each process, and people to use Jira."""

    def __init__(self, home: Home, sandbox: SandboxClient) -> None:
        self.home = home
        self.sandbox = sandbox

    @property
    def stack(self) -> Stack:
        return self.home.load()

    def person(self, name: str) -> JiraPerson:
        email, token = login(name)
        return JiraPerson(
            PersonSettings(
                url=f"{self.stack.sandbox}/jira",
                email=email,
                token=SecretStr(token),
                nightlatch_account=BOT_ACCOUNT,
                site=SITE,
            )
        )

    async def ask(self, duration: str, *, by: str = "alice", entitlement: str = "aws-prod-admin") -> str:
        """A request, approved by carol as soon as the question is posted. Returns the ticket's key."""
        asked = await asyncio.to_thread(
            self.person(by).create_request, entitlement=entitlement, duration=duration, reason="chaos"
        )
        await self.until_audit("comment.added", issue_key=asked.key)
        await asyncio.to_thread(self.person("carol").transition_to, asked, "Approved")
        return asked.key

    async def hold(self, name: str, call: str, when: str, pair: dict[str, Any]) -> str:
        """Hold the next such call for a pair at the vendor. Returns the rule."""
        path = f"/groups/{pair['group_id']}/users/{pair['user_id']}$"
        fault = {"kind": "hold", "name": name, "when": when}
        return await self.sandbox.arm("okta", fault, method=call, path=path, times=1)

    async def audit(self, event: str, after: int = 0, **facts: Any) -> list[dict[str, Any]]:
        """Lines of the vendors' own log, oldest first."""
        lines = await self.sandbox.audit(after)
        return [
            line
            for line in lines
            if line["event"] == event and all(line.get(name) == value for name, value in facts.items())
        ]

    async def until_audit(self, event: str, after: int = 0, **facts: Any) -> dict[str, Any]:
        """The first such line, when it is there."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := await self.audit(event, after, **facts)):
                await asyncio.sleep(0.05)
        return found[0]

    async def wait_till(self, moment: datetime) -> None:
        """Return when the vendors' clock, which is this machine's, has passed `moment`."""
        while (left := (moment - datetime.now(UTC)).total_seconds()) > 0:
            await asyncio.sleep(left)

    async def mark(self) -> int:
        """Where the vendors' log ends now."""
        lines = await self.sandbox.audit(0)
        return int(lines[-1]["seq"]) if lines else 0

    def kill(self, name: str) -> None:
        """SIGKILL, and gone."""
        part = self._part(name)
        os.killpg(part.pid, signal.SIGKILL)
        os.waitpid(part.pid, 0)
        self._remember(tuple(other for other in self.stack.parts if other.name != name))

    def start(self, name: str) -> None:
        commands: dict[str, Callable[[], list[str]]] = {
            "worker": lambda: [sys.executable, "worker.py"],
            "bridge": lambda: [sys.executable, "-m", "starter.bridge"],
            "temporal": lambda: temporal_command(self.home, self.stack),
        }
        part = start(name, commands[name](), self.home.environment(), self.home.log(f"{name}-again"))
        self._remember((*self.stack.parts, part))

    async def until_polling(self) -> datetime:
        """When the worker that was started again had begun to poll for leases."""
        log = self.home.log("worker-again")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while f"polling {queue_name(QUEUE_PREFIX, Queue.LEASES)}" not in log.read_text():
                await asyncio.sleep(0.02)
        return datetime.now(UTC)

    def _part(self, name: str) -> Part:
        return next(part for part in self.stack.parts if part.name == name and is_alive(part))

    def _remember(self, parts: tuple[Part, ...]) -> None:
        self.home.save(self.stack.model_copy(update={"parts": parts}))


def pair(person: str, entitlement: str = "aws-prod-admin") -> dict[str, Any]:
    """How the vendors' log names a change of that person's membership."""
    return {"group_id": GROUPS[entitlement], "user_id": f"00u{person}".ljust(20, "0") + "1", "changed": True}


def instant(line: dict[str, Any]) -> datetime:
    """When a line of the vendors' log was written."""
    return parse_instant(line["at"])


@asynccontextmanager
async def running_stack(folder: Path) -> AsyncIterator[RealStack]:
    """A whole stack with its state in `folder`, ended with the block. The environment points to it meanwhile."""
    home, before = Home(folder), dict(os.environ)
    os.environ[STATE_VARIABLE] = str(folder)
    with home.changing():
        pass
    try:
        stack = await start_stack(home, lambda _: None)
        async with SandboxClient(stack.sandbox) as sandbox:
            yield RealStack(home, sandbox)
    finally:
        await asyncio.to_thread(stop_stack, home, 5.0)
        for name in (STATE_VARIABLE, *home.pointers()):
            os.environ.pop(name, None)
            os.environ |= {name: before[name]} if name in before else {}
