"""`make demo`: the whole way with real parts, judged again here, interrupted, and made to break a promise."""

import json
import signal
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from activities.registry import load_keys
from activities.settings import KeySettings
from domain.catalogue import SURFACES, TargetKind
from domain.ids import LeaseId, TicketRef
from sandbox.client import SandboxClient
from sandbox.jira.records import properties_table
from sandbox.store import Store
from starter.demo_facts import Case
from starter.demo_oracle import judge
from starter.dev_config import BOT_ACCOUNT, OKTA_INSTANCE
from starter.dev_home import HOST, Stack
from starter.dev_stack import QUEUE_PREFIX
from starter.schedules import reconcile_schedule_id
from tests.e2e.stack import Command, command, dev, nothing_is_left, remembered

SECONDS = 8
EXTENSION = SECONDS * 2 // 3
GROUP = "00gawsprodadmin000001"
ALICE = "00ualice0000000000001"
PAIR: dict[str, Any] = {"group_id": GROUP, "user_id": ALICE, "changed": True}


async def demo(state: Path) -> Command:
    return await command(state, "starter.demo", "--seconds", str(SECONDS))


async def reconciled(stack: Stack) -> None:
    """Have the reconciler look now, and not when its minute comes: whether it sees the lie is no matter of luck."""
    client = await Client.connect(f"{HOST}:{stack.ports.temporal}")
    await client.get_schedule_handle(reconcile_schedule_id(QUEUE_PREFIX, OKTA_INSTANCE)).trigger()


def audit(state: Path) -> list[dict[str, Any]]:
    """The sandbox's own account, read from its file after everything has ended."""
    with sqlite3.connect(state / "sandbox" / "sandbox.sqlite") as store:
        rows = list(store.execute("SELECT seq, line FROM audit ORDER BY seq"))
    store.close()
    return [{"seq": seq, **json.loads(line)} for seq, line in rows]


def instants(lines: list[dict[str, Any]], event: str, **facts: object) -> list[datetime]:
    return [
        datetime.fromisoformat(line["at"]) for line in lines if line["event"] == event and facts.items() <= line.items()
    ]


@dataclass
class Played:
    """A demo that has ended."""

    state: Path
    code: int
    said: str
    stack: Stack


@pytest.fixture(scope="module")
async def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    running = await demo(tmp_path_factory.mktemp("demo"))
    await running.until_said("worker serves")
    stack = running.stack()
    return Played(running.state, await running.ended(), running.said, stack)


async def test_play_one_request_through_to_proven_revocation(played: Played) -> None:
    """Every guarantee holds by the vendors' own audit log, the exit code says so, and nothing is left running."""
    assert played.code == 0, played.said
    assert played.said.count("✓") == 9
    assert "✗" not in played.said
    assert await nothing_is_left(played.stack.parts, played.stack)
    lines = audit(played.state)
    (approved,) = instants(lines, "issue.transitioned", to="Approved")
    (added,) = instants(lines, "membership.added", **PAIR)
    (removed,) = instants(lines, "membership.removed", **PAIR)
    asked_for = timedelta(seconds=SECONDS + EXTENSION)
    assert approved < added < removed
    assert approved + asked_for < removed < added + asked_for + timedelta(seconds=5)
    assert instants(lines, "session.created", user_id=ALICE)
    assert instants(lines, "sessions.revoked", user_id=ALICE)[-1] > removed
    assert instants(lines, "issue.transitioned", to="Closed")[-1] > removed


def case_of(played: Played) -> Case:
    """What the demo judged, gathered once more."""
    lines = audit(played.state)
    issue = next(line for line in lines if line["event"] == "issue.transitioned" and line["to"] == "Approved")
    store = Store(played.state / "sandbox" / "sandbox.sqlite")
    properties = dict(store.items(properties_table(issue["issue_id"])))
    store.close()
    return Case(
        ticket=TicketRef(site="demo", issue_id=issue["issue_id"], key=issue["issue_key"]),
        lease=LeaseId.parse(f"lease:okta/prod/group/{GROUP}/{ALICE}"),
        surface=SURFACES[TargetKind.OKTA_GROUP],
        approver=issue["actor"],
        scribe=BOT_ACCOUNT,
        extension=timedelta(seconds=EXTENSION),
        keys=load_keys(KeySettings(trusted=played.state / "keys" / "trusted.json")).trusted,
        audit=lines,
        properties={key: json.dumps(kept["value"], separators=(",", ":")) for key, kept in properties.items()},
        is_over=True,
    )


