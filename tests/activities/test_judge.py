"""The judge's reading of a ticket: when a question may be asked, what answers it, which wishes count."""

from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from activities.records import judge_writer
from domain.approval import ApprovalOutcome
from domain.errors import RetryableError
from domain.ids import TicketRef, request_workflow_id
from domain.messages import JudgeInput, JudgeResult, OpenResult, WishesInput, WishesResult
from tests.activities.office import Office
from tests.house import APPROVED


async def judge(office: Office, ticket: TicketRef, opened: OpenResult) -> JudgeResult:
    assert opened.asked is not None
    request = JudgeInput(ticket=ticket, asked=opened.asked)
    return await office.call(office.judge.judge_request, request, request_workflow_id(ticket))


async def wishes(office: Office, ticket: TicketRef, opened: OpenResult, *seen: str) -> WishesResult:
    assert opened.terms is not None
    request = WishesInput(
        ticket=ticket,
        terms=opened.terms,
        first_end=office.at + timedelta(hours=1),
        current_end=office.at + timedelta(hours=1),
        times_extended=0,
        seen=seen,
    )
    return await office.call(office.judge.judge_wishes, request, request_workflow_id(ticket))


async def test_question_is_posted_once(office: Office) -> None:
    """A repeated opening, by a retry or a reset run, finds the round that stands on the ticket."""
    ticket = office.ask()
    first, again = await office.open(ticket), await office.open(ticket)
    assert first.asked == again.asked
    assert len(office.tickets.comments(ticket)) == 1


async def test_ticket_that_cannot_be_resolved_is_refused_with_reasons(office: Office) -> None:
    """Nothing is asked about what the catalogue does not offer to this person."""
    ticket = office.tickets.create(creator="mallory", entitlement="admin", duration="1000d", reason="-")
    opened = await office.open(ticket)
    assert opened.terms is None
    assert len(opened.refused) >= 3


async def test_ticket_at_its_end_starts_nothing(office: Office) -> None:
    """A closed ticket is not asked about again."""
    ticket = office.ask()
    office.tickets.transition_as(ticket, "Closed", "carol")
    assert "'Closed'" in (await office.open(ticket)).refused[0]


@pytest.mark.parametrize("key", ["nightlatch.0123456789abcdef.0", "nightlatch.junk"])
async def test_ticket_with_foreign_records_starts_nothing(office: Office, key: str) -> None:
    """A ticket that bears any Nightlatch property which is not of this request is refused: retention forgets, tickets do not."""
    ticket = office.ask()
    office.tickets.properties(ticket)[key] = "{}"
    assert "already bears records" in (await office.open(ticket)).refused[0]


async def test_ticket_whose_question_was_edited_is_refused(office: Office) -> None:
    """A chain of the judge's that does not verify stops the request from being opened."""
    ticket = office.ask()
    await office.open(ticket)
    properties = office.tickets.properties(ticket)
    for key in properties:
        properties[key] = properties[key].replace('"round":1', '"round":2')
    assert "already bears records" in (await office.open(ticket)).refused[0]


async def test_unanswered_question_is_pending(office: Office) -> None:
    """No answer is no yes and no no."""
    ticket = office.ask()
    judged = await judge(office, ticket, await office.open(ticket))
    assert (judged.verdict.outcome, judged.armed_until) == (ApprovalOutcome.PENDING, None)


async def test_approval_before_the_question_does_not_count(office: Office) -> None:
    """Only answers given after the posting count."""
    ticket = office.ask()
    office.tickets.transition_as(ticket, APPROVED, "bob")
    judged = await judge(office, ticket, await office.open(ticket))
    assert judged.verdict.outcome is ApprovalOutcome.PENDING


@pytest.mark.parametrize("by", ["alice", "alice-alt", "dave", "nobody"])
async def test_approval_by_somebody_who_may_not_is_listed_with_its_reason(office: Office, by: str) -> None:
    """The requester under any account, a person without the part, an unknown account: refused, and told why."""
    ticket = office.ask()
    opened = await office.open(ticket)
    office.at += timedelta(seconds=1)
    office.tickets.transition_as(ticket, APPROVED, by)
    judged = await judge(office, ticket, opened)
    assert judged.verdict.outcome is ApprovalOutcome.PENDING
    assert judged.verdict.refused[0].reason


