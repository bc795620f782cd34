"""What a sweep is asked for, what it found and did, and the signed word by which anybody sees that it still runs."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import Field

from domain.canonical import KeyRole
from domain.drift import DriftKind, Finding, Remedy, shield_of
from domain.ids import ProviderInstance, TicketRef
from domain.ledger import Claim
from domain.signed import SignedBody
from domain.values import Instant, Value
from domain.watch import WatchedTarget
from domain.witness import SessionsEnded

PROPERTY = "nightlatch.sweep"

STALE_AFTER = timedelta(minutes=45)
"""Three times the quarter of an hour at which `deploy/` schedules it."""


class SweepOrder(Value):
    """`instances`: only these, all of them when empty. `limit`: how many whom we never granted a run removes.

    `older_than`: what is due for less is left to the engine. `drain_all`: whoever we granted, and every member of an
    enforced target, has to go.
    """

    instances: tuple[str, ...] = ()
    older_than: timedelta = timedelta(0)
    limit: int = Field(default=20, ge=1)
    dry_run: bool = False
    drain_all: bool = False


class Removed(Value):
    """One pair that was taken away. `proved_at` is None while it was not seen absent twice; `problem` says why."""

    lease_id: str
    ticket: str
    was_ours: bool
    removed_at: Instant | None = None
    proved_at: Instant | None = None
    sessions: SessionsEnded = SessionsEnded.FAILED
    problem: str = ""


class TargetSweep(Value):
    """`problem`: why the target could not be looked at; nobody is then judged. `waiting`: what the limit leaves to the next."""

    target: str
    instance: ProviderInstance
    members: int = 0
    findings: tuple[Finding, ...] = ()
    removed: tuple[Removed, ...] = ()
    waiting: int = 0
    problem: str = ""


class SweepMemory(Value):
    """What a run leaves to the next. `held`: lease id -> the ticket of an open claim, `<issue id>/<key>`.

    `strangers`: members of whom no ticket tells, since when they have been seen.
    """

    held: Mapping[str, str] = {}
    strangers: Mapping[str, Instant] = {}


class SweepReport(Value):
    began_at: Instant
    ended_at: Instant
    targets: tuple[TargetSweep, ...] = ()
    problems: tuple[str, ...] = ()
    memory: SweepMemory = SweepMemory()

    @property
    def removed(self) -> tuple[Removed, ...]:
        return tuple(each for target in self.targets for each in target.removed)

    @property
    def faults(self) -> tuple[str, ...]:
        """Why access may still be there that should not: what could not be read, was put off, or did not go."""
        told = [*self.problems]
        for target in self.targets:
            told += [f"{target.target}: {target.problem}"] if target.problem else []
            told += [f"{target.target}: {target.waiting} more wait for the next run"] if target.waiting else []
            told += [f"{each.lease_id}: {each.problem}" for each in target.removed if each.problem]
            dealt_with = {each.lease_id for each in target.removed}
            if not target.waiting:
                left = (found for found in target.findings if found.acts and found.lease_id not in dealt_with)
                told += [f"{found.lease_id}: {found.kind}, and still a member" for found in left]
        return tuple(told)


class SweepWord(SignedBody):
    """When each instance was last looked at to the end, every target of it; and what the next run is to know."""

    purpose: ClassVar[str] = "sweep"
    role: ClassVar[KeyRole] = KeyRole.SCRIBE

    ticket: TicketRef
    looked_at: Mapping[ProviderInstance, Instant]
    memory: SweepMemory = SweepMemory()


def judge_drain(target: WatchedTarget, lease_id: str, now: datetime, *, was_ours: bool) -> Finding:
    """What a drain says of a member: named exceptions, and strangers in an observed target, stay."""
    shield = shield_of(target.mode, target.why_exempt(lease_id, now), was_ours=was_ours)
    return Finding(
        lease_id=lease_id,
        kind=DriftKind.DRAINED,
        remedy=Remedy.REPORT if shield else Remedy.END,
        was_ours=was_ours,
        protected=shield,
    )


def patiently(finding: Finding, claims: Iterable[Claim], now: datetime, older_than: timedelta) -> Finding:
    """The finding; left to the engine where an open claim has been due for less than `older_than`.

    A member whom no lease is to take away has no age, and is never left.
    """
    due = [claim.due_at for claim in claims if claim.is_open]
    if not due or not finding.acts or now - max(due) >= older_than:
        return finding
    return finding.model_copy(update={"remedy": Remedy.REPORT, "protected": "the engine still has time for it"})
