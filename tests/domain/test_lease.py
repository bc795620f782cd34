"""The lease's transition table, walked exhaustively, and what no sequence of events can do."""

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.errors import IllegalTransitionError
from domain.lease import (
    TRANSITIONS,
    EndReason,
    LeaseEvent,
    LeaseState,
    LeaseStatus,
    Sent,
    advance,
    must_revoke,
    open_lease,
)
from tests.domain.examples import NOW

S, E = LeaseState, LeaseEvent
END = NOW + timedelta(hours=1)
LATER = END + timedelta(hours=1)

LEGAL: dict[LeaseState, dict[LeaseEvent, LeaseState]] = {
    S.LOOKING: {E.LOOKED_ABSENT: S.ARMING, E.ENDED: S.RECORDING},
    S.ARMING: {E.WARRANTED: S.ARMED, E.ENDED: S.RECORDING},
    S.ARMED: {E.GRANT_SCHEDULED: S.GRANTING, E.ENDED: S.RECORDING},
    S.GRANTING: {E.GRANTED: S.ACTIVE, E.ENDED: S.REVOKING},
    S.ACTIVE: {E.EXTENSION_OFFERED: S.EXTENDING, E.ENDED: S.REVOKING},
    S.EXTENDING: {E.EXTENSION_COMMITTED: S.ACTIVE, E.EXTENSION_DROPPED: S.ACTIVE, E.ENDED: S.REVOKING},
    S.REVOKING: {E.OVERDUE: S.STUCK, E.LOOKED_ABSENT_AFTER: S.PROVING},
    S.STUCK: {
        E.OVERDUE: S.STUCK,
        E.LOOKED_ABSENT_AFTER: S.PROVING,
        E.LOOKED_PRESENT_AFTER: S.STUCK,
        E.PROVED: S.RECORDING,
        E.FORGOTTEN: S.FORGETTING,
    },
    S.PROVING: {E.OVERDUE: S.STUCK, E.LOOKED_PRESENT_AFTER: S.REVOKING, E.PROVED: S.RECORDING},
    S.RECORDING: {E.RECORDED: S.CLOSED},
    S.CLOSED: {},
    S.FORGETTING: {E.RECORDED: S.FORGOTTEN},
    S.FORGOTTEN: {},
}
"""Written out by hand from the design, so that a change of the table is a change here too."""

PAIRS = [(state, event) for state in LeaseState for event in LeaseEvent]
BEFORE_A_GRANT = (S.LOOKING, S.ARMING, S.ARMED)
ENDING = {S.REVOKING, S.STUCK, S.PROVING}
OVER = {S.RECORDING, S.CLOSED, S.FORGETTING, S.FORGOTTEN}


def step(status: LeaseStatus, event: LeaseEvent) -> LeaseStatus:
    """`advance` with the argument that belongs to `event`."""
    return advance(
        status,
        event,
        reason=EndReason.EXPIRED if event is E.ENDED else None,
        expires_at=LATER if event is E.EXTENSION_COMMITTED else None,
    )


def moves(status: LeaseStatus) -> Iterator[LeaseStatus]:
    """Every status that one event, or the duty to end what an earlier run added, can lead to."""
    for event in LeaseEvent:
        if event in LEGAL[status.state]:
            yield step(status, event)
    if status.state in BEFORE_A_GRANT:
        yield must_revoke(status, EndReason.END_ONLY)


def reachable(start: LeaseStatus) -> set[LeaseStatus]:
    seen, queue = {start}, deque([start])
    while queue:
        for status in moves(queue.popleft()):
            if status not in seen:
                seen.add(status)
                queue.append(status)
    return seen


EVERY_STATUS = sorted(reachable(open_lease(END)), key=repr)


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_moves_exactly_as_the_table_says(state: LeaseState, event: LeaseEvent) -> None:
    """Each of the pairs is either the listed move or an error; none is a silent no-op."""
    status = LeaseStatus(state=state, expires_at=END)
    if event in LEGAL[state]:
        assert step(status, event).state is LEGAL[state][event]
        assert TRANSITIONS[(state, event)] is LEGAL[state][event]
    else:
        assert (state, event) not in TRANSITIONS
        with pytest.raises(IllegalTransitionError, match=f"in {state} has no move for {event}"):
            step(status, event)


