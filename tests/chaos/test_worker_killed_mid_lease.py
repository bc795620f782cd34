"""SIGKILL with leases in every phase at once: the next worker ends them all. The oracle is the vendors' own log."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.registry import load_keys
from activities.settings import load_settings
from domain.values import parse_instant
from starter.ticket_evidence import Line, read_lines, read_ticket
from tests.figures import Measured
from tests.real_stack import RealStack, instant, pair

pytestmark = pytest.mark.timeout(240)

RESTART_BOUND = timedelta(seconds=12)
"""DESIGN 3: restart + 12 s, the engine's 10 s task and sticky timeouts. A worker is there from its first poll on."""


@dataclass(frozen=True)
class Phase:
    """What one lease is doing when the worker dies. `held`: the vendor call that is out, and whether it has taken effect."""

    person: str
    entitlement: str
    duration: str
    held: tuple[str, str] | None = None

    @property
    def pair(self) -> dict[str, Any]:
        return pair(self.person, self.entitlement)


PHASES = {
    "active": Phase("alice", "aws-prod-admin", "40s"),
    "revoke sent": Phase("alice", "gcp-prod-viewer", "2s", ("DELETE", "before")),
    "revoked, reply lost": Phase("dave", "gcp-prod-viewer", "2s", ("DELETE", "after")),
    "over while nobody is there": Phase("erin", "gcp-prod-viewer", "14s"),
    "grant sent": Phase("dave", "aws-prod-admin", "40s", ("PUT", "before")),
    "granted, reply lost": Phase("bob", "aws-prod-admin", "40s", ("PUT", "after")),
}
HELD = [name for name, phase in PHASES.items() if phase.held is not None]


async def test_worker_killed_with_leases_in_every_phase_and_a_new_worker_ends_them(
    stack: RealStack, measured: Measured
) -> None:
    """Nothing stays: what was active ends at its time or 12 s after the restart, what was half done ends absent, and each
    ticket tells it once, in order, in records that verify."""
    mark = await stack.mark()
    keys = await _bring_into_phase(stack, mark)
    unattended = PHASES["over while nobody is there"].pair
    over_at = instant(await stack.until_audit("membership.added", mark, **unattended)) + timedelta(seconds=14)
    stack.kill("worker")
    for name in HELD:
        await stack.sandbox.release(name)
    await stack.wait_till(over_at + timedelta(seconds=1))
    assert await stack.audit("membership.removed", mark, **unattended) == []
    stack.start("worker")
    restarted = await stack.until_polling()
    for name, key in keys.items():
        await stack.until_audit("issue.transitioned", mark, issue_key=key, to="Closed")
        await _assert_gone(stack, mark, name)
        await _assert_told_once(key)
    removed = instant((await stack.audit("membership.removed", mark, **unattended))[-1])
    measured("every worker is down at the end; one comes back", removed - restarted)
    assert removed <= restarted + RESTART_BOUND
    gone = instant((await stack.audit("membership.removed", mark, **PHASES["active"].pair))[0])
    ends_at = await _armed_until(keys["active"])
    assert ends_at <= gone <= max(ends_at, restarted) + RESTART_BOUND


async def _bring_into_phase(stack: RealStack, mark: int) -> dict[str, str]:
    """Each lease doing what its phase says. Returns the tickets' keys."""
    keys = {}
    for name, phase in PHASES.items():
        if phase.held is not None:
            await stack.hold(name, *phase.held, phase.pair)
        keys[name] = await stack.ask(phase.duration, by=phase.person, entitlement=phase.entitlement)
        if phase.held is None:
            await stack.until_audit("membership.added", mark, **phase.pair)
    for name in HELD:
        await stack.sandbox.wait_until_held(name)
    return keys


async def _assert_gone(stack: RealStack, mark: int, name: str) -> None:
    added = await stack.audit("membership.added", mark, **PHASES[name].pair)
    removed = await stack.audit("membership.removed", mark, **PHASES[name].pair)
    assert len(added) == len(removed), name
    assert all(there["seq"] < gone["seq"] for there, gone in zip(added, removed, strict=True)), name


async def test_temporal_killed_mid_lease_and_access_ends_after_its_restart(
    stack: RealStack, measured: Measured
) -> None:
    """The engine killed on its database file and started again keeps the promise: a timer that is due fires at once."""
    mark = await stack.mark()
    key = await stack.ask("5s")
    await stack.until_audit("membership.added", mark, **pair("alice"))
    stack.kill("temporal")
    stack.start("temporal")
    restarted = datetime.now(UTC)
    removed = instant(await stack.until_audit("membership.removed", mark, **pair("alice")))
    due_at = max(await _armed_until(key), restarted)
    measured("the engine was killed mid-lease, and is started again", removed - due_at)
    assert removed <= due_at + timedelta(seconds=10)
    await stack.until_audit("issue.transitioned", mark, issue_key=key, to="Closed")
    await _assert_told_once(key)


async def _lines(key: str) -> list[Line]:
    """Every record on the ticket, checked."""
    settings = load_settings()
    view, properties = await read_ticket(settings.jira, key)
    return read_lines(properties, view.ref, load_keys(settings.keys).trusted)


async def _armed_until(key: str) -> datetime:
    """The end that the judge signed before anything was added."""
    (armed,) = [line for line in await _lines(key) if line.kind == "armed"]
    return parse_instant(armed.facts["until"])


async def _assert_told_once(key: str) -> None:
    """Every record on the ticket verifies in its chain, and none is told twice."""
    lines = await _lines(key)
    assert lines
    assert [line for line in lines if not line.verified] == []
    told = [(line.writer, line.record_id) for line in lines]
    assert len(told) == len(set(told))
    assert {"asked", "answered", "closed"} <= {line.kind for line in lines}
