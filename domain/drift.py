"""Drift: who is a member at a vendor, compared with what is leased. Pure judgement; looking and acting are done elsewhere.

It only ever takes away. What cannot be read is no cover for a member, and an incomplete listing proves nobody's absence.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from domain.catalogue import TargetMode
from domain.durations import MAX_SKEW
from domain.lease import LeaseState
from domain.values import Instant, Value

END_GRACE = timedelta(seconds=15)
"""How long after its end a lease may take to begin its removal by itself."""

QUIET_AFTER = timedelta(seconds=25)
"""A removal that makes headway shows an event or an attempt more often: attempts are 4 s apart and last at most 12 s."""

LONGEST_WAIT = timedelta(minutes=6)
"""More than the 5 min to which adapters cut a vendor's demand. A longer one was set by somebody who wants the access to stay."""

LONGEST_TRY = timedelta(hours=1)
"""How long a lease may try before it is replaced, however busy it seems: somebody may keep it busy, and nothing else."""

GRANT_GRACE = timedelta(minutes=3)
"""How long a lease may take from its start to its warrant and grant, retries included."""

ONLY_OBSERVED = "its target is only observed"

ENDING = frozenset(
    {
        LeaseState.REVOKING,
        LeaseState.STUCK,
        LeaseState.PROVING,
        LeaseState.RECORDING,
        LeaseState.CLOSED,
        LeaseState.FORGETTING,
        LeaseState.FORGOTTEN,
    }
)


class DriftKind(StrEnum):
    """ORPHAN: a member without a lease. STALLED: a lease that should be taking away, and does not move. LATE: one that tries.

    SQUATTED: what holds the lease's id is no lease, or has no warrant. PARENTLESS: a lease whose request is gone.
    MISSING: leased, and no member. DRAINED: a member at a time when everybody has to go.
    """

    ORPHAN = "orphan"
    SQUATTED = "squatted"
    STALLED = "stalled"
    LATE = "late"
    PARENTLESS = "parentless"
    MISSING = "missing"
    DRAINED = "drained"


class Remedy(StrEnum):
    """WAIT: a grace lasts; nobody is told, but the pair is remembered. REPORT: nothing is done.

    END: an `end_only` lease where none runs. REPLACE: one in the place of what holds the id. CANCEL: the lease ends itself.
    TELL: the lease looks for itself whether its member is gone.
    """

    WAIT = "wait"
    REPORT = "report"
    END = "end"
    REPLACE = "replace"
    CANCEL = "cancel"
    TELL = "tell"


class Cover(Value):
    """What the engine tells of the newest run under a lease id.

    `until` and `was_ours` rest on the judge's signature: the end in the newest warrant of this very run, and whether any
    warrant for this id was ever issued. All else is the engine's word, which may move a judgement only towards an end.
    `moved_at` is its last event or started attempt that could take away; `waits_until` the next attempt that will start;
    `cancel_asked` says that somebody has cancelled it.
    """

    run_id: str
    running: bool
    is_lease: bool
    end_only: bool = False
    state: LeaseState | None = None
    until: Instant | None = None
    was_ours: bool = False
    began_at: Instant
    moved_at: Instant
    waits_until: Instant | None = None
    has_request: bool = True
    cancel_asked: bool = False


class Known(Value):
    """What earlier looks leave to the next of a member, so that no new run under its id makes it forgotten.

    `since`: since when each look has found it without cover, or something was last done about it; a grace is given once to
    a pair, not to every run that somebody starts. `was_ours`: one of its runs bore a warrant.
    """

    since: Instant | None = None
    was_ours: bool = False


UNSEEN = Known()
LATEST = datetime.max.replace(tzinfo=UTC)


class Finding(Value):
    """One pair that is not as it should be. `protected` says why nothing is done about it, for a person to read.

    `since` is what earlier looks knew (`Known`); None where this look is the first.
    """

    lease_id: str
    kind: DriftKind
    remedy: Remedy
    run_id: str = ""
    was_ours: bool = False
    protected: str = ""
    since: Instant | None = None

    @property
    def is_limited(self) -> bool:
        """Whether a limit of removals a run may put it off: never what is overdue, or was ever granted by us."""
        removes = self.remedy in {Remedy.END, Remedy.REPLACE}
        return removes and self.kind in {DriftKind.ORPHAN, DriftKind.SQUATTED} and not self.was_ours

    @property
    def acts(self) -> bool:
        """Whether its remedy does anything."""
        return self.remedy not in {Remedy.WAIT, Remedy.REPORT}


def judge_member(
    lease_id: str,
    cover: Cover | None,
    now: datetime,
    *,
    mode: TargetMode,
    exception: str = "",
    known: Known = UNSEEN,
) -> Finding | None:
    """What is wrong with a member; None only when a live, signed lease covers it. `cover` is None where no run is known.

    `exception` is why a person named in the catalogue may stay; it shields nobody whom we once granted.
    """
    verdict = _judge(cover, now, known.since)
    if verdict is None:
        return None
    kind, remedy = verdict
    was_ours = known.was_ours or (cover is not None and (cover.was_ours or cover.until is not None))
    shield = shield_of(mode, exception, was_ours=was_ours)
    return Finding(
        lease_id=lease_id,
        kind=kind,
        remedy=Remedy.REPORT if shield else remedy,
        run_id=cover.run_id if cover else "",
        was_ours=was_ours,
        protected=shield,
        since=known.since,
    )


