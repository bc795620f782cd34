"""The approval rule: each way in which a yes does not count, and the one in which it does."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.approval import ApprovalOutcome, ApprovalVerdict, judge_approval
from domain.catalogue import Catalogue
from domain.ticket import TicketChange, TicketComment
from tests.domain.examples import (
    ADA,
    ADA_TOO,
    ANSWERED_AT,
    ASKED_AT,
    BEN,
    BOT,
    CLEO,
    CREATED_AT,
    DAN,
    NOBODY,
    NOW,
    RULES,
    asked,
    catalogue,
    catalogue_plain,
    change,
    resolved,
    view,
)

TICK = timedelta(microseconds=1)
VALID_FOR = timedelta(minutes=15)


def judge(*changes: TicketChange, known: Catalogue | None = None, now: Any = NOW, **fields: Any) -> ApprovalVerdict:
    """The verdict on Ada's ticket after `changes`, standing where the last change of status has left it."""
    moves = [move.new for move in changes if move.field == "status"]
    shown = view(**{"status": moves[-1] if moves else RULES.waiting_status, "changes": changes} | fields)
    return judge_approval(
        shown, resolved(shown, known), asked(resolved(shown, known)), known or catalogue(), RULES, now
    )


def refused(verdict: ApprovalVerdict) -> str:
    assert verdict.outcome is ApprovalOutcome.PENDING, verdict
    assert (verdict.approver, verdict.answer_id, verdict.answered_at) == ("", "", None)
    (answer,) = verdict.refused
    return answer.reason


def test_approves_by_an_entitled_approver_who_took_no_other_part() -> None:
    """The good case: the verdict names the answer, its time and the person."""
    verdict = judge(change(BEN))
    assert verdict.outcome is ApprovalOutcome.APPROVED
    assert (verdict.approver, verdict.answered_at) == ("ben", ANSWERED_AT)
    assert verdict.answer_id == change(BEN).change_id
    assert verdict.refused == ()


def test_waits_while_nobody_has_answered() -> None:
    """Silence is not a yes."""
    assert judge() == ApprovalVerdict(outcome=ApprovalOutcome.PENDING)


def test_waits_when_the_status_is_approved_and_no_change_says_who_did_it() -> None:
    """A ticket created as approved, or a change log that is missing, approves nothing."""
    assert judge(status="Approved").outcome is ApprovalOutcome.PENDING


@pytest.mark.parametrize(
    ("parts", "part"),
    [
        ({"creator": CLEO}, "creator"),
        ({"reporter": CLEO, "subject_account": ADA}, "reporter"),
        ({"subject_account": CLEO}, "subject"),
    ],
)
def test_refuses_whoever_took_part_in_asking(parts: dict[str, Any], part: str) -> None:
    """Creator, reporter and subject are barred although they are entitled approvers."""
    assert f"cleo is the {part} of this request" in refused(judge(change(CLEO), **parts))


@pytest.mark.parametrize("field", sorted(RULES.bound_fields))
@pytest.mark.parametrize("minutes", [-10, 0])
def test_refuses_whoever_has_changed_a_bound_field(field: str, minutes: int) -> None:
    """An editor of the question is barred from the answer, however long before the posting the change was."""
    edit = change(CLEO, field, at=ASKED_AT + timedelta(minutes=minutes) - TICK, new="x")
    assert "cleo is the editor of this request" in refused(judge(edit, change(CLEO)))


def test_approves_when_somebody_else_has_changed_an_unbound_field() -> None:
    """Labels and assignees are not what was asked."""
    assert judge(change(BEN, "labels", new="x"), change(BEN)).outcome is ApprovalOutcome.APPROVED


def test_refuses_the_second_account_of_a_barred_person() -> None:
    """People are compared as persons: Ada's admin account is Ada."""
    known = catalogue(approval={"approvers": ["ada", "ben"]})
    assert "ada is the subject" in refused(judge(change(ADA_TOO), known=known))


def test_refuses_an_account_that_nobody_is_linked_with() -> None:
    """An unknown author is nobody."""
    assert f"{NOBODY} is not linked with exactly one person" in refused(judge(change(NOBODY)))


