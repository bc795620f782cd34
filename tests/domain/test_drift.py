"""Drift: who is found, what is done, who may stay; and that no word of the engine's holds access on."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalogue import TargetMode
from domain.drift import (
    END_GRACE,
    ENDING,
    GRANT_GRACE,
    LONGEST_TRY,
    LONGEST_WAIT,
    ONLY_OBSERVED,
    QUIET_AFTER,
    Cover,
    DriftKind,
    Known,
    Remedy,
    is_leaving,
    judge_absence,
    judge_member,
    remember,
)
from domain.durations import MAX_SKEW
from domain.lease import LeaseState
from tests.domain.drift_examples import (
    ENFORCE,
    FIRST_EVER,
    HOUR,
    INTERVAL,
    LEAVING,
    LONG_AGO,
    NEVER,
    NO_LEASE,
    OBSERVE,
    SECOND,
    TICK,
    WHY,
    K,
    R,
    S,
    anything,
    cover,
    covers,
    finding,
    knowns,
    look,
    strange,
    verdict,
)
from tests.domain.examples import LEASE_ID, NOW, RUN_ID


def is_covered(found: Cover | None) -> bool:
    """Said once more, in other words: what it takes to be left alone."""
    if found is None or found.until is None:
        return False
    as_it_should_be = (found.running, found.is_lease, found.has_request) == (True, True, True)
    tells_of_an_end = found.end_only or found.cancel_asked or found.state in ENDING
    return as_it_should_be and not tells_of_an_end and found.until > NOW


@pytest.mark.parametrize("state", [None, S.LOOKING, S.ARMING, S.ARMED, S.GRANTING, S.ACTIVE, S.EXTENDING])
def test_finds_nothing_where_a_live_lease_covers_the_member(state: LeaseState | None) -> None:
    """The good case, without which every finding below would be hollow: up to the last instant before the signed end."""
    assert look(cover(state=state)) is None
    assert look(cover(state=state, until=NOW + TICK), mode=OBSERVE) is None


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, (K.ORPHAN, R.END)),
        (strange(running=False), (K.ORPHAN, R.END)),
        (cover(running=False), (K.ORPHAN, R.END)),
        (strange(is_lease=False), (K.SQUATTED, R.REPLACE)),
        (cover(is_lease=False), (K.SQUATTED, R.REPLACE)),
        (strange(), (K.SQUATTED, R.REPLACE)),
        (strange(began_at=NOW - GRANT_GRACE), (K.SQUATTED, R.REPLACE)),
        (strange(began_at=NOW - GRANT_GRACE + TICK), (K.SQUATTED, R.WAIT)),
        (cover(has_request=False), (K.PARENTLESS, R.CANCEL)),
        (cover(until=NOW), (K.LATE, R.WAIT)),
        (cover(until=NOW - END_GRACE + TICK), (K.LATE, R.WAIT)),
        (cover(until=NOW - END_GRACE), (K.STALLED, R.REPLACE)),
        (cover(until=NOW - END_GRACE, has_request=False), (K.STALLED, R.REPLACE)),
        (cover(until=NOW - END_GRACE, moved_at=NOW - QUIET_AFTER + TICK), (K.LATE, R.REPORT)),
        (cover(until=NOW - END_GRACE, moved_at=NOW - QUIET_AFTER), (K.STALLED, R.REPLACE)),
        (cover(until=NOW - HOUR, waits_until=NOW + TICK), (K.LATE, R.REPORT)),
        (cover(until=NOW - HOUR, waits_until=NOW), (K.STALLED, R.REPLACE)),
        (cover(until=NOW - HOUR, waits_until=NOW + LONGEST_WAIT), (K.LATE, R.REPORT)),
        (cover(until=NOW - HOUR, waits_until=NOW + LONGEST_WAIT + TICK), (K.STALLED, R.REPLACE)),
        (strange(end_only=True, began_at=NOW - END_GRACE + TICK), (K.LATE, R.WAIT)),
        (strange(end_only=True, began_at=NOW - END_GRACE), (K.STALLED, R.REPLACE)),
    ],
)
def test_judges_each_state_at_its_exact_boundary(found: Cover | None, expected: tuple[DriftKind, Remedy]) -> None:
    """Graces are half-open, and each kind has the remedy that ends it."""
    assert verdict(found) == expected


@pytest.mark.parametrize("fields", LEAVING)
@pytest.mark.parametrize("has_request", [True, False])
def test_replaces_whatever_should_take_away_and_does_not_move(fields: dict[str, Any], has_request: bool) -> None:
    """A lease that was ended, cancelled or is over holds nobody, however far away the end is that it once was given."""
    assert is_leaving(cover(**fields), NOW)
    assert verdict(cover(has_request=has_request, **fields)) == (K.STALLED, R.REPLACE)
    assert verdict(cover(moved_at=NOW, **fields)) == (K.LATE, R.REPORT)


def test_asks_a_lease_once_to_end_itself_and_replaces_one_that_does_not_hear() -> None:
    """A lease whose request is gone is cancelled first; wedged by a bad deploy, it does not outlive that by its signed end."""
    assert verdict(cover(has_request=False)) == (K.PARENTLESS, R.CANCEL)
    assert verdict(cover(has_request=False, cancel_asked=True)) == (K.STALLED, R.REPLACE)


@pytest.mark.parametrize("found", [*NO_LEASE[:2], strange(is_lease=False), strange(), strange(state=S.RECORDING)])
@pytest.mark.parametrize(
    ("mode", "exception", "protected"),
    [(OBSERVE, "", ONLY_OBSERVED), (OBSERVE, WHY, WHY), (ENFORCE, WHY, WHY), (ENFORCE, "", "")],
)
def test_spares_a_stranger_where_the_catalogue_says_so(
    found: Cover | None, mode: TargetMode, exception: str, protected: str
) -> None:
    """Standing members of a target that is only observed, and named exceptions, are reported with the reason: also one
    whose own refused request still writes down that it sent nothing."""
    seen = look(found, mode=mode, exception=exception)
    assert seen is not None
    assert seen.protected == protected
    assert (seen.remedy is R.REPORT) == (protected != "")


@pytest.mark.parametrize("found", [*NO_LEASE, strange(), cover(until=NOW - HOUR), cover(has_request=False)])
@pytest.mark.parametrize("mode", TargetMode)
@pytest.mark.parametrize("exception", ["", WHY])
def test_spares_nobody_whom_it_once_granted(found: Cover | None, mode: TargetMode, exception: str) -> None:
    """Neither mode nor exception, and it is enough that an earlier look saw the warrant: runs can be deleted and replaced."""
    seen = look(found, mode=mode, exception=exception, was_ours=True)
    assert seen is not None
    assert (seen.acts, seen.was_ours, seen.protected) == (True, True, "")


def test_counts_a_signed_end_and_an_earlier_run_s_warrant_as_having_granted() -> None:
    """Whoever bears a warrant was granted, whatever else is said; also one that was issued to another run."""
    stalled = finding(kind=K.STALLED, remedy=R.REPLACE, run_id=RUN_ID, was_ours=True)
    assert look(cover(was_ours=False, until=NOW - HOUR), mode=OBSERVE) == stalled
    assert look(strange(end_only=True, was_ours=True), mode=OBSERVE) == stalled


def test_says_since_when_a_pair_is_known() -> None:
    """For whoever reads it, and for the order in which findings are dealt with."""
    assert look(None, since=LONG_AGO) == finding(since=LONG_AGO)


@pytest.mark.parametrize("name", ["began_at", "moved_at"])
@pytest.mark.parametrize("found", [strange(), strange(end_only=True), cover(until=NOW - HOUR)])
def test_counts_an_instant_that_has_not_come_as_none(name: str, found: Cover) -> None:
    """Clocks may differ by what they may; beyond that nothing begins a grace, and nothing overflows."""
    judged = verdict(found)
    for at in (NOW + MAX_SKEW + TICK, NEVER, FIRST_EVER):
        assert verdict(found.model_copy(update={name: at})) == judged


@pytest.mark.parametrize(
    ("name", "found"),
    [("began_at", strange()), ("moved_at", cover(until=NOW - HOUR)), ("began_at", strange(end_only=True))],
)
def test_bears_with_a_clock_that_is_off_by_what_it_may(name: str, found: Cover) -> None:
    """An engine a little ahead gets no honest lease replaced."""
    judged = look(found.model_copy(update={name: NOW + MAX_SKEW}))
    assert judged is not None
    assert not judged.acts


def test_gives_a_grace_to_a_pair_and_not_to_every_run() -> None:
    """Whoever keeps starting leases under the id keeps nobody in: the grace runs from the first look that found the pair."""
    restarted = strange(began_at=NOW)
    assert verdict(restarted, since=NOW - GRANT_GRACE + TICK) == (K.SQUATTED, R.WAIT)
    assert verdict(restarted, since=NOW - GRANT_GRACE) == (K.SQUATTED, R.REPLACE)
    assert verdict(strange(), since=NOW) == (K.SQUATTED, R.REPLACE)
    ending = strange(end_only=True, began_at=NOW, moved_at=LONG_AGO)
    assert verdict(ending, since=NOW - END_GRACE + TICK) == (K.LATE, R.WAIT)
    assert verdict(ending, since=NOW - END_GRACE) == (K.STALLED, R.REPLACE)


@pytest.mark.parametrize("busy", [{"moved_at": NOW}, {"waits_until": NOW + SECOND}])
def test_replaces_a_lease_that_was_busy_for_too_long(busy: dict[str, Any]) -> None:
    """Attempts that come to nothing can be provoked for ever; an hour of them is enough."""
    late = cover(until=NOW - 9 * HOUR, **busy)
    assert verdict(late) == (K.LATE, R.REPORT)
    assert verdict(late, since=NOW - LONGEST_TRY + TICK) == (K.LATE, R.REPORT)
    assert verdict(late, since=NOW - LONGEST_TRY) == (K.STALLED, R.REPLACE)


@given(anything, st.sampled_from(TargetMode), st.sampled_from(["", WHY]), knowns)
def test_leaves_alone_exactly_whom_a_live_signed_lease_covers(
    found: Cover | None, mode: TargetMode, exception: str, known: Known
) -> None:
    """Whatever the engine says: no finding means a running lease, a signed end to come, a request, and no word of an end."""
    seen = judge_member(LEASE_ID, found, NOW, mode=mode, exception=exception, known=known)
    assert (seen is None) == is_covered(found)


@given(st.none() | covers.filter(lambda found: not found.running or not found.is_lease), knowns)
def test_always_removes_a_member_without_a_running_lease_in_an_enforced_target(
    found: Cover | None, known: Known
) -> None:
    """No grace, no wait and no word delays it."""
    seen = judge_member(LEASE_ID, found, NOW, mode=ENFORCE, known=known)
    assert seen is not None
    assert seen.remedy in {R.END, R.REPLACE}


@given(anything, st.sampled_from(TargetMode), st.sampled_from(["", WHY]), knowns)
def test_acts_on_a_stranger_only_where_it_may_and_on_its_own_always(
    found: Cover | None, mode: TargetMode, exception: str, known: Known
) -> None:
    """Who is spared is told why and never ours; who is not spared has no reason beside the remedy."""
    seen = judge_member(LEASE_ID, found, NOW, mode=mode, exception=exception, known=known)
    if seen is None:
        return
    ours = known.was_ours or (found is not None and (found.was_ours or found.until is not None))
    may_stay = not ours and (mode is OBSERVE or exception != "")
    assert seen.was_ours == ours
    assert (seen.protected != "") == may_stay
    assert not (seen.acts and may_stay)
    if may_stay:
        assert seen.remedy is R.REPORT


@given(covers, st.integers(0, 7200), st.booleans())
def test_takes_away_from_everyone_past_the_signed_end(found: Cover, past: int, mode: bool) -> None:
    """Whatever the engine says: found at the end, told after the grace, and replaced when nothing moves and nothing waits."""
    over = found.model_copy(update={"until": NOW - past * SECOND})
    seen = look(over, mode=OBSERVE if mode else ENFORCE, exception=WHY)
    assert seen is not None
    assert seen.protected == ""
    if timedelta(seconds=past) >= END_GRACE:
        assert seen.remedy is not R.WAIT
    still = over.model_copy(update={"waits_until": None, "moved_at": NOW - QUIET_AFTER})
    assert verdict(still, max(NOW, NOW - past * SECOND + END_GRACE)) in {
        (K.ORPHAN, R.END),
        (K.SQUATTED, R.REPLACE),
        (K.STALLED, R.REPLACE),
    }


@given(anything, st.integers(0, 7200))
def test_acts_on_whatever_was_found_for_an_hour(found: Cover | None, more: int) -> None:
    """No state of a cover keeps an uncovered member longer, only reported, where nothing in the catalogue spares it."""
    seen = look(found, since=NOW - LONGEST_TRY - more * SECOND)
    assert seen is None or seen.acts or (seen.remedy is R.WAIT and found is not None and found.until is not None)


@given(st.lists(st.sampled_from([{}, *LEAVING]), min_size=1, max_size=8))
def test_acts_within_an_hour_whatever_is_run_under_the_id_each_minute(shown: list[dict[str, Any]]) -> None:
    """Somebody with write access to the namespace shows another busy run at each look, but cannot forge a signed end."""
    memory: dict[str, Known] = {}
    for minute in range(62):
        now = NOW + minute * INTERVAL
        busy = {"until": None, "began_at": now, "moved_at": now, "waits_until": now + INTERVAL}
        run = strange(**shown[minute % len(shown)] | busy)
        seen = judge_member(LEASE_ID, run, now, mode=ENFORCE, known=memory.get(LEASE_ID, Known()))
        assert seen is not None
        if seen.acts:
            return
        memory = remember(memory, [seen], now, done=(), ours=())
    pytest.fail("nothing was ever done")


def test_removes_a_member_over_whom_fresh_leases_are_started_for_ever() -> None:
    """Within the grace and one interval, although each look finds a run that has only just begun."""
    memory: dict[str, Known] = {}
    for minute in range(10):
        now = NOW + minute * INTERVAL
        fresh = strange(run_id=f"run-{minute}", began_at=now, moved_at=now)
        seen = judge_member(LEASE_ID, fresh, now, mode=ENFORCE, known=memory.get(LEASE_ID, Known()))
        assert seen is not None
        if seen.acts:
            assert now - NOW == GRANT_GRACE
            return
        memory = remember(memory, [seen], now, done=(), ours=())
    pytest.fail("nothing was ever done")


def test_tells_a_live_lease_that_its_member_is_not_listed() -> None:
    """Until the last instant before its end; one that is leaving knows it by itself."""
    told = finding(kind=K.MISSING, remedy=R.TELL, run_id=RUN_ID, was_ours=True)
    assert judge_absence(LEASE_ID, cover(until=NOW + TICK), NOW) == told
    for fields in ({"until": NOW}, {"until": None}, {"state": S.REVOKING}, {"running": False}, {"is_lease": False}):
        assert judge_absence(LEASE_ID, cover(**fields), NOW) is None


@given(covers)
def test_never_ends_access_because_a_listing_does_not_show_it(found: Cover) -> None:
    """Absence is only ever told to a live lease, which looks for itself."""
    seen = judge_absence(LEASE_ID, found, NOW)
    live = found.running and found.is_lease and found.state is S.ACTIVE
    assert (seen is not None) == (live and found.until is not None and found.until > NOW)
    assert seen is None or seen == finding(kind=K.MISSING, remedy=R.TELL, run_id=found.run_id, was_ours=True)
