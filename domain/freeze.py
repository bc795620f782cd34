"""The freeze: a signed word on a well-known ticket that stops every grant. Unreadable, unsigned or missing means frozen."""

import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from domain.canonical import KeyRing, KeyRole, Signature
from domain.errors import FrozenError, SignatureRefusedError
from domain.ids import TicketRef
from domain.signed import Signed, SignedBody
from domain.ticket import TicketComment
from domain.values import Instant, Value, render_instant

PROPERTY = "nightlatch.freeze"

FROZE, LIFTED = "nl-freeze-", "nl-lift-"
"""How the references begin that our own account's comments bear when they tell of a freeze, or of its lifting."""


class FreezeWord(SignedBody):
    """Frozen or not, on which ticket, by whose word, why and when. Several people are joined by "and"."""

    purpose: ClassVar[str] = "freeze"
    role: ClassVar[KeyRole] = KeyRole.JUDGE

    ticket: TicketRef
    frozen: bool
    by: str
    at: Instant
    reason: str = ""


class Announcement(Value):
    """A comment of our own account on the control ticket that tells of a freeze, or of its lifting."""

    comment_id: str
    frozen: bool
    at: Instant


def seal_text(sealed: Signed) -> str:
    """The text of the issue property."""
    return json.dumps(
        {"payload": sealed.payload, "key": sealed.signature.key_id, "sig": sealed.signature.value},
        sort_keys=True,
        separators=(",", ":"),
    )


def unseal_text(text: str) -> Signed:
    """What `seal_text` put into an issue property.

    Raises:
        SignatureRefusedError: the text is nothing of the kind.
    """
    try:
        plain = json.loads(text)
        return Signed(payload=plain["payload"], signature=Signature(key_id=plain["key"], value=plain["sig"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SignatureRefusedError("the property holds no sealed text") from error


def read_freeze(text: str | None, control: TicketRef, keys: KeyRing, now: datetime) -> FreezeWord:
    """The word that stands on the control ticket.

    Raises:
        FrozenError: there is none that can be believed at `now`, which is a freeze too.
    """
    if text is None:
        raise FrozenError(
            f"the control ticket {control.key} bears no freeze record; `nightlatch setup` writes the first one"
        )
    try:
        word = unseal_text(text).open(FreezeWord, keys)
    except SignatureRefusedError:
        raise FrozenError(f"the freeze record on {control.key} does not verify") from None
    if (word.ticket.site, word.ticket.issue_id) != (control.site, control.issue_id):
        raise FrozenError(f"the freeze record on {control.key} was made for {word.ticket.key}")
    if word.at > now:
        raise FrozenError(f"the freeze record on {control.key} is from the future")
    return word


def refuse_if_frozen(word: FreezeWord, newest: datetime) -> None:
    """Pass when `word` says in so many words that access may be added, and is none that a newer one had replaced.

    Raises:
        FrozenError: it does not, or was said before `newest`, when the newest that was ever read was said.
    """
    if word.at < newest:
        stood = render_instant(newest)
        raise FrozenError(
            f"the freeze record on {word.ticket.key} is older than one of {stood} that stood there before"
        )
    if word.frozen:
        raise FrozenError(f"frozen by {word.by}" + (f": {word.reason}" if word.reason else ""))


def announcements(comments: Iterable[TicketComment], own_account: str) -> tuple[Announcement, ...]:
    """What our own account has told of freezes on the control ticket, oldest first."""
    told = []
    for comment in comments:
        reference = re.fullmatch(rf"({FROZE}|{LIFTED})[0-9a-f]{{12}}", comment.text.rpartition("\n")[2])
        if reference is not None and comment.author == own_account:
            is_freeze = reference.group(1) == FROZE
            told.append(Announcement(comment_id=comment.comment_id, frozen=is_freeze, at=comment.at))
    return tuple(sorted(told, key=lambda each: each.at))


def frozen_since(word: FreezeWord | None, told: tuple[Announcement, ...]) -> datetime | None:
    """The instant after which a wish to lift the freeze counts, or None when nothing is frozen.

    `word` is the one that can be believed, if any. It is the later of what the word and the newest announcement say: no
    comment from before an earlier lifting counts again. A word that allows grants is no end of a freeze that was announced
    after it: it was put back.

    Raises:
        FrozenError: nobody can say since when: no word can be believed, and what was announced last is no freeze.
    """
    last = told[-1] if told else None
    if word is None:
        if last is None or not last.frozen:
            raise FrozenError(
                "nobody can say since when it is frozen: freeze it anew, so that the comment tells, and let people answer to that"
            )
        return last.at
    if not word.frozen and (last is None or not last.frozen or last.at < word.at):
        return None
    return max(word.at, last.at) if last is not None else word.at