@pytest.mark.parametrize("author", ["", BEN.upper(), BEN + "\u200b"])
def test_refuses_an_author_that_only_looks_like_an_approver(author: str) -> None:
    """Accounts are compared as they are."""
    assert "is not linked with exactly one person" in refused(judge(change(author)))


def test_refuses_an_account_that_two_persons_claim() -> None:
    """An ambiguous link is no link, even if either person could approve."""
    plain = catalogue_plain()
    plain["people"]["people"]["dan"]["jira"] = [BEN]
    assert "not linked with exactly one" in refused(judge(change(BEN), known=Catalogue.model_validate(plain)))


def test_refuses_nightlatchs_own_account_even_if_somebody_is_linked_with_it() -> None:
    """Our own writing is never an approval, whatever the catalogue says."""
    plain = catalogue_plain()
    plain["people"]["people"]["ben"]["jira"] = [BEN, BOT]
    assert "own account" in refused(judge(change(BOT), known=Catalogue.model_validate(plain)))


def test_refuses_every_answer_when_an_editor_is_unknown() -> None:
    """Who changed the question must be known before anyone's answer can count: it might have been the approver."""
    edit = change(NOBODY, "Reason", at=CREATED_AT, new="x")
    assert f"{NOBODY} took part in the request" in refused(judge(edit, change(BEN)))


def test_refuses_somebody_who_is_known_and_not_an_approver() -> None:
    """Being able to move the ticket is no entitlement to decide."""
    assert "dan is not an approver of prod-admin" in refused(judge(change(DAN)))


@pytest.mark.parametrize("age", [VALID_FOR, VALID_FOR + TICK, timedelta(days=30)])
def test_refuses_an_approval_that_is_too_old_by_either_clock(age: timedelta) -> None:
    """At `valid_for` exactly it is over; a clock that lags cannot make it younger than the ticket system knows it is."""
    assert "older than it may be used" in refused(judge(change(BEN), now=ANSWERED_AT + age))
    assert "older than it may be used" in refused(judge(change(BEN), now=CREATED_AT, read_at=ANSWERED_AT + age))


def test_approves_in_the_last_instant_before_the_approval_is_too_old() -> None:
    """The interval is half-open."""
    assert judge(change(BEN), now=ANSWERED_AT + VALID_FOR - TICK).outcome is ApprovalOutcome.APPROVED


@pytest.mark.parametrize("status", ["Waiting for approval", "Access active", "approved", "Approved ", ""])
def test_waits_when_the_status_has_moved_away(status: str) -> None:
    """Whatever the change log says, the ticket must stand in the approved status now."""
    assert judge(change(BEN), status=status).outcome is ApprovalOutcome.PENDING


def test_counts_only_the_last_answer() -> None:
    """A yes that was taken back and given again by the wrong person does not count, nor does the earlier one."""
    later = [
        change(ADA, at=ANSWERED_AT + timedelta(seconds=1), new="Waiting for approval"),
        change(ADA, at=ANSWERED_AT + timedelta(seconds=2)),
    ]
    assert "ada is the subject" in refused(judge(change(BEN), *later))


def test_waits_when_the_last_answer_does_not_fit_the_status() -> None:
    """A change log that contradicts the status is not readable, so it is not a yes."""
    back = change(BEN, at=ANSWERED_AT + TICK, new="Waiting for approval")
    assert judge(change(BEN), back, status="Approved").outcome is ApprovalOutcome.PENDING


def test_finds_the_last_answer_in_whatever_order_the_log_is_given() -> None:
    """A log that comes newest first does not bring an older yes back to life."""
    later = change(ADA, at=ANSWERED_AT + timedelta(seconds=2))
    assert "ada is the subject" in refused(judge(later, change(BEN)))


@pytest.mark.parametrize("order", [1, -1])
def test_refuses_when_two_answers_bear_the_same_instant(order: int) -> None:
    """Which of two was last cannot be known, so neither is believed."""
    answers = [change(BEN), change(DAN)][::order]
    assert "bears the same instant" in refused(judge(*answers))


@pytest.mark.parametrize("early", [timedelta(0), TICK, timedelta(days=1)])
def test_ignores_an_answer_given_at_or_before_the_posting(early: timedelta) -> None:
    """Nobody can have approved what was not shown yet; at the same instant the order is unknown."""
    assert judge(change(BEN, at=ASKED_AT - early)) == ApprovalVerdict(outcome=ApprovalOutcome.PENDING)


