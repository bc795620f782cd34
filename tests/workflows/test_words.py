"""What operators read in the Temporal UI: names instead of ids, an end that is true, and strangers' words as words only."""

from datetime import UTC, datetime

import pytest

from domain.lease import EndReason, LeaseState, LeaseStatus
from domain.messages import StatusView, TimelineEntry
from domain.request import RequestOutcome, RequestState
from tests.domain.message_examples import ORDER
from workflows import words

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_summary_of_a_lease_names_the_person_and_no_end_that_could_move() -> None:
    """It is written once, when the lease starts; an extension would make any end in it a lie."""
    granting = ORDER.model_copy(update={"end_only": False})
    summary = words.lease_summary(granting, "dave")
    assert all(part in summary for part in (ORDER.ticket.key, ORDER.grantee.target_name, "for dave"))
    assert str(ORDER.expires_at.year) not in summary
    assert "take back" in words.lease_summary(ORDER, "")


def test_details_of_a_late_removal_say_so_and_where_its_cause_stands() -> None:
    """A planned end that lies ahead does not look as if access were held until then."""
    status = LeaseStatus(state=LeaseState.STUCK, reason=EndReason.REVOKED, expires_at=NOON)
    told = words.lease_details(ORDER, status, "by a comment on the ticket")
    assert "was to end at: 2026-11-22 12:00:00 UTC" in told
    assert "it was revoked (by a comment on the ticket)" in told
    assert "The removal is late." in told
    assert "Pending Activities" in told
    active = words.lease_details(ORDER, LeaseStatus(state=LeaseState.ACTIVE, expires_at=NOON), "")
    assert "- until: 2026-11-22 12:00:00 UTC" in active
    assert "Pending Activities" not in active


@pytest.mark.parametrize(
    "said",
    ["![x](http://e.example/p.png)", "<img src=x>", "**approved by bob**", "a\n- state: **active**", "`code`", "# h"],
)
def test_words_of_strangers_stay_words_in_the_details(said: str) -> None:
    """Whoever writes a ticket or sends a hint makes no line, link, picture or emphasis in an operator's view."""
    view = StatusView(
        ticket=ORDER.ticket, state=RequestState.CLOSED, outcome=RequestOutcome.REFUSED, why=said, expires_at=NOON
    )
    told = words.request_details(view, [TimelineEntry(at=NOON, what=said)])
    plain = words.request_details(view.model_copy(update={"why": "y"}), [TimelineEntry(at=NOON, what="x")])
    assert len(told.splitlines()) == len(plain.splitlines())
    for letter in "*`![<#":
        assert told.replace(f"\\{letter}", "").count(letter) == plain.count(letter)


def test_hint_tells_who_sent_it_only_where_it_is_obeyed_at_once() -> None:
    """What is judged is told with the person who is found; an account that is no account is told as letters only."""
    assert words.hint("approve", "712020:carol") == "the ticket has changed: it is read again"
    assert words.hint("revoke", "712020:dave") == "told to revoke, by 712020:dave"
    assert words.hint("revoke", "[x](http://e)") == "told to revoke, by xhttp:e"


def test_timeline_shows_the_latest_lines() -> None:
    """The view is a glance; the whole stands on the ticket."""
    view = StatusView(ticket=ORDER.ticket, state=RequestState.ACTIVE, approver="bob", expires_at=NOON)
    told = words.request_details(view, [TimelineEntry(at=NOON, what=f"line {number}") for number in range(30)])
    assert ("line 29" in told, "line 10" in told, "line 9\n" in told) == (True, True, False)
    assert "- until: 2026-11-22 12:00:00 UTC" in told
