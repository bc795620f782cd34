"""The extension rule: who may prolong, by how much, how often; and how a person writes the wish in the ticket."""

import re
from datetime import datetime, timedelta

from domain.catalogue import Catalogue, Entitlement, ExtensionTerms
from domain.durations import MAX_SKEW, parse_duration, render_duration
from domain.errors import InvalidInputError
from domain.terms import RequestTerms
from domain.ticket import TicketComment
from domain.values import Instant, Value


class ExtensionWish(Value):
    """A comment that asks for more time. `by` is None when the span could not be read, and `problem` says why."""

    wish_id: str
    author: str
    at: Instant
    by: timedelta | None = None
    edited: bool = False
    problem: str = ""


class ExtensionVerdict(Value):
    """Yes with the new end, or no with the reason. `wish_id` is the comment."""

    wish_id: str
    person: str = ""
    granted: bool
    new_end: Instant | None = None
    reason: str = ""


def find_wishes(comments: tuple[TicketComment, ...]) -> tuple[ExtensionWish, ...]:
    """Every comment whose text begins with `/extend`, oldest first."""
    wishes = []
    for comment in comments:
        match = re.match(r"\s*/extend\b[ \t]*((?:[0-9]+[smhd][ \t]*)+(?!\S)|\S*)", comment.text, re.IGNORECASE)
        if match is None:
            continue
        by, problem = None, ""
        try:
            by = parse_duration(match.group(1))
        except InvalidInputError as error:
            problem = str(error)
        wishes.append(
            ExtensionWish(
                wish_id=comment.comment_id,
                author=comment.author,
                at=comment.at,
                by=by,
                edited=comment.edited,
                problem=problem,
            ),
        )
    return tuple(wishes)


def wants_revoke(comments: tuple[TicketComment, ...]) -> TicketComment | None:
    """The first comment that begins with `/revoke`: obeyed from anyone who can write on the ticket."""
    return next((comment for comment in comments if re.match(r"\s*/revoke\b", comment.text, re.IGNORECASE)), None)


def latest_end(first_end: datetime, terms: ExtensionTerms) -> datetime:
    """`never_after`: the instant that no extension of a lease whose first end is `first_end` may pass."""
    return first_end + (terms.total or timedelta(0))


def judge_extension(
    wish: ExtensionWish,
    terms: RequestTerms,
    catalogue: Catalogue,
    *,
    own_account: str,
    first_end: datetime,
    current_end: datetime,
    times_extended: int,
    now: datetime,
) -> ExtensionVerdict:
    """Judge one wish by the frozen terms and today's catalogue, the stricter of the two.

    A wish counts only while `now < current_end`; the new end is `current_end` plus the span, never past the caps. One that
    was written before the access began, by the ticket's clock and what it may differ, asks for more of something unseen.
    """
    person = catalogue.people.by_jira(wish.author) or ""

    def no(reason: str) -> ExtensionVerdict:
        return ExtensionVerdict(wish_id=wish.wish_id, person=person or wish.author, granted=False, reason=reason)

    entitlement = catalogue.entitlements.get(terms.entitlement)
    if wish.author == own_account or not person or person not in {terms.subject, terms.requester}:
        return no("only the requester or the subject may extend")
    if wish.by is None:
        return no(wish.problem)
    if fault := _fault_of(wish.by, wish, began_at=first_end - terms.duration):
        return no(fault)
    if now >= current_end:
        return no("the access had already ended; open a new request")
    if entitlement is None:
        return no("the entitlement has left the catalogue")
    if not _is_still_open_to(terms, entitlement, catalogue):
        return no("the catalogue no longer offers this access to these persons and accounts; open a new request")
    for limits in (terms.extension, entitlement.extension):
        reason = _over_a_cap(
            wish.by, limits, first_end=first_end, current_end=current_end, times_extended=times_extended
        )
        if reason:
            return no(reason)
    return ExtensionVerdict(wish_id=wish.wish_id, person=person, granted=True, new_end=current_end + wish.by)


def _fault_of(by: timedelta, wish: ExtensionWish, *, began_at: datetime) -> str:
    if wish.edited:
        return "the comment was edited after it was written; write a new one"
    if by <= timedelta(0):
        return "the span must be more than nothing; write for example /extend 30m"
    if wish.at < began_at - MAX_SKEW:
        return "it was written before the access began; write it again"
    return ""


def _is_still_open_to(terms: RequestTerms, entitlement: Entitlement, catalogue: Catalogue) -> bool:
    """Whether a new request could name the same persons, targets and accounts today."""
    subject = catalogue.people.people.get(terms.subject)
    if subject is None or not {terms.subject, terms.requester} <= set(entitlement.requesters):
        return False
    refs = {target.ref for target in catalogue.targets_of(entitlement)}
    return all(
        grantee.target in refs and subject.accounts.get(grantee.target.instance) == grantee.subject.user_id
        for grantee in terms.grantees
    )


def _over_a_cap(
    by: timedelta,
    limits: ExtensionTerms,
    *,
    first_end: datetime,
    current_end: datetime,
    times_extended: int,
) -> str:
    if limits.each is None or limits.total is None or times_extended >= limits.count:
        return f"it has been extended {times_extended} times and may be {limits.count} times; open a new request"
    if by > limits.each:
        return f"{render_duration(by)} is more than the {render_duration(limits.each)} allowed at a time"
    if current_end + by > latest_end(first_end, limits):
        left = max(latest_end(first_end, limits) - current_end, timedelta(0))
        return f"only {render_duration(left)} more is allowed in total"
    return ""
