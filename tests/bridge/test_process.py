"""The bridge as it is run: a process beside the real Jira adapter, a Jira that sends webhooks, and a Temporal server."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client

from domain.ids import TicketRef
from sandbox.client import SandboxClient
from sandbox.loopback import loopback_client
from tests.bridge.conftest import PREFIX, SECRET, House, until
from tests.sandbox_process import REPOSITORY, SandboxProcess, running_sandbox

BOT_TOKEN = "nightlatch-bot-token"  # noqa: S105 - the sandbox's
OWN_ACCOUNT = "712020:nightlatch-bot-0000-0000-0000-000000000008"


@dataclass
class BridgeProcess:
    address: str
    process: asyncio.subprocess.Process
    log: Path

    async def stop(self, by: signal.Signals) -> int:
        self.process.send_signal(by)
        async with asyncio.timeout(30):
            return await self.process.wait()


def environment(house: House, jira: str, **changed: str) -> dict[str, str]:
    target = house.client.service_client.config.target_host
    ours = {
        "TEMPORAL_ADDRESS": target,
        "NIGHTLATCH_CONFIG": "none.toml",
        "NIGHTLATCH_SITE": house.site,
        "NIGHTLATCH_CATALOGUE": "catalog",
        "NIGHTLATCH_JIRA__URL": jira,
        "NIGHTLATCH_JIRA__EMAIL": "nightlatch-bot@example.com",
        "NIGHTLATCH_JIRA__TOKEN": BOT_TOKEN,
        "NIGHTLATCH_JIRA__SITE": house.site,
        "NIGHTLATCH_JIRA__OWN_ACCOUNT": OWN_ACCOUNT,
        "NIGHTLATCH_JIRA__PROJECT": "SEC",
        "NIGHTLATCH_CONTROL_ISSUE_ID": "1",
        "NIGHTLATCH_CONTROL_ISSUE_KEY": "SEC-1",
        "NIGHTLATCH_KEYS__TRUSTED": "trusted.json",
        "NIGHTLATCH_BRIDGE__WEBHOOK_SECRET": SECRET,
        "NIGHTLATCH_BRIDGE__PORT": "0",
        "NIGHTLATCH_BRIDGE__POLL_SECONDS": "0.5",
        "NIGHTLATCH_BRIDGE__STATE": str(house.state),
        "NIGHTLATCH_QUEUE_PREFIX": PREFIX,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NIGHTLATCH_", "TEMPORAL_"))}
    return kept | ours | changed


async def start(log: Path, variables: Mapping[str, str]) -> asyncio.subprocess.Process:
    with log.open("ab") as errors:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "starter.bridge",
            cwd=REPOSITORY,
            env=dict(variables),
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )


@asynccontextmanager
async def running_bridge(house: House, jira: str, log: Path) -> AsyncIterator[BridgeProcess]:
    process = await start(log, environment(house, jira))
    assert process.stdout
    try:
        async with asyncio.timeout(30):
            address = json.loads(await process.stdout.readline())["bridge"]
        yield BridgeProcess(address, process, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture(scope="module")
async def jira(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProcess]:
    async with running_sandbox(tmp_path_factory.mktemp("jira")) as process:
        yield process


async def create_issue(jira: SandboxProcess, house: House) -> TicketRef:
    fields = {
        "project": {"key": "SEC"},
        "issuetype": {"name": "Access request"},
        "summary": "Access",
        "customfield_10101": "aws-prod-admin",
        "customfield_10102": "1h",
        "customfield_10104": "a deploy",
    }
    async with as_alice(jira) as alice:
        made = (await alice.post("/issue", json={"fields": fields})).json()
    return TicketRef(site=house.site, issue_id=made["id"], key=made["key"])


async def comment(jira: SandboxProcess, ticket: TicketRef, text: str) -> None:
    paragraph = {"type": "paragraph", "content": [{"type": "text", "text": text}]}
    document = {"type": "doc", "version": 1, "content": [paragraph]}
    async with as_alice(jira) as alice:
        assert (await alice.post(f"/issue/{ticket.key}/comment", json={"body": document})).status_code == 201


def as_alice(jira: SandboxProcess) -> httpx.AsyncClient:
    return loopback_client(base_url=f"{jira.base_url}/jira/rest/api/3", auth=("alice@example.com", "alice-token"))


async def test_bring_webhooks_and_lost_changes_to_the_request(
    house: House, jira: SandboxProcess, tmp_path: Path
) -> None:
    """Jira's own webhook starts the request; what it drops is polled after a restart; both signals end it cleanly."""
    log = tmp_path / "bridge.log"
    async with SandboxClient(jira.base_url) as hand:
        async with running_bridge(house, f"{jira.base_url}/jira", log) as bridge:
            await hand.set_jira_webhook(f"{bridge.address}/webhooks/jira", SECRET)
            ticket = await create_issue(jira, house)
            await hand.wait_for_event("webhook.delivered", issue_key=ticket.key)
            assert await house.names(ticket) is not None

            async def is_ready(address: str = bridge.address) -> bool:
                return (await house.http.get(f"{address}/readyz")).status_code == 200

            await until(is_ready)
            assert await bridge.stop(signal.SIGTERM) == 0
        await hand.set_jira_webhook("", "")
        await comment(jira, ticket, "/extend 30m")
        async with running_bridge(house, f"{jira.base_url}/jira", log) as bridge:

            async def is_told() -> bool:
                return "extend" in (await house.names(ticket) or [])

            await until(is_told)
            assert await bridge.stop(signal.SIGINT) == 0
    written = log.read_text()
    assert ticket.key in written
    assert "Traceback" not in written
    assert SECRET not in written
    assert BOT_TOKEN not in written


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"TEMPORAL_ADDRESS": "not an address"}, "TEMPORAL_ADDRESS"),
        ({"NIGHTLATCH_BRIDGE__HOST": "192.0.2.1"}, "192.0.2.1"),
        ({"NIGHTLATCH_BRIDGE__WEBHOOK_SECRET": "short"}, "webhook_secret"),
    ],
)
async def test_say_in_one_line_why_it_does_not_start(
    house: House, temporal: Client, tmp_path: Path, changed: dict[str, str], words: str
) -> None:
    """What keeps the bridge from serving is named with its remedy, without a traceback, and ends it with a failure."""
    assert temporal is house.client
    log = tmp_path / "bridge.log"
    process = await start(log, environment(house, "http://127.0.0.1:1", **changed))
    async with asyncio.timeout(30):
        await process.communicate()
    written = log.read_text()
    assert process.returncode == 1
    assert words in written
    assert "Traceback" not in written
    assert "short" not in written
