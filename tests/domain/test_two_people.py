"""The rule of two people: two operators, each as themselves, with a reason, in time; whatever else is written changes nothing."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalogue import Catalogue
from domain.ticket import TicketComment
from domain.two_people import GOOD_FOR, TwoPeopleVerdict, judge_two_people
from tests.domain.examples import ADA, ADA_TOO, BEN, BOT, CLEO, DAN, NOBODY, NOW, catalogue_plain

SINCE = NOW - timedelta(hours=1)
TICK = timedelta(milliseconds=1)
OPERATORS = ("ada", "ben", "cleo")
ACCOUNTS = {ADA: "ada", ADA_TOO: "ada", BEN: "ben", CLEO: "cleo"}
"""The operators' accounts; dan is known and no operator."""


def known(operators: tuple[str, ...] = OPERATORS) -> Catalogue:
    return Catalogue.model_validate(catalogue_plain() | {"operators": operators})


def comment(author: str, text: str = "/unfreeze all is well", *, at: datetime = NOW, **fields: Any) -> TicketComment:
    return TicketComment(comment_id=f"{author}/{at:%H%M%S.%f}", at=at, author=author, text=text, **fields)


def judged(*comments: TicketComment, operators: tuple[str, ...] = OPERATORS) -> TwoPeopleVerdict:
    return judge_two_people(comments, "/unfreeze", known(operators), own_account=BOT, since=SINCE, now=NOW)


def test_holds_when_two_operators_said_it() -> None:
    """The good case, without which every refusal below would be hollow; who and why is kept, in the order of time."""
    verdict = judged(comment(BEN, at=NOW), comment(ADA_TOO, "  /Unfreeze  the key\nwas rotated ", at=NOW - TICK))
    assert (verdict.holds, verdict.uncounted) == (True, ())
    assert [(consent.person, consent.reason) for consent in verdict.consents] == [
        ("ada", "the key was rotated"),
        ("ben", "all is well"),
    ]


def test_reason_is_one_printable_line() -> None:
    """It comes into records, comments and terminals: half a letter, or what a terminal would obey, becomes a space."""
    (consent,) = judged(comment(BEN, "/unfreeze it\x1b[31m was\ud800\nnothing")).consents
    assert consent.reason == "it [31m was nothing"


def test_person_who_is_barred_does_not_count() -> None:
    """An operator like the others, but for this matter; why is told."""
    verdict = judge_two_people(
        [comment(BEN), comment(ADA)],
        "/unfreeze",
        known(),
        own_account=BOT,
        since=SINCE,
        now=NOW,
        barred={"ada": "it is about her"},
    )
    assert (verdict.holds, verdict.by) == (False, "ben")
    assert [(odd.by, odd.reason) for odd in verdict.uncounted] == [("ada", "it is about her")]
    assert "; ben has; comment " in verdict.lacking("/unfreeze", SINCE)


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (comment(BOT), "Nightlatch's own account"),
        (comment(NOBODY), "not linked with exactly one person"),
        (comment(""), "not linked with exactly one person"),
        (comment(DAN), "dan is no operator"),
        (comment(CLEO, edited=True), "it was edited"),
        (comment(CLEO, "/unfreeze"), "it gives no reason"),
        (comment(CLEO, "/unfreeze \n\t"), "it gives no reason"),
        (comment(CLEO, at=SINCE), "before what it is to answer"),
        (comment(CLEO, at=NOW - GOOD_FOR), "before what it is to answer"),
    ],
)
def test_counts_no_second_word_that_is_wrong(odd: TicketComment, words: str) -> None:
    """One good word and one bad one lift nothing, and the bad one is named with its remedy."""
    verdict = judged(comment(BEN), odd)
    assert not verdict.holds
    assert [consent.person for consent in verdict.consents] == ["ben"]
    assert [each.comment_id for each in verdict.uncounted] == [odd.comment_id]
    assert words in verdict.uncounted[0].reason


def test_counts_no_word_that_is_a_day_old() -> None:
    """What was not used in time is said again; a moment before, it counts."""
    for at, counts in ((NOW - GOOD_FOR, False), (NOW - GOOD_FOR + TICK, True)):
        comments = (comment(BEN, at=at), comment(ADA, at=at))
        long_ago = NOW - 2 * GOOD_FOR
        verdict = judge_two_people(comments, "/unfreeze", known(), own_account=BOT, since=long_ago, now=NOW)
        assert verdict.holds is counts


@pytest.mark.parametrize(
    "text", ["", "unfreeze now", "please /unfreeze now", "/unfreezenow x", "/unfreeze, x", "> /unfreeze x"]
)
def test_takes_nothing_else_for_the_word(text: str) -> None:
    """A comment that does not begin with the word alone says nothing, and is not told of either."""
    assert judged(comment(BEN), comment(ADA, text)).uncounted == ()
    assert not judged(comment(BEN), comment(ADA, text)).holds


def test_counts_nobody_when_the_catalogue_names_nobody() -> None:
    """The empty case refuses."""
    assert not judged(comment(BEN), comment(ADA), operators=()).holds


def test_counts_the_newest_word_of_each() -> None:
    """Somebody who says it twice, with whichever accounts, is one person with what they said last."""
    verdict = judged(comment(ADA, "/unfreeze a", at=NOW - TICK), comment(ADA_TOO, "/unfreeze b"))
    assert (verdict.holds, [consent.reason for consent in verdict.consents]) == (False, ["b"])


COMMENTS = st.lists(
    st.builds(
        lambda author, text, seconds, edited: comment(
            author, text, at=SINCE + timedelta(seconds=seconds), edited=edited
        ),
        st.sampled_from([ADA, ADA_TOO, BEN, CLEO, DAN, BOT, NOBODY, ""]),
        st.sampled_from(["/unfreeze well", "/unfreeze well", "/unfreeze", "/UNFREEZE x", "well", "/unfreezed x"]),
        st.integers(-2, 3),
        st.sampled_from([False, False, True]),
    ),
    max_size=6,
    unique_by=lambda comment: comment.comment_id,
)


@given(COMMENTS, st.randoms(use_true_random=False))
def test_holds_exactly_when_two_persons_said_it_soundly(comments: list[TicketComment], chance: Any) -> None:
    """Whatever is written, in whatever order it is read: an independent count of sound words agrees."""
    sound = {
        ACCOUNTS[each.author]
        for each in comments
        if each.author in ACCOUNTS
        and not each.edited
        and each.at > SINCE
        and each.text.lower().startswith("/unfreeze ")
    }
    verdict = judged(*comments)
    assert verdict.holds is (len(sound) >= 2)
    assert {consent.person for consent in verdict.consents} == sound
    chance.shuffle(comments)
    assert judged(*comments).holds is verdict.holds


@given(COMMENTS)
def test_one_persons_words_alone_never_hold(comments: list[TicketComment]) -> None:
    """With every word of all but one person taken away, whoever that is, nothing is left that two have said."""
    for person in OPERATORS:
        assert not judged(*(each for each in comments if ACCOUNTS.get(each.author, person) == person)).holds
