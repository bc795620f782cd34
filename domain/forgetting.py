"""Forgetting: how a lease ends whose target is gone for good and whose removal nobody can prove. It is never called a proof.

Two looks, signed by a witness, at a target that the vendor says does not exist; and two people, judged by the judge.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import ClassVar

from domain.canonical import KeyRing, KeyRole
from domain.catalogue import Catalogue
from domain.errors import SignatureRefusedError
from domain.ids import LeaseId, TargetRef, TicketRef
from domain.signed import Signed, SignedBody
from domain.ticket import TicketComment
from domain.two_people import TwoPeopleVerdict, judge_two_people
from domain.values import Instant, Value

COMMAND = "/forget"
"""What an operator writes on a ticket: the word, the lease's id, and why."""


class GoneWord(SignedBody):
    """One look, by one lease run, at a target that the vendor says in so many words does not exist.

    `beside` is another target of the same instance that was seen to stand right then: it is not the vendor that is gone, or
    our sight of it.
    """

    purpose: ClassVar[str] = "gone"
    role: ClassVar[KeyRole] = KeyRole.WITNESS

    lease_id: str
    run_id: str
    beside: TargetRef
    observed_at: Instant
    vendor_request_id: str = ""
    note: str = ""


class ForgetWord(SignedBody):
    """The judge's word that people want a lease run forgotten: who, why, on which ticket. `record` is what stands for it."""

    purpose: ClassVar[str] = "forget"
    role: ClassVar[KeyRole] = KeyRole.JUDGE

    lease_id: str
    run_id: str
    ticket: TicketRef
    by: str
    reason: str
    at: Instant
    record: str


class Forgetting(Value):
    """Why a lease ended without a proof: a `GoneWord` twice, and a `ForgetWord`."""

    first: Signed
    second: Signed
    word: Signed


def verify_gone(
    first: Signed, second: Signed, keys: KeyRing, *, lease_id: str, not_before: datetime, apart: timedelta
) -> tuple[GoneWord, GoneWord]:
    """Both looks, if a witness signed each for this lease, none older than `not_before`, the second `apart` after the first.

    Raises:
        SignatureRefusedError: nobody has seen twice that the target is gone.
    """
    looks = first.open(GoneWord, keys), second.open(GoneWord, keys)
    for look in looks:
        if look.lease_id != lease_id:
            raise SignatureRefusedError(f"this look is at the target of {look.lease_id}, not of {lease_id}")
        if look.observed_at < not_before:
            raise SignatureRefusedError(f"this look is of {look.observed_at}, older than {not_before}")
    if looks[1].observed_at - looks[0].observed_at < apart or first.payload == second.payload:
        raise SignatureRefusedError(f"the second look must be another one, and come {apart} after the first")
    return looks


def verify_forgetting(
    forgetting: Forgetting, keys: KeyRing, *, lease_id: str, not_before: datetime, apart: timedelta
) -> ForgetWord:
    """The judge's word, if it is for this lease, no older than `not_before`, and stands on two looks.

    Raises:
        SignatureRefusedError: nobody may forget the lease for it.
    """
    verify_gone(forgetting.first, forgetting.second, keys, lease_id=lease_id, not_before=not_before, apart=apart)
    word = forgetting.word.open(ForgetWord, keys)
    if word.lease_id != lease_id or word.at < not_before:
        raise SignatureRefusedError(f"this word of {word.at} is about {word.lease_id}; what is asked is {lease_id}")
    return word


def judge_forgetting(
    comments: Iterable[TicketComment],
    lease_id: str,
    catalogue: Catalogue,
    *,
    own_account: str,
    since: datetime,
    now: datetime,
) -> TwoPeopleVerdict:
    """Who has said `/forget <lease id> <reason>` after `since`. Whose access it is may not be one of the two."""
    about = [
        comment.model_copy(update={"text": f"{COMMAND} {said.group(2)}"})
        for comment in comments
        if (said := re.match(rf"\s*(?i:{COMMAND})\s+(\S+)(.*)", comment.text, re.DOTALL)) and said.group(1) == lease_id
    ]
    return judge_two_people(
        about,
        COMMAND,
        catalogue,
        own_account=own_account,
        since=since,
        now=now,
        barred=dict.fromkeys(_owners(lease_id, catalogue), "the access is theirs, and nobody forgets their own"),
    )


def _owners(lease_id: str, catalogue: Catalogue) -> Iterable[str]:
    """Persons who are linked with the account of a lease."""
    subject = LeaseId.parse(lease_id).subject
    return [
        key
        for key, person in catalogue.people.people.items()
        if person.accounts.get(subject.instance) == subject.user_id
    ]
