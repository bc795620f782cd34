"""What two looks confirm of drift, in which order and up to which limit it is dealt with, and what the next run remembers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.drift import (
    ONLY_OBSERVED,
    Finding,
    Known,
    confirmed,
    judge_member,
    remember,
    urgent_first,
    within,
)
from tests.domain.drift_examples import (
    INTERVAL,
    LONG_AGO,
    OBSERVE,
    WHY,
    K,
    R,
    finding,
    findings,
)
from tests.domain.examples import LEASE_ID, NOW


@given(findings, findings)
def test_confirms_only_what_both_looks_would_act_on(first: list[Finding], second: list[Finding]) -> None:
    """In the second look's words and order; what is in a grace is nobody's news; a pair cannot escape by changing its run."""
    both = confirmed(first, second)
    assert list(both) == [seen for seen in second if seen in both]
    for seen in second:
        alike = [
            old
            for old in first
            if old.lease_id == seen.lease_id and (old.kind is K.MISSING) == (seen.kind is K.MISSING)
        ]
        enough = any(old.acts for old in alike) if seen.acts else any(old.remedy is not R.WAIT for old in alike)
        assert (seen in both) == (enough and seen.remedy is not R.WAIT)


@pytest.mark.parametrize(
    ("first", "second", "lasts"),
    [
        (finding(run_id="1"), finding(run_id="2"), True),
        (finding(), finding(kind=K.SQUATTED, remedy=R.REPLACE, run_id="2"), True),
        (finding(kind=K.LATE, remedy=R.REPORT), finding(kind=K.LATE, remedy=R.REPORT), True),
        (finding(kind=K.STALLED, remedy=R.REPLACE), finding(kind=K.LATE, remedy=R.REPORT), True),
        (finding(kind=K.LATE, remedy=R.REPORT), finding(), False),
        (finding(kind=K.LATE, remedy=R.WAIT), finding(), False),
        (finding(kind=K.LATE, remedy=R.WAIT), finding(kind=K.LATE, remedy=R.REPORT), False),
        (finding(), finding(kind=K.SQUATTED, remedy=R.WAIT), False),
        (finding(kind=K.MISSING, remedy=R.TELL), finding(), False),
        (finding(), finding(kind=K.MISSING, remedy=R.TELL), False),
        (finding(), finding("other"), False),
    ],
)
def test_takes_nothing_on_the_move_for_a_finding(first: Finding, second: Finding, lasts: bool) -> None:
    """A lease that was at work a moment ago gets another minute; a member and no member are two claims."""
    assert confirmed([first], [second]) == ((second,) if lasts else ())


@given(findings, st.integers(-1, 5))
def test_puts_off_only_what_a_limit_may_put_off(found: list[Finding], limit: int) -> None:
    """Everything is done now or later, in order; neither what was ours nor what is overdue ever waits."""
    now, later = within(found, limit)
    assert [it for it in found if it.is_limited] == [it for it in now + later if it.is_limited]
    assert [it for it in found if not it.is_limited] == [it for it in now if not it.is_limited]
    assert all(it.is_limited for it in later)
    assert sum(it.is_limited for it in now) == min(max(limit, 0), sum(it.is_limited for it in found))
    assert not any(it.was_ours or it.kind in {K.STALLED, K.LATE} or not it.acts for it in later)


@pytest.mark.parametrize(
    ("seen", "limited"),
    [
        (finding(), True),
        (finding(kind=K.SQUATTED, remedy=R.REPLACE), True),
        (finding(was_ours=True), False),
        (finding(kind=K.SQUATTED, remedy=R.REPLACE, was_ours=True), False),
        (finding(kind=K.STALLED, remedy=R.REPLACE), False),
        (finding(remedy=R.REPORT), False),
        (finding(kind=K.SQUATTED, remedy=R.WAIT), False),
        (finding(kind=K.PARENTLESS, remedy=R.CANCEL), False),
    ],
)
def test_limits_strangers_however_they_would_be_removed(seen: Finding, limited: bool) -> None:
    """Junk started under the ids of standing members does not strip them past the limit."""
    assert seen.is_limited == limited


@given(findings)
def test_deals_with_what_acts_before_what_is_only_told(found: list[Finding]) -> None:
    """A list that is cut loses reports of those who may stay, never a removal because of them; nothing else is lost."""
    ordered = urgent_first(found)
    assert sorted(map(repr, ordered)) == sorted(map(repr, found))
    open_ones = [it for it in ordered if not it.protected]
    assert ordered[: len(open_ones)] == open_ones
    acting = [it for it in open_ones if it.acts]
    assert open_ones[: len(acting)] == acting


def test_deals_with_those_known_longest_first() -> None:
    """One that was dealt with in vain does not stand before the others for ever."""
    old, tried, new = finding("a", since=LONG_AGO), finding("b", since=NOW), finding("c")
    ours = finding("d", kind=K.STALLED, remedy=R.REPLACE, was_ours=True)
    assert urgent_first([new, tried, old, ours]) == [ours, old, tried, new]


def test_remembers_since_when_and_forgets_who_is_gone() -> None:
    """From the first look that found the pair, until nothing is found."""
    then = NOW - INTERVAL
    first = remember({}, [finding("a"), finding("b")], then, done=(), ours=())
    assert first == {"a": Known(since=then), "b": Known(since=then)}
    assert remember(first, [finding("a")], NOW, done=(), ours=()) == {"a": Known(since=then)}


def test_gives_time_to_what_was_started_against_a_member() -> None:
    """What was done begins a new grace, or the remedy would be replaced before it can act."""
    assert remember({"a": Known(since=LONG_AGO)}, [finding("a")], NOW, done=("a",), ours=()) == {"a": Known(since=NOW)}


def test_remembers_whom_it_granted_while_they_are_members() -> None:
    """Also when the run that bore the warrant is deleted or replaced before it is found missing."""
    known = remember({}, [], LONG_AGO, done=(), ours=["a"])
    assert known == {"a": Known(was_ours=True)}
    seen = judge_member("a", None, NOW, mode=OBSERVE, exception=WHY, known=known["a"])
    assert seen == finding("a", was_ours=True)
    assert remember(known, [seen], NOW, done=(), ours=()) == {"a": Known(since=NOW, was_ours=True)}


@pytest.mark.parametrize(
    "seen", [finding(kind=K.MISSING, remedy=R.TELL), finding(remedy=R.REPORT, protected=ONLY_OBSERVED)]
)
def test_remembers_nobody_who_may_stay_or_is_no_member(seen: Finding) -> None:
    """The memory is handed from run to run, and a large group that is only observed does not fill it."""
    assert remember({LEASE_ID: Known(since=LONG_AGO)}, [seen], NOW, done=(), ours=()) == {}
