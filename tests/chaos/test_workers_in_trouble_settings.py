"""Workers with extreme or wrong settings: no cache, a large one, and the keys of another house."""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from activities.bundle import Keys
from activities.settings import load_settings
from domain.canonical import KeyRing, KeyRole, SigningKey
from domain.messages import ExtendInput
from domain.queues import Queue
from tests.engine import start_skipping_server
from tests.house import PATIENCE_SECONDS, House, build_house
from tests.queues import all_but
from tests.real_stack import RealStack
from tests.sandbox_process import REPOSITORY
from tests.workflows.stories import actions, assert_proved_gone, close, hold
from workflows.access_request import AccessRequestWorkflow

pytestmark = pytest.mark.timeout(480)


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    async with await start_skipping_server() as environment:
        with environment.with_time_skipping_disabled():
            yield environment


@pytest.fixture
def house(server: WorkflowEnvironment) -> House:
    return build_house(server.client, server)


def keys_of_another_house() -> Keys:
    judge, witness, scribe = (
        SigningKey.from_seed(bytes([number]) * 32, role)
        for number, role in ((11, KeyRole.JUDGE), (12, KeyRole.WITNESS), (13, KeyRole.SCRIBE))
    )
    trusted = KeyRing(keys=(judge.public, witness.public, scribe.public))
    return Keys(trusted, judge=judge, witness=witness, scribe=scribe)


@pytest.mark.parametrize("cache", [0, 1000])
async def test_whole_life_of_two_targets_whatever_is_cached(house: House, cache: int) -> None:
    """Granted, extended, held beyond the first end, and revoked: the same with every task replayed, and with none."""
    async with house.working(cache=cache):
        ticket, handle = await hold(house, "1h", "pair")
        wish = house.tickets.comment_as(ticket, "/extend 30m", "alice")
        verdict = await handle.execute_update(AccessRequestWorkflow.request_extension, ExtendInput(wish_id=wish))
        assert verdict.granted
        for name in ("left", "right"):
            await house.jump(house.lease(name), timedelta(minutes=65))
            assert house.is_member(name)
        await handle.signal("revoke", {"by": "bob"})
        await close(house, handle, "left", "right")
    for name in ("left", "right"):
        assert_proved_gone(house, ticket, name)


async def test_judge_of_another_house_gets_nothing_granted(house: House) -> None:
    """Whoever asks and arms with other keys is believed by nobody who holds the credential: the lease gets no further than a look."""
    stranger = replace(house, keys=keys_of_another_house())
    judging = (Queue.TICKETS, Queue.APPROVALS)
    async with house.working(all_but(*judging)), stranger.working(judging):
        await house.approved()
        await house.until(lambda: "looked" in {entry.action for entry in house.provider.ledger})
        await _until_traced(house)
        assert actions(house) == ["absent"]
    assert house.ledger("added") == []


async def _until_traced(house: House) -> None:
    """Return when the lease, believing no witness, asks for its own traces again."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with suppress(RPCError):
                history = await house.lease().fetch_history()
                asked = [event.activity_task_scheduled_event_attributes.activity_type.name for event in history.events]
                if asked.count("trace_run") > 1:
                    return
            await asyncio.sleep(0.2)


async def test_process_with_a_judge_key_that_nobody_trusts_does_not_start(stack: RealStack, tmp_path: Path) -> None:
    """It says in one line which key is not believed and where to add it."""
    seed = tmp_path / "judge.seed"
    seed.touch(mode=0o600)
    seed.write_text(base64.urlsafe_b64encode(b"j" * 32).decode())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "worker.py"),
        cwd=REPOSITORY,
        env=stack.home.environment() | {"NIGHTLATCH_KEYS__JUDGE": str(seed), "NIGHTLATCH_QUEUE_PREFIX": "wrong-"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    trusted = load_settings().keys.trusted
    assert process.returncode == 2
    key_id = SigningKey.from_seed(b"j" * 32, KeyRole.JUDGE).public.key_id
    assert said.decode().splitlines() == [f"{key_id} is not in {trusted}; add its public key before it signs"]
