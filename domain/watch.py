"""What the reconciler's workflow and activities say to each other, and what one run leaves to the next. Messages only grow."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from pydantic import Field

from domain.catalogue import Catalogue, SuspendAfter, TargetKind, TargetMode
from domain.drift import UNSEEN, Finding, Known
from domain.ids import LeaseId, ProviderInstance, TargetRef
from domain.values import Instant, Value

WATCH_FOR = timedelta(days=90)
"""How long after its last lease a target is watched that the catalogue no longer names (DESIGN 6)."""


class ReconcileInput(Value):
    """One provider instance. `limit`: how many members whom we never granted a run removes at most."""

    instance: ProviderInstance
    limit: int = Field(default=20, ge=1)


class Exempt(Value):
    """An account that the catalogue lets be a member without a lease, through the day `until` (UTC), and why."""

    account: str
    reason: str
    until: date


class WatchedTarget(Value):
    """A target to look at. One that the catalogue does not name (`is_named`) is only observed: what we granted is removed all
    the same.
    """

    kind: TargetKind
    ref: TargetRef
    name: str
    mode: TargetMode = TargetMode.OBSERVE
    exceptions: tuple[Exempt, ...] = ()
    suspend_after: SuspendAfter = None
    is_named: bool = True

    def why_exempt(self, lease_id: str, now: datetime) -> str:
        """Why the account of that lease id may stay, while an exception lasts; empty otherwise."""
        account = LeaseId.parse(lease_id).subject.user_id
        for named in self.exceptions:
            if named.account == account and now.date() <= named.until:
                return f"{named.reason} (until {named.until})"
        return ""


def watched_targets(catalogue: Catalogue, instance: str) -> dict[TargetRef, WatchedTarget]:
    """The targets that the catalogue names at a provider instance."""
    return {
        target.ref: WatchedTarget(
            kind=target.kind,
            ref=target.ref,
            name=target.name,
            mode=target.mode,
            exceptions=tuple(Exempt.model_validate(named.model_dump()) for named in target.exceptions),
            suspend_after=target.suspend_after,
        )
        for target in catalogue.targets.values()
        if target.instance == instance
    }


class LeasedTarget(Value):
    """A target that a lease was begun for, and when the newest was."""

    kind: TargetKind
    ref: TargetRef
    name: str
    leased_at: Instant


class Memory(Value):
    """`listed`: target -> its last complete listing. `known`: lease id -> what was found before and is not over.

    `leased`: the targets of leases, known up to `read_until`. `unlisted`: target -> since when it could not be listed.
    `said`: what people were woken for and is not over -> when they were told last.
    """

    listed: Mapping[str, Instant] = {}
    known: Mapping[str, Known] = {}
    leased: tuple[LeasedTarget, ...] = ()
    read_until: Instant | None = None
    unlisted: Mapping[str, Instant] = {}
    said: Mapping[str, Instant] = {}


class WatchInput(Value):
    instance: ProviderInstance
    memory: Memory


class WatchResult(Value):
    """What to look at, and what of the engine's list is known now. `problem`: why the catalogue's targets are not among them.

    `control`: the key of the control ticket, where people are sent.
    """

    targets: tuple[WatchedTarget, ...]
    leased: tuple[LeasedTarget, ...]
    read_until: Instant
    problem: str = ""
    control: str = ""


class LookInput(Value):
    target: WatchedTarget
    known: Mapping[str, Known] = {}


class TargetLook(Value):
    """One complete listing, judged. `more`: findings beyond those that are told; the next run finds them again.

    `ours`: lease ids of members whose run bears a warrant of the judge's.
    """

    listed_at: Instant
    members: int
    ours: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    more: int = 0


class RemedyInput(Value):
    """`known`: what earlier looks knew of the pair."""

    target: WatchedTarget
    finding: Finding
    known: Known = UNSEEN


class RemedyResult(Value):
    """`done` is empty when nothing was done: the pair was no longer as it had been found, or there was a `problem`."""

    done: str = ""
    problem: str = ""


class TargetReport(Value):
    """What a run found at one target, and did. `problem`: why there is no complete listing, or why a remedy failed."""

    target: str
    members: int = 0
    findings: tuple[Finding, ...] = ()
    done: tuple[str, ...] = ()
    waiting: int = 0
    problem: str = ""


class ReconcileReport(Value):
    memory: Memory = Memory()
    targets: tuple[TargetReport, ...] = ()
    problem: str = ""