def test_reaches_every_state() -> None:
    """No state is there for nothing, and the walk below has seen them all."""
    assert {status.state for status in EVERY_STATUS} == set(LeaseState)


def test_never_grants_or_is_active_without_a_warrant() -> None:
    """Over every reachable status: what adds access comes after WARRANTED."""
    adding = [status for status in EVERY_STATUS if status.state in {S.ARMED, S.GRANTING, S.ACTIVE, S.EXTENDING}]
    assert adding
    assert all(status.warranted for status in adding)


def test_never_closes_unproved_once_a_grant_was_scheduled() -> None:
    """Over every reachable status: an unknown grant needs the proof like a known one."""
    over = [status for status in EVERY_STATUS if status.state in {S.RECORDING, S.CLOSED}]
    assert over
    assert all(status.proved for status in over if status.sent is not Sent.NOTHING)
    assert any(status.sent is Sent.UNKNOWN for status in over)


def test_never_revokes_without_a_reason_and_never_forgets_it() -> None:
    """Whoever reads the ticket learns why, and the reason of the first end stands."""
    for status in EVERY_STATUS:
        assert (status.reason is not None) == (status.state in ENDING | OVER)
        assert all(after.reason is status.reason for after in moves(status) if status.reason is not None)


def test_never_comes_back_from_an_end_or_forgets_what_was_sent() -> None:
    """Once ending, no event leads to a state that adds; `sent`, `warranted` and `proved` only grow."""
    order = list(Sent)
    for before in EVERY_STATUS:
        for after in moves(before):
            assert before.reason is None or after.state in ENDING | OVER
            assert order.index(after.sent) >= order.index(before.sent)
            assert (after.warranted, after.proved) >= (before.warranted, before.proved)


def test_can_always_still_close() -> None:
    """No reachable status is a trap, however stuck; and what was given up is over, and never called closed."""
    for status in EVERY_STATUS:
        ends = {after.state for after in reachable(status)} & {S.CLOSED, S.FORGOTTEN}
        assert S.CLOSED in ends or (status.state in {S.FORGETTING, S.FORGOTTEN} and ends == {S.FORGOTTEN})


def test_forgets_only_what_is_stuck_and_unproved() -> None:
    """Nothing that holds access, is being proved, or sent nothing can be given up; and giving up proves nothing."""
    for before in EVERY_STATUS:
        for after in moves(before):
            if after.state is S.FORGETTING:
                assert (before.state, after.proved) == (S.STUCK, False)
                assert after.sent is not Sent.NOTHING


@settings(deadline=None)
@given(st.lists(st.sampled_from(LeaseEvent), max_size=60), st.booleans())
def test_holds_its_promises_under_any_sequence_of_events(events: list[LeaseEvent], ends_only: bool) -> None:
    """Whatever arrives in whatever order, illegal moves included: no ACTIVE unwarranted, no CLOSED unproved after a grant."""
    status = must_revoke(open_lease(END), EndReason.END_ONLY) if ends_only else open_lease(END)
    warranted, scheduled, proved = False, ends_only, False
    for event in events:
        try:
            status = step(status, event)
        except IllegalTransitionError:
            continue
        warranted |= event is E.WARRANTED
        scheduled |= event is E.GRANT_SCHEDULED
        proved |= event is E.PROVED
        assert status.state is not S.ACTIVE or warranted
        assert status.state is not S.CLOSED or proved or not scheduled


@settings(deadline=None)
@given(st.data())
def test_holds_its_promises_along_any_legal_path(data: st.DataObject) -> None:
    """The same over long paths, which random events seldom find."""
    status: LeaseStatus = open_lease(END)
    trail: list[LeaseEvent] = []
    while LEGAL[status.state] and len(trail) < 40:
        event = data.draw(st.sampled_from(sorted(LEGAL[status.state])))
        trail.append(event)
        status = step(status, event)
        assert status.state is not S.ACTIVE or E.WARRANTED in trail
        assert status.state is not S.CLOSED or E.PROVED in trail or E.GRANT_SCHEDULED not in trail


