"""What a sweep reports, and what it leaves to the engine."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.catalogue import TargetKind, TargetMode
from domain.drift import DriftKind, Finding, Remedy
from domain.ids import TargetRef, TicketRef
from domain.ledger import Claim, cover_of
from domain.sweep import Removed, SweepReport, TargetSweep, judge_drain, patiently
from domain.watch import WatchedTarget

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
REF = TargetRef(instance="okta/prod", scope="group", container_id="00gadmin")
LEASE = f"lease:{REF}/00ualice"
CLAIM = Claim(
    ticket=TicketRef(site="example", issue_id="10042", key="SEC-42"),
    lease_id=LEASE,
    run_id="r",
    kind=TargetKind.OKTA_GROUP,
    target_name="admin",
    armed_at=NOW - timedelta(hours=2),
    until=NOW - timedelta(minutes=3),
)
FOUND = Finding(lease_id=LEASE, kind=DriftKind.STALLED, remedy=Remedy.REPLACE, was_ours=True)


def report(**facts: object) -> SweepReport:
    target = TargetSweep.model_validate({"target": "admin", "instance": "okta/prod", **facts})
    return SweepReport(began_at=NOW, ended_at=NOW, targets=(target,))


def test_claim_is_due_at_its_end_or_when_it_said_that_it_ends() -> None:
    """Whichever is earlier."""
    early = CLAIM.model_copy(update={"ended_at": NOW - timedelta(hours=1)})
    late = CLAIM.model_copy(update={"ended_at": NOW})
    assert [claim.due_at for claim in (CLAIM, early, late)] == [CLAIM.until, NOW - timedelta(hours=1), CLAIM.until]


def test_claim_that_ends_last_speaks_for_the_pair() -> None:
    """Unless it is over, or its evidence does not verify: then the one that may still cover does."""
    running = CLAIM.model_copy(update={"until": NOW + timedelta(hours=1), "run_id": "running"})
    for spent in ({"is_proved": True}, {"is_whole": False}):
        over = CLAIM.model_copy(update={"until": NOW + timedelta(hours=5), **spent})
        cover = cover_of([over, running, CLAIM], NOW)
        assert cover is not None
        assert (cover.run_id, cover.running, cover.until) == ("running", True, running.until)
        alone = cover_of([over], NOW)
        assert alone is not None
        assert (alone.running, alone.until, alone.was_ours) == (False, None, True)
    assert cover_of([], NOW) is None


@pytest.mark.parametrize(
    ("claims", "older_than", "is_left"),
    [
        ([CLAIM], timedelta(minutes=5), True),
        ([CLAIM], timedelta(minutes=3), False),
        ([CLAIM.model_copy(update={"is_proved": True})], timedelta(minutes=5), False),
        ([], timedelta(minutes=5), False),
    ],
)
def test_engine_is_left_its_time_where_it_still_has_something_to_do(
    claims: list[Claim], older_than: timedelta, *, is_left: bool
) -> None:
    """Nobody waits for it where no lease is to take the member away."""
    assert (patiently(FOUND, claims, NOW, older_than) != FOUND) is is_left


@pytest.mark.parametrize(
    ("mode", "was_ours", "stays"),
    [
        (TargetMode.OBSERVE, False, True),
        (TargetMode.OBSERVE, True, False),
        (TargetMode.ENFORCE, False, False),
        (TargetMode.ENFORCE, True, False),
    ],
)
def test_drain_takes_out_everybody_but_strangers_who_are_only_observed(
    mode: TargetMode, *, was_ours: bool, stays: bool
) -> None:
    target = WatchedTarget(kind=TargetKind.OKTA_GROUP, ref=REF, name="admin", mode=mode)
    finding = judge_drain(target, LEASE, NOW, was_ours=was_ours)
    assert (finding.acts, finding.is_limited) == (not stays, False)


@pytest.mark.parametrize(
    ("facts", "faults"),
    [
        ({"members": 3}, ()),
        ({"findings": (FOUND.model_copy(update={"remedy": Remedy.REPORT}),)}, ()),
        ({"findings": (FOUND,)}, (f"{LEASE}: stalled, and still a member",)),
        ({"findings": (FOUND,), "removed": (Removed(lease_id=LEASE, ticket="SEC-42", was_ours=True),)}, ()),
        (
            {"removed": (Removed(lease_id=LEASE, ticket="SEC-42", was_ours=True, problem="refused"),)},
            (f"{LEASE}: refused",),
        ),
        ({"findings": (FOUND,), "waiting": 1}, ("admin: 1 more wait for the next run",)),
        ({"problem": "no list"}, ("admin: no list",)),
    ],
)
def test_run_fails_when_something_is_left_or_was_not_seen(facts: dict[str, object], faults: tuple[str, ...]) -> None:
    """What was taken away and proved is no fault."""
    assert report(**facts).faults == faults
