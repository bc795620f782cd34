"""The freeze: open only by a readable, signed, present word that says so."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.canonical import KeyRing, KeyRole
from domain.errors import FrozenError
from domain.freeze import FreezeWord, read_freeze, refuse_if_frozen, seal_text
from domain.ids import TicketRef
from domain.signed import Signed
from tests.domain.examples import JUDGE, KEYS, NOW, OTHER_TICKET, STRANGER_KEYS, TICKET

TICK = timedelta(microseconds=1)


def word(**fields: Any) -> FreezeWord:
    return FreezeWord.model_validate({"ticket": TICKET, "frozen": False, "by": "ada", "at": NOW} | fields)


def text(**fields: Any) -> str:
    return seal_text(Signed.seal(word(**fields), JUDGE))


def why_frozen(text: str | None, control: TicketRef, keys: KeyRing, now: datetime) -> str:
    """The words of the freeze, or empty."""
    try:
        word = read_freeze(text, control, keys, now)
        refuse_if_frozen(word, word.at)
    except FrozenError as frozen:
        return str(frozen)
    return ""


def test_is_open_when_the_judges_word_says_so() -> None:
    """The one text that lets grants happen; a renamed control ticket is still the same."""
    assert why_frozen(text(), TICKET, KEYS, NOW) == ""
    assert why_frozen(text(), TicketRef(site="acme", issue_id="10042", key="OPS-1"), KEYS, NOW) == ""


def test_is_frozen_by_whoever_said_so() -> None:
    """The reason names the person."""
    assert why_frozen(text(frozen=True), TICKET, KEYS, NOW) == "frozen by ada"


def test_is_frozen_when_nothing_is_said() -> None:
    """A missing record is a freeze, and the remedy is named."""
    assert "nightlatch setup" in why_frozen(None, TICKET, KEYS, NOW)


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "null",
        "[]",
        "{}",
        '"open"',
        '{"frozen":false}',
        '{"payload":1,"key":2,"sig":3}',
        "[" * 100_000,
        text().replace("ada", "eve"),
        seal_text(Signed.seal(word(), STRANGER_KEYS[KeyRole.JUDGE])),
        json.dumps(json.loads(text()) | {"sig": ""}),
    ],
)
def test_is_frozen_when_the_record_does_not_verify(odd: str) -> None:
    """Unreadable means frozen."""
    assert why_frozen(odd, TICKET, KEYS, NOW) == "the freeze record on SEC-9 does not verify"
    assert why_frozen(text(), TICKET, KeyRing(), NOW) == "the freeze record on SEC-9 does not verify"


@pytest.mark.parametrize("other", [OTHER_TICKET, TicketRef(site="other", issue_id="10042", key="SEC-9")])
def test_is_frozen_when_the_record_was_made_for_another_ticket(other: TicketRef) -> None:
    """A word copied from elsewhere opens nothing."""
    assert "was made for SEC-9" in why_frozen(text(), other, KEYS, NOW)


def test_is_frozen_when_the_record_is_from_the_future() -> None:
    """A word that nobody can have said yet is not believed; at the same instant it is."""
    assert "from the future" in why_frozen(text(at=NOW + TICK), TICKET, KEYS, NOW)


def test_is_frozen_when_an_older_word_was_put_back() -> None:
    """A word that allowed grants once allows none after another has been read; the same word read again still does."""
    word = read_freeze(text(), TICKET, KEYS, NOW)
    refuse_if_frozen(word, NOW)
    with pytest.raises(FrozenError, match=r"older than one of .* that stood there before"):
        refuse_if_frozen(word, NOW + TICK)
