"""A bridge whose disk is full: news pass all the same, it says what is wrong, and keeps its mark as soon as there is room."""

import asyncio
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from activities.settings import load_settings
from sandbox.loopback import loopback_client
from starter.dev_home import Part
from starter.dev_process import start, stop
from starter.high_water import Mark
from tests.real_stack import PATIENCE_SECONDS, RealStack, pair

pytestmark = pytest.mark.timeout(240)

STATE = "of-a-full-disk/bridge.json"


@pytest.fixture
async def bridge(stack: RealStack) -> AsyncIterator[Part]:
    """The bridge, started on a disk that takes nothing, and without webhooks."""
    ours = load_settings().bridge
    assert ours is not None
    stack.kill("bridge")
    await stack.sandbox.set_jira_webhook("", "")
    state = stack.home.folder / STATE
    more = {"NIGHTLATCH_BRIDGE__POLL_SECONDS": "0.5", "NIGHTLATCH_BRIDGE__STATE": str(state)}
    command = [sys.executable, "-c", NO_ROOM, "-m", "starter.bridge"]
    part = start("bridge", command, stack.home.environment() | more, Path("/dev/full"))
    yield part
    await asyncio.to_thread(stop, [part], 5.0)
    await stack.sandbox.set_jira_webhook(f"{stack.stack.bridge}/webhooks/jira", ours.webhook_secret.get_secret_value())
    stack.start("bridge")


NO_ROOM = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


async def test_full_disk_holds_no_news_up_and_is_told(stack: RealStack, bridge: Part) -> None:
    """A request is begun, answered and ended by polling alone; `/readyz` names the trouble, until the mark can be kept."""
    mark = await stack.mark()
    key = await stack.ask("1m")
    await stack.until_audit("membership.added", mark, **pair("alice"))
    ready = await _readiness(stack)
    assert not ready["ready"]
    assert "its mark cannot be kept: File too large" in str(ready["reasons"])
    assert not (stack.home.folder / STATE).exists()
    most = resource.prlimit(bridge.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(bridge.pid, resource.RLIMIT_FSIZE, (most, most))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (await _readiness(stack))["ready"]:
            await asyncio.sleep(0.1)
    assert Mark.model_validate_json((stack.home.folder / STATE).read_bytes()).owed == ()
    alice = stack.person("alice")
    await asyncio.to_thread(alice.comment, await asyncio.to_thread(alice.find, key), "/revoke")
    await stack.until_audit("membership.removed", mark, **pair("alice"))
    await stack.until_audit("issue.transitioned", mark, issue_key=key, to="Closed")


async def _readiness(stack: RealStack) -> dict[str, Any]:
    """What `/readyz` says; not ready while nobody answers."""
    async with loopback_client() as http:
        try:
            return dict((await http.get(f"{stack.stack.bridge}/readyz")).json())
        except httpx.TransportError:
            return {"ready": False}
