"""Freezing: the word on the control ticket that stops every grant, and the comment that tells people. Lifting is in `lifting.py`."""

import json
from datetime import datetime

from activities.ports import TicketSystem
from domain.canonical import SigningKey, digest
from domain.errors import MalformedError
from domain.freeze import FROZE, PROPERTY, FreezeWord, seal_text
from domain.ids import TicketRef
from domain.signed import Signed
from domain.values import render_instant, whole_millis

TRIES = 3
MAX_NAME, MAX_REASON = 100, 300
UNSIGNED = (
    "No judge key was at hand: the word bears no signature. It freezes all the same, because it verifies for nobody."
)


async def freeze(
    tickets: TicketSystem,
    control: TicketRef,
    judge: SigningKey | None,
    *,
    by: str,
    reason: str,
    now: datetime,
) -> None:
    """Freeze: a word signed by `judge`, or without that key one that verifies for nobody, which freezes too; and a comment.

    Safe to repeat. Each time freezes anew: what people said before in order to lift it counts no longer. The word is looked
    at last, after the comment: a lifting that crosses this either finds the comment, or leaves its own word to be found here.

    Raises:
        MalformedError: the word was written several times, and another one stands there.
        VendorError: the ticket system did not take it; it may be frozen already, and this is to be repeated.
    """
    by, reason, at = one_line(by, MAX_NAME), one_line(reason, MAX_REASON), whole_millis(now)
    text = _word(control, judge, by, reason, at)
    marker = FROZE + digest({"word": text})[7:19]
    for _ in range(TRIES):
        await tickets.write_property(control, PROPERTY, text)
        await tickets.comment(control, _comment(by, reason, signed=judge is not None), marker)
        stands = await word_on(tickets, control)
        if stands is not None and json.loads(stands) == json.loads(text):
            return
    raise MalformedError(
        f"{control.key}: the freeze was written {TRIES} times, and another word stands there; see who else writes on it"
    )


async def word_on(tickets: TicketSystem, control: TicketRef) -> str | None:
    """The text of the word that stands on the control ticket, if there is one; whether to believe it is the reader's matter."""
    return (await tickets.read_properties(control, PROPERTY)).get(PROPERTY)


def one_line(text: str, longest: int) -> str:
    """What somebody typed, as one printable line: half a character or a control sequence must not keep a freeze from being written."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:longest]


def _word(control: TicketRef, judge: SigningKey | None, by: str, reason: str, at: datetime) -> str:
    if judge is None:
        return json.dumps({"frozen": True, "by": by, "reason": reason, "at": render_instant(at), "signature": None})
    word = FreezeWord(ticket=control, frozen=True, by=by, at=at, reason=reason)
    return seal_text(Signed.seal(word, judge))


def _comment(by: str, reason: str, *, signed: bool) -> str:
    what = "Nothing is granted or extended; access that is active ends in its time, or when it is revoked."
    how = (
        "To lift it, two operators of the catalogue each write /unfreeze and a reason here, as themselves;"
        " then `nightlatch unfreeze` is run where the judge's key is."
    )
    return "\n\n".join([f"Frozen by {by}: {reason}", what, how, *([] if signed else [UNSIGNED])])