async def test_reset_run_finds_its_round_and_the_end_that_was_armed(office: Office) -> None:
    """A run that was reset behind the arming learns the end in force, and follows it instead of arming a second time."""
    request = await office.armed()
    ticket = request.order.ticket
    judged = await judge(office, ticket, await office.open(ticket))
    assert judged.verdict.outcome is ApprovalOutcome.APPROVED
    assert (judged.verdict.approver, judged.armed_until) == ("bob", request.order.expires_at)


async def test_declined_ticket_is_denied_although_it_was_armed(office: Office) -> None:
    """A no after the yes wins."""
    request = await office.armed()
    ticket = request.order.ticket
    opened = await office.open(ticket)
    office.tickets.transition_as(ticket, "Declined", "bob")
    judged = await judge(office, ticket, opened)
    assert (judged.verdict.outcome, judged.armed_until) == (ApprovalOutcome.DENIED, None)


async def test_ticket_that_no_longer_resolves_is_changed(office: Office) -> None:
    """What cannot be resolved any more is a new question, or none."""
    ticket = office.ask()
    opened = await office.open(ticket)
    office.tickets.edit(ticket, "Entitlement", "gone", "alice")
    assert (await judge(office, ticket, opened)).verdict.outcome is ApprovalOutcome.CHANGED


@pytest.mark.parametrize("how", ["edited", "forgotten", "by another hand"])
async def test_question_that_does_not_stand_as_it_was_posted_is_no_question(office: Office, how: str) -> None:
    """An answer counts only to our own unedited comment, named by the judge's own record."""
    ticket = office.ask()
    opened = await office.open(ticket)
    comment = office.tickets.comments(ticket)[0]
    if how == "edited":
        office.tickets.edit_comment(ticket, comment.comment_id, comment.text + "!")
    elif how == "forgotten":
        office.tickets.properties(ticket).clear()
    else:
        assert opened.asked is not None
        opened = opened.model_copy(update={"asked": opened.asked.model_copy(update={"digest": "sha256:other"})})
    office.at += timedelta(seconds=1)
    office.tickets.transition_as(ticket, APPROVED, "bob")
    assert (await judge(office, ticket, opened)).verdict.outcome is ApprovalOutcome.CHANGED


async def test_unreadable_ticket_is_a_failure_and_never_a_verdict(office: Office) -> None:
    """What cannot be read is asked again; it is neither a yes nor a no."""
    ticket = office.ask()
    opened = await office.open(ticket)
    office.tickets.fail("read", RetryableError("down"))
    with pytest.raises(ApplicationError) as caught:
        await judge(office, ticket, opened)
    assert not caught.value.non_retryable


async def test_records_that_do_not_verify_are_a_failure_and_never_a_verdict(office: Office) -> None:
    """Tampered records of the judge stop the judging; nothing is approved over them."""
    request = await office.armed()
    ticket = request.order.ticket
    opened = await office.open(ticket)
    properties = office.tickets.properties(ticket)
    for key in properties:
        properties[key] = properties[key].replace('"seq":0', '"seq":5')
    with pytest.raises(ApplicationError):
        await judge(office, ticket, opened)
    assert await office.records.any_on(ticket)
    assert opened.asked is not None
    assert judge_writer("x") == "judge/x"


async def test_wishes_are_judged_in_order_and_once(office: Office) -> None:
    """Each wish counts on the end that the one before it has made; what was seen is not judged again."""
    ticket = office.ask()
    opened = await office.open(ticket)
    first = office.tickets.comment_as(ticket, "/extend 1h", "alice")
    second = office.tickets.comment_as(ticket, "/extend 1h", "alice")
    third = office.tickets.comment_as(ticket, "/extend 1h", "alice")
    found = await wishes(office, ticket, opened)
    assert [verdict.wish_id for verdict in found.verdicts] == [first, second, third]
    assert [verdict.granted for verdict in found.verdicts] == [True, True, False]
    assert found.verdicts[1].new_end == office.at + timedelta(hours=3)
    assert [v.wish_id for v in (await wishes(office, ticket, opened, first, second)).verdicts] == [third]


async def test_revoke_on_the_ticket_is_obeyed_from_anyone(office: Office) -> None:
    """A comment that begins with /revoke ends access, whoever wrote it."""
    ticket = office.ask()
    opened = await office.open(ticket)
    assert (await wishes(office, ticket, opened)).revoke_asked_by == ""
    office.tickets.comment_as(ticket, "/revoke please", "mallory")
    assert (await wishes(office, ticket, opened)).revoke_asked_by == "mallory"
