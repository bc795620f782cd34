"""The extension rule: every cap at its exact boundary, and everyone who may not."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.catalogue import Catalogue, ExtensionTerms
from domain.durations import MAX_SKEW
from domain.extension import (
    ExtensionVerdict,
    ExtensionWish,
    find_wishes,
    judge_extension,
    latest_end,
    wants_revoke,
)
from domain.ticket import TicketComment
from tests.domain.examples import ADA, ADA_TOO, BEN, BOT, CLEO, NOBODY, NOW, catalogue, catalogue_plain, resolved, view

END = NOW + timedelta(hours=1)
TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def wish(by: timedelta | None = HOUR, author: str = ADA, *, edited: bool = False, problem: str = "") -> ExtensionWish:
    return ExtensionWish(wish_id="c1", author=author, at=NOW, by=by, edited=edited, problem=problem)


def judge(
    asked_for: ExtensionWish,
    known: Catalogue | None = None,
    *,
    subject: str = "",
    current_end: datetime = END,
    times: int = 0,
    now: datetime = NOW,
) -> ExtensionVerdict:
    return judge_extension(
        asked_for,
        resolved(view(subject_account=subject)),
        known or catalogue(),
        own_account=BOT,
        first_end=END,
        current_end=current_end,
        times_extended=times,
        now=now,
    )


def refused(verdict: ExtensionVerdict) -> str:
    assert not verdict.granted
    assert verdict.new_end is None
    return verdict.reason


def without(**people: Any) -> Catalogue:
    plain = catalogue_plain()
    plain["people"]["people"] |= people
    return Catalogue.model_validate(plain)


def comment(text: str, *, edited: bool = False) -> TicketComment:
    return TicketComment(comment_id="c1", at=NOW, author=ADA, text=text, edited=edited)


@pytest.mark.parametrize(("author", "person"), [(ADA, "ada"), (ADA_TOO, "ada"), (CLEO, "cleo")])
def test_extends_for_the_requester_and_the_subject(author: str, person: str) -> None:
    """Either may ask, by any of their accounts; the span is added to the end in force."""
    verdict = judge(wish(author=author), subject=CLEO)
    assert verdict == ExtensionVerdict(wish_id="c1", person=person, granted=True, new_end=END + HOUR)


def test_refuses_a_wish_from_before_the_access_began() -> None:
    """What an approver never saw asked beside the request is not added to it; clocks may differ by what they may."""
    began_at = END - resolved(view()).duration
    early = wish().model_copy(update={"at": began_at - MAX_SKEW - TICK})
    assert refused(judge(early)) == "it was written before the access began; write it again"
    assert judge(early.model_copy(update={"at": began_at - MAX_SKEW})).granted


@pytest.mark.parametrize("author", [BEN, BOT, NOBODY, ""])
def test_refuses_a_stranger(author: str) -> None:
    """Neither an approver, nor our own account, nor an unknown one may prolong."""
    assert "only the requester or the subject" in refused(judge(wish(author=author)))


def test_refuses_our_own_account_even_if_the_subject_is_linked_with_it() -> None:
    """Nightlatch's own comments ask for nothing."""
    known = without(ada={"name": "Ada", "jira": [ADA, BOT], "accounts": {"okta/prod": "00u1ADA"}})
    assert "only the requester or the subject" in refused(judge(wish(author=BOT), known))


def test_refuses_an_edited_wish() -> None:
    """Whoever may edit comments could put words into the subject's mouth."""
    assert "was edited" in refused(judge(wish(edited=True)))


def test_refuses_a_span_that_could_not_be_read() -> None:
    """The reason that the reader gave reaches the person."""
    assert refused(judge(wish(by=None, problem="'soon' is not a duration"))) == "'soon' is not a duration"


@pytest.mark.parametrize("by", [timedelta(0), -SECOND, -HOUR])
def test_refuses_a_span_of_nothing_or_less(by: timedelta) -> None:
    """An extension moves the end onwards or does not happen."""
    assert "more than nothing" in refused(judge(wish(by=by)))


@pytest.mark.parametrize("late", [timedelta(0), TICK, HOUR])
def test_refuses_at_and_after_the_final_instant(late: timedelta) -> None:
    """The end instant itself is already over, and what is over is not prolonged."""
    assert "had already ended" in refused(judge(wish(), now=END + late))


def test_extends_in_the_last_instant_before_the_end() -> None:
    """The interval is half-open."""
    assert judge(wish(), now=END - TICK).new_end == END + HOUR


def test_allows_each_cap_exactly_and_refuses_one_second_more() -> None:
    """`each` is a limit that may be reached."""
    assert judge(wish(by=HOUR)).granted
    assert refused(judge(wish(by=HOUR + SECOND))) == "1h1s is more than the 1h allowed at a time"


def test_allows_the_total_exactly_and_refuses_one_second_more() -> None:
    """The sum of all extensions may reach `total`, counted from the first end."""
    assert judge(wish(), current_end=END + HOUR, times=1).new_end == END + 2 * HOUR
    assert refused(judge(wish(), current_end=END + HOUR + SECOND, times=1)) == "only 59m59s more is allowed in total"


def test_says_nothing_is_left_when_the_total_is_used_up() -> None:
    """Also when the end in force lies beyond what today's catalogue would allow."""
    assert refused(judge(wish(), current_end=END + 2 * HOUR, times=1)) == "only 0s more is allowed in total"
    assert refused(judge(wish(), current_end=END + 9 * HOUR, times=1)) == "only 0s more is allowed in total"


