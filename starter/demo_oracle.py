"""Did the guarantees hold? One promise after the other, and the table of instants. Nothing here takes our own word for it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.evidence import RecordKind
from starter.demo_facts import Case, Facts, MissingError, at
from starter.ticket_evidence import read_lines

LATEST_REMOVAL = timedelta(seconds=5)
KINDS = frozenset(RecordKind) - {
    RecordKind.REFUSED,
    RecordKind.STUCK,
    RecordKind.SUSPENDED,
    RecordKind.EXTENSION_VOID,
    RecordKind.TARGET_GONE,
    RecordKind.FORGOTTEN,
    RecordKind.FORGET_REFUSED,
}
"""What the ticket of a request that went well bears records of."""


@dataclass(frozen=True)
class Row:
    what: str
    at: datetime | None
    source: str
    lag: str


@dataclass(frozen=True)
class Finding:
    """One guarantee: whether it held, and what was seen."""

    promise: str
    held: bool
    seen: str


@dataclass(frozen=True)
class Verdict:
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]

    @property
    def held(self) -> bool:
        return all(finding.held for finding in self.findings)


def judge(case: Case) -> Verdict:
    facts = Facts(case)
    return Verdict(rows=_rows(facts), findings=tuple(_find(promise, check, facts) for promise, check in _PROMISES))


def millis(span: timedelta) -> str:
    return f"{span / timedelta(milliseconds=1):,.0f} ms"


def _after_approval(facts: Facts) -> tuple[bool, str]:
    return facts.granted["seq"] > facts.approved["seq"], millis(at(facts.granted) - at(facts.approved)) + " later"


def _after_armed(facts: Facts) -> tuple[bool, str]:
    agreed = facts.armed_until > at(facts.granted)
    before = millis(at(facts.granted) - at(facts.armed_on_ticket))
    return agreed and facts.armed_on_ticket["seq"] < facts.granted["seq"], f"{before} before"


def _extension_counted(facts: Facts) -> tuple[bool, str]:
    gained = facts.expired_at - facts.armed_until
    in_time = facts.extended.at < facts.armed_until
    return in_time and gained == facts.case.extension, f"{gained.total_seconds():+g} s"


def _not_early(facts: Facts) -> tuple[bool, str]:
    late = at(facts.removed) - facts.expired_at
    return late >= timedelta(0), millis(abs(late)) + (" after it" if late >= timedelta(0) else " TOO EARLY")


def _not_late(facts: Facts) -> tuple[bool, str]:
    late = at(facts.removed) - facts.expired_at
    return late <= LATEST_REMOVAL, millis(late)


def _absent_twice(facts: Facts) -> tuple[bool, str]:
    first, second = facts.looks
    return (
        facts.membership_changes == 2,
        f"{millis(second - first)} apart, {facts.membership_changes} changes of membership",
    )


def _sessions_ended(facts: Facts) -> tuple[bool, str]:
    opened = facts.lines("session.created", user_id=facts.user_id)
    revoked = facts.lines("sessions.revoked", user_id=facts.user_id)
    ended = sum(int(line["ended"]) for line in revoked)
    is_last = bool(revoked) and all(line["seq"] < revoked[-1]["seq"] for line in [*opened, facts.removed])
    return is_last and ended >= len(opened) > 0, f"{ended} of {len(opened)} ended"


def _evidence_holds(facts: Facts) -> tuple[bool, str]:
    lines = read_lines(facts.case.properties, facts.case.ticket, facts.case.keys)
    missing = KINDS - {line.kind for line in lines}
    bad = [f"{line.record_id or line.writer}: {line.problem}" for line in lines if not line.verified]
    absent = f"missing: {', '.join(sorted(missing))}" if missing else ""
    writers = len({line.writer for line in lines})
    return not bad and not missing, "; ".join([*bad[:2], absent]).strip(
        "; "
    ) or f"{len(lines)} records, {writers} chains"


def _is_closed(facts: Facts) -> tuple[bool, str]:
    return facts.case.is_over and at(facts.closed) >= facts.looks[1], "after the proof"


_PROMISES: tuple[tuple[str, Callable[[Facts], tuple[bool, str]]], ...] = (
    ("granted only after the approval", _after_approval),
    ("granted only once the armed record stood on the ticket", _after_armed),
    ("the extension was asked for in time, and counted once", _extension_counted),
    ("removed no earlier than the extended end", _not_early),
    (f"removed at most {LATEST_REMOVAL.total_seconds():g} s after it", _not_late),
    ("observed absent twice, signed, and never added again", _absent_twice),
    ("sessions ended, the last time after the removal", _sessions_ended),
    ("the evidence is complete, and every chain of it verifies", _evidence_holds),
    ("the request is over, and its ticket closed", _is_closed),
)


def _find(promise: str, check: Callable[[Facts], tuple[bool, str]], facts: Facts) -> Finding:
    try:
        held, seen = check(facts)
    except MissingError as missing:
        return Finding(promise, held=False, seen=str(missing))
    return Finding(promise, held, seen)


def _rows(facts: Facts) -> tuple[Row, ...]:
    asked_for: tuple[tuple[str, str, Callable[[], datetime]], ...] = (
        ("approved", "Jira's audit log", lambda: at(facts.approved)),
        ("granted", "Okta's audit log", lambda: at(facts.granted)),
        ("expired", "signed record", lambda: facts.expired_at),
        ("removed", "Okta's audit log", lambda: at(facts.removed)),
        ("proved absent", "signed proof", lambda: facts.looks[1]),
    )
    rows: list[Row] = []
    for what, source, find in asked_for:
        try:
            instant: datetime | None = find()
        except MissingError:
            instant = None
        before = rows[-1] if rows else None
        has_lag = what != "expired" and before is not None and before.at is not None and instant is not None
        lag = millis(instant - before.at) if has_lag and before and before.at and instant else ""
        rows.append(Row(what, instant, source, f"{lag} after {before.what}" if lag and before else ""))
    return tuple(rows)
