"""The approval rule: one entitled approver, none of the barred persons, an answer to exactly what was shown."""

from datetime import datetime
from enum import StrEnum

from domain.catalogue import Catalogue
from domain.persons import Directory
from domain.terms import RequestTerms
from domain.ticket import TicketChange, TicketRules, TicketView
from domain.values import Instant, Value


class AskedRound(Value):
    """One posting of the question: the digest that was shown, and when the ticket system says it was posted."""

    number: int
    digest: str
    posted_at: Instant


class ApprovalOutcome(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    CHANGED = "changed"


class RefusedAnswer(Value):
    """An approval that does not count, and why."""

    answer_id: str
    by: str
    reason: str


class ApprovalVerdict(Value):
    """`APPROVED` names the answer and the person; `CHANGED` asks for a new round; refused answers are listed for the ticket."""

    outcome: ApprovalOutcome
    answer_id: str = ""
    answered_at: Instant | None = None
    approver: str = ""
    refused: tuple[RefusedAnswer, ...] = ()
    reason: str = ""


def judge_approval(
    view: TicketView,
    terms: RequestTerms,
    asked: AskedRound,
    catalogue: Catalogue,
    rules: TicketRules,
    now: datetime,
) -> ApprovalVerdict:
    """Decide from the ticket alone whether the question of round `asked` has been answered with a yes that counts.

    The status must be the approved one *now*, and the answer that put it there must be the last one, given after the
    posting, less than `valid_for` ago by `now` and by the ticket system's clock, by an entitled approver who is none of
    the barred persons, while no bound field changed.
    """
    answers = sorted(
        (change for change in view.changes if change.field == rules.status_field and change.at > asked.posted_at),
        key=lambda change: change.at,
    )
    if view.status in rules.terminal_statuses:
        last = answers[-1] if answers else None
        who = (catalogue.people.by_jira(last.author) or last.author) if last else "somebody"
        return ApprovalVerdict(outcome=ApprovalOutcome.DENIED, reason=f"{who} set the ticket to {view.status!r}")
    edits = [change for change in view.changes if change.field in rules.bound_fields]
    if terms.digest != asked.digest or any(edit.at >= asked.posted_at for edit in edits):
        return ApprovalVerdict(
            outcome=ApprovalOutcome.CHANGED, reason="what is asked for has changed since it was shown"
        )
    if view.status != rules.approved_status or not answers or answers[-1].new != rules.approved_status:
        return ApprovalVerdict(outcome=ApprovalOutcome.PENDING)
    answer = answers[-1]
    if len(answers) > 1 and answers[-2].at == answer.at:
        approver, reason = "", "another change of status bears the same instant; approve again"
    else:
        approver, reason = _judge_answer(answer, view, terms, edits, catalogue, rules, now)
    if reason:
        refused = RefusedAnswer(answer_id=answer.change_id, by=approver or answer.author, reason=reason)
        return ApprovalVerdict(outcome=ApprovalOutcome.PENDING, refused=(refused,))
    return ApprovalVerdict(
        outcome=ApprovalOutcome.APPROVED,
        answer_id=answer.change_id,
        answered_at=answer.at,
        approver=approver,
    )


def _judge_answer(
    answer: TicketChange,
    view: TicketView,
    terms: RequestTerms,
    edits: list[TicketChange],
    catalogue: Catalogue,
    rules: TicketRules,
    now: datetime,
) -> tuple[str, str]:
    """(the answering person or empty, the reason why the answer does not count or empty)."""
    route = catalogue.entitlements[terms.entitlement].approval
    approver = catalogue.people.by_jira(answer.author)
    if answer.author == rules.own_account:
        return "", "it was made by Nightlatch's own account, which approves nothing"
    if approver is None:
        return "", f"Jira account {answer.author} is not linked with exactly one person"
    barred, unknown = _barred_persons(view, terms, edits, catalogue.people)
    if unknown:
        return approver, f"Jira account {unknown} took part in the request and is not linked with exactly one person"
    if approver in barred:
        return approver, f"{approver} is the {barred[approver]} of this request, and nobody approves for themselves"
    if approver not in route.approvers:
        return approver, f"{approver} is not an approver of {terms.entitlement}"
    if max(now, view.read_at) - answer.at >= route.valid_for:
        return approver, "the approval is older than it may be used; approve again"
    return approver, ""


def _barred_persons(
    view: TicketView,
    terms: RequestTerms,
    edits: list[TicketChange],
    people: Directory,
) -> tuple[dict[str, str], str]:
    """Barred persons with the part they played, and an account among them that nobody is known to own (or empty)."""
    barred = {terms.subject: "subject"}
    parts = [(view.creator, "creator"), (view.reporter, "reporter")] + [(edit.author, "editor") for edit in edits]
    for account, part in parts:
        person = people.by_jira(account)
        if person is None:
            return barred, account
        barred.setdefault(person, part)
    return barred, ""
