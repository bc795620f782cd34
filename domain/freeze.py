"""The freeze: a signed word on a well-known ticket that stops every grant. Unreadable, unsigned or missing means frozen."""

import json
from datetime import datetime
from typing import ClassVar

from pydantic import ValidationError

from domain.canonical import KeyRing, KeyRole, Signature
from domain.errors import SignatureRefusedError
from domain.ids import TicketRef
from domain.signed import Signed, SignedBody
from domain.values import Instant

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


def why_frozen(text: str | None, control: TicketRef, keys: KeyRing, now: datetime) -> str:
    """Why nothing may be granted at `now`, or empty when the control ticket says in so many words that it may."""
    if text is None:
        return f"the control ticket {control.key} bears no freeze record; `nightlatch setup` writes the first one"
    try:
        plain = json.loads(text)
        sealed = Signed(payload=plain["payload"], signature=Signature(key_id=plain["key"], value=plain["sig"]))
        word = sealed.open(FreezeWord, keys)
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError, SignatureRefusedError):
        return f"the freeze record on {control.key} does not verify"
    if (word.ticket.site, word.ticket.issue_id) != (control.site, control.issue_id):
        return f"the freeze record on {control.key} was made for {word.ticket.key}"
    if word.at > now:
        return f"the freeze record on {control.key} is from the future"
    return f"frozen by {word.by}" if word.frozen else ""
