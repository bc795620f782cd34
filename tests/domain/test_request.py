"""The request's transition table, walked exhaustively."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import IllegalTransitionError
from domain.request import TRANSITIONS, RequestEvent, RequestOutcome, RequestState, RequestStatus, advance

S, E = RequestState, RequestEvent

LEGAL: dict[RequestState, dict[RequestEvent, RequestState]] = {
    S.OPENING: {E.ASKED: S.PENDING, E.NOT_APPROVED: S.CLOSING},
    S.PENDING: {E.ASKED: S.PENDING, E.APPROVED: S.PROVISIONING, E.NOT_APPROVED: S.CLOSING},
    S.PROVISIONING: {E.ALL_GRANTED: S.ACTIVE, E.ENDING: S.REVOKING},
    S.ACTIVE: {E.ENDING: S.REVOKING},
    S.REVOKING: {E.ALL_ENDED: S.CLOSING},
    S.CLOSING: {E.CLOSED: S.CLOSED},
    S.CLOSED: {},
}
"""Written out by hand from the design, so that a change of the table is a change here too."""

DECIDING = {E.NOT_APPROVED: RequestOutcome.DENIED, E.ENDING: RequestOutcome.ENDED}


def step(status: RequestStatus, event: RequestEvent) -> RequestStatus:
    return advance(status, event, outcome=DECIDING.get(event), why="because" if event in DECIDING else "")


@pytest.mark.parametrize(("state", "event"), [(state, event) for state in RequestState for event in RequestEvent])
def test_moves_exactly_as_the_table_says(state: RequestState, event: RequestEvent) -> None:
    """Each of the pairs is either the listed move or an error; none is a silent no-op."""
    status = RequestStatus(state=state)
    if event in LEGAL[state]:
        assert step(status, event).state is LEGAL[state][event]
        assert TRANSITIONS[(state, event)] is LEGAL[state][event]
    else:
        assert (state, event) not in TRANSITIONS
        with pytest.raises(IllegalTransitionError, match=f"in {state} has no move for {event}"):
            step(status, event)


@given(st.lists(st.sampled_from(RequestEvent), max_size=40))
def test_holds_its_promises_under_any_sequence_of_events(events: list[RequestEvent]) -> None:
    """Nothing is provisioned unapproved; after provisioning nothing closes before all leases ended; every end says how."""
    status, seen = RequestStatus(), set()
    for event in events:
        try:
            status = step(status, event)
        except IllegalTransitionError:
            continue
        seen.add(event)
        assert status.state not in {S.PROVISIONING, S.ACTIVE} or E.APPROVED in seen
        assert status.state is not S.CLOSED or E.APPROVED not in seen or E.ALL_ENDED in seen
        assert (status.outcome is not None) == (status.state in {S.REVOKING, S.CLOSING, S.CLOSED})


@pytest.mark.parametrize("event", RequestEvent)
def test_refuses_an_outcome_that_is_missing_or_out_of_place(event: RequestEvent) -> None:
    """How a request ends is said by the event that ends it, once."""
    status = RequestStatus(state=next(state for state, legal in LEGAL.items() if event in legal))
    with pytest.raises(IllegalTransitionError, match="wrong arguments"):
        advance(status, event, outcome=None if event in DECIDING else RequestOutcome.ENDED)


def test_keeps_outcome_and_reason_until_it_is_closed() -> None:
    """The ticket says at the end what was decided when it began to end."""
    status = step(RequestStatus(), E.NOT_APPROVED)
    status = step(status, E.CLOSED)
    assert (status.state, status.outcome, status.why) == (S.CLOSED, RequestOutcome.DENIED, "because")


def test_closes_from_every_state() -> None:
    """No state is a trap."""

    def closes(state: RequestState, seen: frozenset[RequestState] = frozenset()) -> bool:
        following = set(LEGAL[state].values()) - seen
        return state is S.CLOSED or any(closes(after, seen | {state}) for after in following)

    assert all(closes(state) for state in RequestState)