def shield_of(mode: TargetMode, exception: str, *, was_ours: bool) -> str:
    """Why a member may stay whom no lease covers, or empty. Nothing shields whom we once granted."""
    if was_ours:
        return ""
    return exception or ("" if mode is TargetMode.ENFORCE else ONLY_OBSERVED)


def is_leaving(cover: Cover, now: datetime) -> bool:
    """Whether the lease should be taking its member away: its time is over, it was told to, says so, or is for nothing else."""
    over = cover.until is not None and now >= cover.until
    return over or cover.end_only or cover.cancel_asked or cover.state in ENDING


def judge_absence(lease_id: str, cover: Cover, now: datetime) -> Finding | None:
    """What is wrong with a running lease whose subject a *complete* listing does not show."""
    live = cover.running and cover.is_lease and cover.until is not None and now < cover.until
    if live and cover.state is LeaseState.ACTIVE:
        return Finding(
            lease_id=lease_id, kind=DriftKind.MISSING, remedy=Remedy.TELL, run_id=cover.run_id, was_ours=True
        )
    return None


def confirmed(first: Iterable[Finding], second: Iterable[Finding]) -> tuple[Finding, ...]:
    """What two looks found, as the second one found it; it acts only where the first would have acted, too.

    Which run held the id, and what exactly was wrong, may differ: whoever can start runs could make it differ every time.
    Who is in a grace is left out: `remember` is told of them.
    """
    before = tuple(first)
    told = {_claim(finding) for finding in before if finding.remedy is not Remedy.WAIT}
    acted_on = {_claim(finding) for finding in before if finding.acts}
    lasting = (finding for finding in second if finding.remedy is not Remedy.WAIT)
    return tuple(finding for finding in lasting if _claim(finding) in (acted_on if finding.acts else told))


def urgent_first(findings: Iterable[Finding]) -> list[Finding]:
    """In the order in which they are dealt with, where not all can be: no crowd that is only reported hides one that acts.

    Those that a limit may put off come longest known first, and one that was dealt with in vain goes to the end.
    """
    return sorted(findings, key=lambda it: (it.protected != "", not it.acts, it.is_limited, it.since or LATEST))


def within(findings: Iterable[Finding], limit: int) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """(What is done in this run, what waits for the next): at most `limit` of those that a limit may put off."""
    now: list[Finding] = []
    later: list[Finding] = []
    for finding in findings:
        held = finding.is_limited and sum(done.is_limited for done in now) >= limit
        (later if held else now).append(finding)
    return tuple(now), tuple(later)


def remember(
    known: Mapping[str, Known],
    found: Iterable[Finding],
    now: datetime,
    *,
    done: Collection[str],
    ours: Iterable[str],
) -> dict[str, Known]:
    """What the next look must know, by lease id, after a *complete* one; an incomplete look leaves `known` as it is.

    `found`: all that it found, confirmed or not. `done`: ids about which something was done. `ours`: ids of members whose run
    bears a warrant, covered ones included. Whoever is no longer a member, or may stay, is forgotten.
    """
    memory = {lease_id: Known(was_ours=True) for lease_id in ours}
    for finding in found:
        if finding.kind is DriftKind.MISSING or finding.protected:
            continue
        before = known.get(finding.lease_id, UNSEEN)
        since = now if before.since is None or finding.lease_id in done else before.since
        memory[finding.lease_id] = Known(since=since, was_ours=finding.was_ours)
    return memory


def _judge(cover: Cover | None, now: datetime, since: datetime | None) -> tuple[DriftKind, Remedy] | None:
    if cover is None or not cover.running:
        return DriftKind.ORPHAN, Remedy.END
    if not cover.is_lease:
        return DriftKind.SQUATTED, Remedy.REPLACE
    if is_leaving(cover, now):
        return _judge_removal(cover, now, since)
    if cover.until is None:
        fresh = _lasts(GRANT_GRACE, _first_seen(cover, since), now)
        return DriftKind.SQUATTED, Remedy.WAIT if fresh else Remedy.REPLACE
    return None if cover.has_request else (DriftKind.PARENTLESS, Remedy.CANCEL)


def _judge_removal(cover: Cover, now: datetime, since: datetime | None) -> tuple[DriftKind, Remedy]:
    """A member under a lease that should be taking it away: let it try, and replace it when it does not."""
    due_at = cover.until if cover.until is not None and now >= cover.until else _first_seen(cover, since)
    if _lasts(END_GRACE, due_at, now):
        return DriftKind.LATE, Remedy.WAIT
    waits = cover.waits_until is not None and now < cover.waits_until <= now + LONGEST_WAIT
    tries = waits or _lasts(QUIET_AFTER, cover.moved_at, now)
    if tries and (since is None or now - since < LONGEST_TRY):
        return DriftKind.LATE, Remedy.REPORT
    return DriftKind.STALLED, Remedy.REPLACE


def _first_seen(cover: Cover, since: datetime | None) -> datetime:
    return cover.began_at if since is None else min(cover.began_at, since)


def _lasts(grace: timedelta, since: datetime, now: datetime) -> bool:
    """Whether `grace` lasts. An instant that has not come yet begins none: it could be set as far away as somebody likes."""
    return -MAX_SKEW <= now - since < grace


def _claim(finding: Finding) -> tuple[str, bool]:
    """What a finding says: that this pair is a member without cover, or that it is leased and no member."""
    return finding.lease_id, finding.kind is DriftKind.MISSING
