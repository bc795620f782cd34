"""Examples of drift: leases as the engine shows them, members as two looks find them. No test lives here."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from domain.catalogue import TargetMode
from domain.drift import (
    END_GRACE,
    ONLY_OBSERVED,
    Cover,
    DriftKind,
    Finding,
    Known,
    Remedy,
    judge_member,
)
from domain.lease import LeaseState
from tests.domain.examples import LEASE_ID, NOW, RUN_ID

K, R, S = DriftKind, Remedy, LeaseState
ENFORCE, OBSERVE = TargetMode.ENFORCE, TargetMode.OBSERVE
TICK, SECOND, HOUR = timedelta(microseconds=1), timedelta(seconds=1), timedelta(hours=1)
INTERVAL = timedelta(minutes=1)
LONG_AGO = NOW - 2 * HOUR
NEVER = datetime.max.replace(tzinfo=UTC)
FIRST_EVER = datetime.min.replace(tzinfo=UTC)
WHY = "break-glass, reviewed in March"


def cover(**fields: Any) -> Cover:
    """A live lease as it should be: granted two hours ago for three, quiet since; with fields replaced."""
    plain = {
        "run_id": RUN_ID,
        "running": True,
        "is_lease": True,
        "state": S.ACTIVE,
        "until": NOW + HOUR,
        "was_ours": True,
        "began_at": LONG_AGO,
        "moved_at": LONG_AGO,
    }
    return Cover.model_validate(plain | fields)


def strange(**fields: Any) -> Cover:
    """A run that bears no warrant, and never did."""
    return cover(**{"state": None, "until": None, "was_ours": False} | fields)


def look(
    found: Cover | None, now: datetime = NOW, *, mode: TargetMode = ENFORCE, exception: str = "", **known: Any
) -> Finding | None:
    return judge_member(LEASE_ID, found, now, mode=mode, exception=exception, known=Known(**known))


def verdict(found: Cover | None, now: datetime = NOW, **more: Any) -> tuple[DriftKind, Remedy] | None:
    finding = look(found, now, **more)
    return None if finding is None else (finding.kind, finding.remedy)


def finding(lease_id: str = LEASE_ID, kind: DriftKind = K.ORPHAN, remedy: Remedy = R.END, **fields: Any) -> Finding:
    return Finding(lease_id=lease_id, kind=kind, remedy=remedy, **fields)


NO_LEASE = [None, strange(running=False), cover(running=False), strange(is_lease=False), cover(is_lease=False)]
LEAVING: list[dict[str, Any]] = [
    {"until": NOW - END_GRACE},
    {"end_only": True},
    {"end_only": True, "until": None},
    {"cancel_asked": True},
    {"end_only": True, "until": NOW + SECOND},
    *({"state": state} for state in (S.REVOKING, S.STUCK, S.PROVING, S.RECORDING, S.CLOSED)),
]

instants = st.one_of(
    st.integers(-7200, 7200).map(lambda seconds: NOW + seconds * SECOND),
    st.sampled_from([FIRST_EVER, NOW - TICK, NOW, NOW + TICK, NEVER]),
)
words: dict[str, st.SearchStrategy[Any]] = {
    "running": st.booleans(),
    "is_lease": st.booleans(),
    "end_only": st.booleans(),
    "state": st.none() | st.sampled_from(LeaseState),
    "until": st.none() | instants,
    "was_ours": st.booleans(),
    "began_at": instants,
    "moved_at": instants,
    "waits_until": st.none() | instants,
    "has_request": st.booleans(),
    "cancel_asked": st.booleans(),
}
covers = st.fixed_dictionaries(words).map(lambda told: cover(**told)) | st.fixed_dictionaries({}, optional=words).map(
    lambda told: cover(**told)
)
anything = st.none() | covers
knowns = st.builds(Known, since=st.none() | instants.filter(lambda at: at <= NOW), was_ours=st.booleans())
findings = st.lists(
    st.builds(
        Finding,
        lease_id=st.sampled_from(["a", "b", "c", "d"]),
        kind=st.sampled_from(DriftKind),
        remedy=st.sampled_from(Remedy),
        run_id=st.sampled_from(["1", "2"]),
        was_ours=st.booleans(),
        protected=st.sampled_from(["", ONLY_OBSERVED]),
        since=st.none() | instants,
    ),
    max_size=12,
)
