"""The rule of two people: two operators of the catalogue say the same on a ticket, each as themselves and with a reason."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from domain.catalogue import Catalogue
from domain.ticket import TicketComment
from domain.values import Instant, Value, render_instant

PEOPLE = 2

GOOD_FOR = timedelta(days=1)
"""A word that was not used by then has to be said again: nobody's consent lies about."""


class Consent(Value):
    """A comment that counts."""

    comment_id: str
    person: str
    reason: str
    at: Instant


class Uncounted(Value):
    """A comment that says the word and does not count, and why. `by`: the person, or the account of nobody known."""

    comment_id: str
    by: str
    reason: str


class TwoPeopleVerdict(Value):
    """`consents` has one for each person, their newest, in the order of time."""

    consents: tuple[Consent, ...] = ()
    uncounted: tuple[Uncounted, ...] = ()

    @property
    def holds(self) -> bool:
        return len({consent.person for consent in self.consents}) >= PEOPLE

    @property
    def by(self) -> str:
        """Everybody who counts, in words; empty when nobody does."""
        return " and ".join(consent.person for consent in self.consents)

    def lacking(self, command: str, since: datetime) -> str:
        """What is still to be done, who has done it, and why others do not count."""
        odd = "".join(f"; comment {each.comment_id} by {each.by}: {each.reason}" for each in self.uncounted)
        return (
            f"{PEOPLE} operators have to write {command} and a reason there, each as themselves,"
            f" after {render_instant(since)}; {self.by or 'nobody'} has{odd}"
        )


def judge_two_people(
    comments: Iterable[TicketComment],
    command: str,
    catalogue: Catalogue,
    *,
    own_account: str,
    since: datetime,
    now: datetime,
    barred: Mapping[str, str] = MappingProxyType({}),
) -> TwoPeopleVerdict:
    """Who has said `<command> <reason>` (for example `/unfreeze`) after `since`, by the ticket system's own times.

    `now` is the ticket system's too. Accounts are compared as persons, so that two accounts of one are one person. `barred`:
    operators who do not count here, and why.
    """
    consents: dict[str, Consent] = {}
    uncounted = []
    for comment in sorted(comments, key=lambda comment: comment.at):
        said = re.match(rf"\s*(?i:{re.escape(command)})(?!\S)(.*)", comment.text, re.DOTALL)
        if said is None:
            continue
        person = catalogue.people.by_jira(comment.author)
        reason = " ".join("".join(letter if letter.isprintable() else " " for letter in said.group(1)).split())
        fault = _fault_of(comment, person, reason, catalogue, own_account=own_account, since=since, now=now)
        fault = fault or barred.get(person or "", "")
        if person is None or fault:
            by = person or comment.author
            uncounted.append(Uncounted(comment_id=comment.comment_id, by=by, reason=fault))
        else:
            consents[person] = Consent(comment_id=comment.comment_id, person=person, reason=reason, at=comment.at)
    in_order = sorted(consents.values(), key=lambda consent: consent.at)
    return TwoPeopleVerdict(consents=tuple(in_order), uncounted=tuple(uncounted))


def _fault_of(
    comment: TicketComment,
    person: str | None,
    reason: str,
    catalogue: Catalogue,
    *,
    own_account: str,
    since: datetime,
    now: datetime,
) -> str:
    """Why a comment does not count, or empty."""
    if comment.author == own_account:
        return "it was written by Nightlatch's own account, which is nobody"
    if person is None:
        return "the account is not linked with exactly one person"
    if person not in catalogue.operators:
        return f"{person} is no operator of the catalogue"
    if comment.edited:
        return "it was edited after it was written; write a new one"
    if not reason:
        return "it gives no reason; write one behind the word"
    if comment.at <= since:
        return "it was written before what it is to answer; write it again"
    if now - comment.at >= GOOD_FOR:
        return "it is older than a day; write it again"
    return ""
