"""The freeze: a signed word on a well-known ticket that stops every grant. Unreadable, unsigned or missing means frozen."""

import json
from datetime import datetime
from typing import ClassVar

from pydantic import ValidationError

from domain.canonical import KeyRing, KeyRole, Signature
from domain.errors import FrozenError, SignatureRefusedError
from domain.ids import TicketRef
from domain.signed import Signed, SignedBody
from domain.values import Instant, render_instant

PROPERTY = "nightlatch.freeze"


class FreezeWord(SignedBody):
    """Frozen or not, on which ticket, by whose word and when."""

    purpose: ClassVar[str] = "freeze"
    role: ClassVar[KeyRole] = KeyRole.JUDGE

    ticket: TicketRef
    frozen: bool
    by: str
    at: Instant


def seal_text(sealed: Signed) -> str:
    """The text of the issue property."""
    return json.dumps(
        {"payload": sealed.payload, "key": sealed.signature.key_id, "sig": sealed.signature.value},
        sort_keys=True,
        separators=(",", ":"),
    )


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
        plain = json.loads(text)
        sealed = Signed(payload=plain["payload"], signature=Signature(key_id=plain["key"], value=plain["sig"]))
        word = sealed.open(FreezeWord, keys)
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError, SignatureRefusedError):
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
        raise FrozenError(f"frozen by {word.by}")