def test_allows_the_last_time_and_refuses_one_more() -> None:
    """`count` is how often, whatever time is left."""
    assert judge(wish(by=SECOND), times=1).granted
    assert "has been extended 2 times and may be 2 times" in refused(judge(wish(by=SECOND), times=2))


@pytest.mark.parametrize(
    "stricter",
    [
        {"each": "59m", "total": "2h", "count": 2},
        {"each": "1h", "total": "1h", "count": 2},
        {"each": "1h", "total": "2h", "count": 1},
        {},
    ],
)
def test_refuses_by_a_catalogue_that_has_become_stricter(stricter: dict[str, Any]) -> None:
    """Today's limits hold for the access of yesterday."""
    assert refused(judge(wish(), catalogue(extension=stricter), current_end=END + HOUR, times=1))


def test_refuses_by_the_frozen_terms_when_the_catalogue_has_become_laxer() -> None:
    """Nobody has approved what the catalogue allows since."""
    laxer = catalogue(extension={"each": "9h", "total": "99h", "count": 50})
    assert "allowed at a time" in refused(judge(wish(by=HOUR + SECOND), laxer))
    assert "in total" in refused(judge(wish(), laxer, current_end=END + 2 * HOUR, times=1))
    assert "may be 2 times" in refused(judge(wish(by=SECOND), laxer, times=2))


def test_refuses_when_the_entitlement_has_left_the_catalogue() -> None:
    """What can no longer be asked for is not prolonged."""
    plain = catalogue_plain()
    plain["entitlements"]["other"] = plain["entitlements"].pop("prod-admin")
    assert "has left the catalogue" in refused(judge(wish(), Catalogue.model_validate(plain)))


def gone_target() -> Catalogue:
    plain = catalogue_plain()
    plain["targets"]["prod-admins"]["container_id"] = "00g2"
    return Catalogue.model_validate(plain)


def gone_subject() -> Catalogue:
    plain = catalogue_plain()
    del plain["people"]["people"]["cleo"]
    return Catalogue.model_validate(plain)


@pytest.mark.parametrize(
    "today",
    [
        catalogue(requesters=["ada"]),
        catalogue(requesters=["cleo"]),
        gone_target(),
        gone_subject(),
        without(cleo={"name": "Cleo", "jira": [CLEO], "accounts": {"okta/prod": "00u9"}}),
        without(cleo={"name": "Cleo", "jira": [CLEO]}),
    ],
    ids=[
        "subject left",
        "requester left",
        "target replaced",
        "subject unknown",
        "account relinked",
        "account unlinked",
    ],
)
def test_refuses_what_a_new_request_could_not_name_today(today: Catalogue) -> None:
    """Persons, targets and account links are today's too: a changed link refuses."""
    assert "no longer offers this access" in refused(judge(wish(author=ADA), today, subject=CLEO))


def test_never_passes_the_first_end_plus_the_total() -> None:
    """`never_after` is frozen with the lease; without extension terms it is the first end."""
    assert latest_end(END, catalogue().entitlements["prod-admin"].extension) == END + 2 * HOUR
    assert latest_end(END, ExtensionTerms()) == END


@pytest.mark.parametrize(
    ("text", "by"),
    [
        ("/extend 1h", HOUR),
        ("  \n/extend\t90m because the deploy is late", 1.5 * HOUR),
        ("/Extend 1H", HOUR),
        ("/extend 1h 30m please", 1.5 * HOUR),
        ("/extend 1h\nthank you 5m", HOUR),
    ],
)
def test_finds_a_wish_as_people_write_it(text: str, by: timedelta) -> None:
    """The span is the first thing after the word; what follows is for people."""
    (found,) = find_wishes((comment(text),))
    assert (found.wish_id, found.author, found.at, found.by, found.problem) == ("c1", ADA, NOW, by, "")


@pytest.mark.parametrize(
    "text",
    [
        "/extend",
        "/extend soon",
        "/extend -1h",
        "/extend 0h",
        "/extend 2h-1h",
        "/extend\n2h",
        "/extend \N{FULLWIDTH DIGIT TWO}h",
        "/extend 2\N{LATIN SMALL LETTER LONG S}",
        "/extend 999d",
        "/extend-all",
    ],
)
def test_answers_a_wish_whose_span_cannot_be_read(text: str) -> None:
    """A wish is never dropped in silence and never guessed: it has no span, and a reason."""
    (found,) = find_wishes((comment(text),))
    assert found.by is None
    assert "duration" in found.problem


@pytest.mark.parametrize(
    "text", ["", "please /extend 1h", "extend 1h", "/extended 1h", "> /extend 1h", "\u200b/extend 1h"]
)
def test_finds_no_wish_in_other_words(text: str) -> None:
    """A quotation or a mention is no wish."""
    assert find_wishes((comment(text),)) == ()


def test_carries_the_edit_mark_of_the_comment() -> None:
    """The judge sees that a comment was edited."""
    (found,) = find_wishes((comment("/extend 1h", edited=True),))
    assert found.edited


@pytest.mark.parametrize("text", ["/revoke", " \n/Revoke now", "/REVOKE, please", "/revoke\nthanks"])
@pytest.mark.parametrize("edited", [True, False])
def test_obeys_a_revoke_from_anyone_however_it_is_written(text: str, edited: bool) -> None:
    """Taking away needs no entitlement, and an edited comment takes away too."""
    asked_for = comment(text, edited=edited)
    assert wants_revoke((comment("hello"), asked_for)) == asked_for


@pytest.mark.parametrize("text", ["", "please /revoke", "/revoked", "/extend 1h"])
def test_finds_no_revoke_in_other_words(text: str) -> None:
    """Talking about it is not asking for it."""
    assert wants_revoke((comment(text),)) is None