@pytest.mark.parametrize("event", [event for event in LeaseEvent if event is not E.ENDED])
def test_refuses_a_reason_that_does_not_belong_to_the_event(event: LeaseEvent) -> None:
    """A reason is the end's alone."""
    state = next(state for state, legal in LEGAL.items() if event in legal)
    with pytest.raises(IllegalTransitionError, match="wrong arguments"):
        advance(
            LeaseStatus(state=state, expires_at=END),
            event,
            reason=EndReason.EXPIRED,
            expires_at=LATER if event is E.EXTENSION_COMMITTED else None,
        )


@pytest.mark.parametrize("event", [event for event in LeaseEvent if event is not E.EXTENSION_COMMITTED])
def test_refuses_an_end_that_does_not_belong_to_the_event(event: LeaseEvent) -> None:
    """Nothing but a committed extension moves the end."""
    state = next(state for state, legal in LEGAL.items() if event in legal)
    with pytest.raises(IllegalTransitionError, match="wrong arguments"):
        advance(
            LeaseStatus(state=state, expires_at=END),
            event,
            reason=EndReason.EXPIRED if event is E.ENDED else None,
            expires_at=LATER,
        )


@pytest.mark.parametrize(("state", "event"), [(S.ACTIVE, E.ENDED), (S.EXTENDING, E.EXTENSION_COMMITTED)])
def test_refuses_an_event_without_its_argument(state: LeaseState, event: LeaseEvent) -> None:
    """An end has a reason, a commit has an end."""
    with pytest.raises(IllegalTransitionError, match="wrong arguments"):
        advance(LeaseStatus(state=state, expires_at=END), event)


def test_moves_the_end_by_a_committed_extension_only() -> None:
    """A dropped extension leaves the old end in force."""
    extending = LeaseStatus(state=S.EXTENDING, expires_at=END)
    assert step(extending, E.EXTENSION_COMMITTED).expires_at == LATER
    assert step(extending, E.EXTENSION_DROPPED).expires_at == END


def test_refuses_a_naive_end() -> None:
    """A time of which nobody knows where it is, can end nothing."""
    naive = LATER.replace(tzinfo=None)
    with pytest.raises(ValidationError, match="timezone"):
        advance(LeaseStatus(state=S.EXTENDING, expires_at=END), E.EXTENSION_COMMITTED, expires_at=naive)
    with pytest.raises(ValidationError, match="timezone"):
        open_lease(naive)


def test_treats_a_grant_as_sent_from_its_scheduling_on() -> None:
    """Between scheduling and the answer nothing is known, and unknown is not "nothing granted"."""
    scheduled = step(LeaseStatus(state=S.ARMED, warranted=True, expires_at=END), E.GRANT_SCHEDULED)
    assert scheduled.sent is Sent.UNKNOWN
    assert step(scheduled, E.ENDED).sent is Sent.UNKNOWN
    assert step(scheduled, E.GRANTED).sent is Sent.GRANTED


@pytest.mark.parametrize("state", BEFORE_A_GRANT)
def test_must_revoke_before_it_sent_anything(state: LeaseState) -> None:
    """What an earlier run or nobody known has added is treated as granted, and the lease goes straight to revoking."""
    status = must_revoke(LeaseStatus(state=state, expires_at=END), EndReason.END_ONLY)
    assert (status.state, status.sent, status.reason) == (S.REVOKING, Sent.UNKNOWN, EndReason.END_ONLY)


def test_refuses_to_begin_anew_once_it_has_begun() -> None:
    """A lease that granted ends by its own end, and one that is over stays over."""
    for status in EVERY_STATUS:
        if status.state not in BEFORE_A_GRANT:
            with pytest.raises(IllegalTransitionError, match="ends by ended"):
                must_revoke(status, EndReason.END_ONLY)


@pytest.mark.parametrize("sent", [Sent.UNKNOWN, Sent.GRANTED])
def test_refuses_to_forget_a_grant_whatever_the_state_says(sent: Sent) -> None:
    """A status that contradicts itself is not taken for one that sent nothing."""
    with pytest.raises(IllegalTransitionError, match="ends by ended"):
        must_revoke(LeaseStatus(state=S.ARMED, sent=sent, expires_at=END), EndReason.END_ONLY)


def test_changes_no_status_in_place() -> None:
    """The status before an event is still there after it."""
    status: LeaseStatus = open_lease(END)
    step(status, E.LOOKED_ABSENT)
    assert status == open_lease(END)
    assert isinstance(status.expires_at, datetime)
