"""What approvers read: the question in words, with the digest that their answer will be bound to."""

from domain.catalogue import Catalogue
from domain.durations import render_duration
from domain.terms import RequestTerms
from domain.ticket import TicketView


def question_text(view: TicketView, terms: RequestTerms, catalogue: Catalogue) -> str:
    """Paragraphs separated by blank lines: who wants what, for how long, why, until when the answer counts, who may answer."""
    people = catalogue.people.people
    entitlement = catalogue.entitlements[terms.entitlement]
    route = entitlement.approval
    asker = people[terms.requester].name
    holder = people[terms.subject].name
    wish = f"{asker} asks for {entitlement.title} ({terms.entitlement})"
    if terms.subject != terms.requester:
        wish += f" for {holder}"
    return "\n\n".join(
        [
            f"{wish}, for {render_duration(terms.duration)} from the moment of granting.",
            _where(terms),
            f"Extensions: {_extensions(terms)}.",
            (
                f"To decide: move this ticket to Approved or Declined. Approvers: "
                f"{', '.join(people[key].name for key in route.approvers)}. "
                f"Unanswered, it lapses after {render_duration(route.lapse_after)}; an approval is used within "
                f"{render_duration(route.valid_for)} or is void. Changing any field of {view.ref.key} voids every answer."
            ),
            f"Your answer is bound to {terms.digest}.",
        ],
    )


def _where(terms: RequestTerms) -> str:
    targets = ", ".join(f"{grantee.target_name} at {grantee.target.instance}" for grantee in terms.grantees)
    residual = max(grantee.max_residual for grantee in terms.grantees)
    said = f"Adds the account to: {targets}. A session issued before the end can live on for up to {render_duration(residual)}."
    late = min((grantee.suspend_after for grantee in terms.grantees if grantee.suspend_after), default=None)
    return (
        f"{said} A removal that is late by {render_duration(late)} has the whole account suspended." if late else said
    )


def _extensions(terms: RequestTerms) -> str:
    limits = terms.extension
    if limits.each is None or limits.total is None:
        return "none"
    return (
        f"up to {limits.count} times, {render_duration(limits.each)} each and {render_duration(limits.total)} in all, "
        "by a comment that begins with /extend and the span"
    )
