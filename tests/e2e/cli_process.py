"""`nightlatch` as a process of its own, and the sandbox's Jira as its people and its service account see it. No test lives here."""

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any

from domain.ids import TicketRef
from sandbox.loopback import loopback_client
from tests.sandbox_process import REPOSITORY, SandboxProcess

SECRETS = ("alice-token", "bob-token", "nightlatch-bot-token", "wrong-token")


@dataclass
class Said:
    """How one run ended. No run of any test may have shown a token."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


async def nightlatch(*arguments: str, env: dict[str, str] | None = None, seconds: float = 60) -> Said:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "starter.cli", *arguments),
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "COLUMNS": "200", **(env or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), seconds)
    said = Said(process.returncode or 0, out.decode(), err.decode())
    assert not any(secret in said.out + said.err for secret in SECRETS)
    assert "Traceback" not in said.err, said.err
    return said


def login(sandbox: SandboxProcess, name: str, token: str = "") -> dict[str, str]:
    return {
        "NIGHTLATCH_JIRA_URL": f"{sandbox.base_url}/jira",
        "NIGHTLATCH_JIRA_EMAIL": f"{name}@example.com",
        "NIGHTLATCH_JIRA_TOKEN": token or f"{name}-token",
    }


async def as_bot(sandbox: SandboxProcess, method: str, path: str, body: Any = None) -> Any:
    async with loopback_client(auth=("nightlatch-bot@example.com", "nightlatch-bot-token")) as client:
        reply = await client.request(method, f"{sandbox.base_url}/jira/rest/api/3{path}", json=body)
        reply.raise_for_status()
        return reply.json() if reply.content else None


async def asked(sandbox: SandboxProcess, *more: str) -> TicketRef:
    """A ticket that alice asked for by the command line."""
    said = await nightlatch(
        "request", "aws-prod-admin", "2h", "--reason", "rotate keys", "--json", *more, env=login(sandbox, "alice")
    )
    assert said.code == 0, said.err
    return TicketRef(site="demo", issue_id=said.document["issue_id"], key=said.document["ticket"])