@pytest.mark.parametrize("field", sorted(RULES.bound_fields))
@pytest.mark.parametrize("late", [timedelta(0), TICK, timedelta(minutes=10)])
def test_asks_anew_when_a_bound_field_was_changed_at_or_after_the_posting(field: str, late: timedelta) -> None:
    """Also after the answer, and also when the old value was put back: somebody may have answered what stood between."""
    there = change(ADA, field, at=ASKED_AT + late, new="other")
    back = change(ADA, field, at=ASKED_AT + late, new="as it was")
    assert judge(change(BEN), there).outcome is ApprovalOutcome.CHANGED
    assert judge(there, back, change(BEN)).outcome is ApprovalOutcome.CHANGED


def test_asks_anew_when_the_terms_are_not_those_that_were_shown() -> None:
    """A change that left no trace in the log, in the catalogue say, voids the answer too."""
    shown = view(status="Approved", changes=[change(BEN)])
    stricter = catalogue(max_duration="3h")
    verdict = judge_approval(shown, resolved(shown, stricter), asked(resolved(shown)), stricter, RULES, NOW)
    assert verdict.outcome is ApprovalOutcome.CHANGED


@pytest.mark.parametrize("status", sorted(RULES.terminal_statuses))
@pytest.mark.parametrize(("author", "name"), [(ADA, "ada"), (BEN, "ben"), (BOT, BOT), (NOBODY, NOBODY)])
def test_is_denied_by_anyone(status: str, author: str, name: str) -> None:
    """A no needs no entitlement, not even a known person."""
    verdict = judge(change(BEN), change(author, at=ANSWERED_AT + TICK, new=status))
    assert verdict.outcome is ApprovalOutcome.DENIED
    assert verdict.reason == f"{name} set the ticket to {status!r}"


def test_is_denied_even_when_the_log_does_not_say_by_whom() -> None:
    """The status alone is enough for a no, and comes before every other judgement."""
    edit = change(ADA, "Reason", new="x")
    verdict = judge(edit, status="Declined")
    assert verdict.outcome is ApprovalOutcome.DENIED
    assert "somebody" in verdict.reason


def test_asks_somebody_else_when_the_first_yes_did_not_count() -> None:
    """A refused yes does not end the question."""
    moves = [
        change(DAN),
        change(DAN, at=ANSWERED_AT + timedelta(seconds=1), new="Waiting for approval"),
        change(BEN, at=ANSWERED_AT + timedelta(seconds=2)),
    ]
    assert judge(*moves).outcome is ApprovalOutcome.APPROVED


def test_reads_no_approval_from_a_comment() -> None:
    """Words are not an answer; the status with its author in the change log is."""
    comment = TicketComment(comment_id="1", at=ANSWERED_AT, author=BEN, text="Approved")
    assert judge(comments=(comment,)).outcome is ApprovalOutcome.PENDING


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            lambda author, field, seconds, new: change(
                author, field, at=ASKED_AT + timedelta(seconds=seconds), new=new
            ),
            st.sampled_from([ADA, ADA_TOO, BEN, CLEO, DAN, BOT, NOBODY]),
            st.sampled_from(["status", "status", "status", "Reason", "labels"]),
            st.integers(-2, 4),
            st.sampled_from(["Approved", "Approved", "Waiting for approval", "Declined"]),
        ),
        max_size=5,
    ),
    st.sampled_from([ADA, BEN, CLEO]),
)
def test_approves_under_no_history_that_breaks_the_rule(changes: list[TicketChange], creator: str) -> None:
    """Whatever the log holds: an approval is the last move, alone at its instant, by a known approver who took no part."""
    verdict = judge(*changes, creator=creator, status="Approved")
    if verdict.outcome is ApprovalOutcome.APPROVED:
        edits = [edit for edit in changes if edit.field == "Reason"]
        moves = [move for move in changes if move.field == "status" and move.at > ASKED_AT]
        last = max(move.at for move in moves)
        (answer,) = [move for move in moves if move.at == last]
        assert (answer.new, answer.change_id) == ("Approved", verdict.answer_id)
        assert answer.author in {BEN, CLEO} - {creator} - {edit.author for edit in edits}
        assert all(edit.at < ASKED_AT and edit.author != NOBODY for edit in edits)