def broken_promises(case: Case) -> set[str]:
    return {finding.promise for finding in judge(case).findings if not finding.held}


def without(case: Case, event: str, **facts: object) -> Case:
    kept = [line for line in case.audit if line["event"] != event or not facts.items() <= line.items()]
    return replace(case, audit=kept)


def changed(case: Case, event: str, **facts: object) -> Case:
    return replace(case, audit=[{**line, **facts} if line["event"] == event else line for line in case.audit])


def forged(case: Case, old: str, new: str) -> Case:
    return replace(case, properties={key: text.replace(old, new) for key, text in case.properties.items()})


def shifted(case: Case, event: str, seconds: int) -> str:
    at = next(line["at"] for line in case.audit if line["event"] == event)
    return (datetime.fromisoformat(at) + timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize(
    ("spoil", "promise"),
    [
        (lambda case: without(case, "issue.transitioned", to="Approved"), "after the approval"),
        (lambda case: changed(case, "membership.added", seq=0), "after the approval"),
        (lambda case: changed(case, "membership.added", seq=0), "once the armed record stood"),
        (lambda case: replace(case, extension=timedelta(seconds=1)), "the extension was asked for in time"),
        (lambda case: changed(case, "membership.removed", at=shifted(case, "membership.removed", -1)), "no earlier"),
        (lambda case: changed(case, "membership.removed", at=shifted(case, "membership.removed", 6)), "at most 5 s"),
        (lambda case: without(case, "membership.removed"), "at most 5 s"),
        (lambda case: replace(case, audit=[*case.audit, {"event": "membership.added", **PAIR}]), "absent twice"),
        (lambda case: forged(case, '"presence":"absent"', '"presence":"unknown"'), "absent twice"),
        (lambda case: changed(case, "membership.removed", at=shifted(case, "membership.removed", 6)), "absent twice"),
        (lambda case: without(case, "sessions.revoked"), "sessions ended"),
        (lambda case: forged(case, "expired", "revoked"), "every chain of it verifies"),
        (lambda case: replace(case, properties={}), "the evidence is complete"),
        (lambda case: replace(case, is_over=False), "the request is over"),
    ],
)
def test_each_promise_can_be_seen_broken(played: Played, spoil: Callable[[Case], Case], promise: str) -> None:
    """A tick means something: for every guarantee there is a world in which the same judgement gives a cross."""
    case = case_of(played)
    assert broken_promises(case) == set()
    assert any(promise in broken for broken in broken_promises(spoil(case)))


def test_one_deviation_is_one_cross(played: Played) -> None:
    """Access that somebody removed before its end was proved absent all the same: only the early end is crossed."""
    case = case_of(played)
    early = changed(case, "membership.removed", at=shifted(case, "membership.removed", -1))
    assert broken_promises(early) == {"removed no earlier than the extended end"}


async def test_interrupt_leaves_nothing_running(tmp_path: Path) -> None:
    """Ctrl-C while access is held ends every process; the next start ends the access."""
    running = await demo(tmp_path)
    await running.until_said("member of the group")
    stack = running.stack()
    running.process.send_signal(signal.SIGINT)
    assert await running.ended() == 130
    assert "interrupted; nothing is left running" in running.said
    assert "Traceback" not in running.said
    assert await nothing_is_left(stack.parts, stack)
    assert not instants(audit(tmp_path), "membership.removed", **PAIR)
    try:
        assert (await dev(tmp_path, "up"))[0] == 0
        async with SandboxClient(remembered(tmp_path).sandbox) as hand:
            await hand.wait_for_event("membership.removed", **PAIR)
    finally:
        await dev(tmp_path, "down")


async def test_exit_tells_of_a_guarantee_that_did_not_hold(tmp_path: Path) -> None:
    """When a vendor's log shows something else than was promised, there is a cross and a failing exit code."""
    running = await demo(tmp_path)
    await running.until_said("extension granted")
    async with SandboxClient(running.stack().sandbox) as hand:
        await hand.remove_okta_member(GROUP, ALICE)
    await reconciled(running.stack())
    assert await running.ended() == 1
    assert "✗ removed no earlier than the extended end" in running.said
    assert running.said.count("✗") == 1, running.said
