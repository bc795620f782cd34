"""The freeze: open only by a readable, signed, present word that says so."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.canonical import KeyRing, KeyRole
from domain.errors import FrozenError
from domain.freeze import (
    FROZE,
    LIFTED,
    Announcement,
    FreezeWord,
    announcements,
    frozen_since,
    read_freeze,
    refuse_if_frozen,
    seal_text,
)
from domain.ids import TicketRef
from domain.signed import Signed
from domain.ticket import TicketComment
from tests.domain.examples import ADA, BOT, JUDGE, KEYS, NOW, OTHER_TICKET, STRANGER_KEYS, TICKET

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
    """The reason names the person, and why."""
    assert why_frozen(text(frozen=True), TICKET, KEYS, NOW) == "frozen by ada"
    assert why_frozen(text(frozen=True, reason="an incident"), TICKET, KEYS, NOW) == "frozen by ada: an incident"


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


def told(marker: str, *, author: str = BOT, at: datetime = NOW) -> TicketComment:
    return TicketComment(comment_id=f"{marker} {at:%f}", at=at, author=author, text=f"In words.\n\n{marker}")


@pytest.mark.parametrize(
    "comment",
    [
        told(f"{FROZE}0123456789ab", author=ADA),
        told(f"{FROZE}0123456789"),
        told(f"{FROZE}0123456789ab."),
        told("nl-0123456789ab"),
        told("x" + FROZE + "0123456789ab"),
        told(f"{FROZE}0123456789ab\nand more"),
    ],
)
def test_takes_nothing_but_our_own_reference_for_an_announcement(comment: TicketComment) -> None:
    """What others write dates no freeze and ends none."""
    assert announcements([comment], BOT) == ()


def test_reads_announcements_in_the_order_of_time() -> None:
    """The good case of the refusals above."""
    comments = (told(f"{LIFTED}0123456789ab", at=NOW + TICK), told(f"{FROZE}ba9876543210"))
    assert [(each.frozen, each.at) for each in announcements(comments, BOT)] == [(True, NOW), (False, NOW + TICK)]


EARLIER, LATER = NOW - timedelta(minutes=1), NOW + timedelta(minutes=1)
FREEZE_BEFORE, FREEZE_AFTER, LIFT_BEFORE, LIFT_AFTER = (
    Announcement(comment_id="1", frozen=frozen, at=at) for frozen in (True, False) for at in (EARLIER, LATER)
)


@pytest.mark.parametrize(
    ("frozen", "announced", "since"),
    [
        (True, (), NOW),
        (True, (FREEZE_BEFORE,), NOW),
        (True, (FREEZE_AFTER,), LATER),
        (True, (FREEZE_BEFORE, LIFT_AFTER), LATER),
        (True, (LIFT_BEFORE,), NOW),
        (False, (), None),
        (False, (FREEZE_BEFORE,), None),
        (False, (FREEZE_BEFORE, LIFT_AFTER), None),
        (False, (LIFT_BEFORE, FREEZE_AFTER), LATER),
        (None, (FREEZE_BEFORE,), EARLIER),
        (None, (LIFT_BEFORE, FREEZE_AFTER), LATER),
    ],
)
def test_dates_a_freeze_by_the_latest_that_was_said(
    frozen: bool | None, announced: tuple[Announcement, ...], since: datetime | None
) -> None:
    """Of a word said `NOW` (or none that is believed) and the announcements; a word put back after a freeze ends none."""
    assert frozen_since(None if frozen is None else word(frozen=frozen), announced) == since


@pytest.mark.parametrize("announced", [(), (LIFT_BEFORE,), (FREEZE_BEFORE, LIFT_AFTER)])
def test_dates_no_freeze_that_nobody_has_told_of(announced: tuple[Announcement, ...]) -> None:
    """A word that was made unreadable by a stranger is dated by no older comment: the freeze is to be said anew."""
    with pytest.raises(FrozenError, match="freeze it anew"):
        frozen_since(None, announced)
