"""Spans as people write them, and half-open intervals."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.durations import LONGEST, check_duration, is_live, parse_duration, remaining, render_duration
from domain.errors import InvalidInputError
from tests.domain.examples import NOW

TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), (" 1H 30M ", 5400), ("365d", 31536000)],
)
def test_reads_what_people_write(text: str, seconds: int) -> None:
    """Units, sums, spaces and capitals as people use them."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "2",
        "h",
        "-2h",
        "+2h",
        "2.5h",
        "1e3s",
        "2h or so",
        "PT2H",
        "forever",
        "\N{FULLWIDTH DIGIT TWO}h",
        "\N{ARABIC-INDIC DIGIT TWO}h",
        "2\N{LATIN SMALL LETTER LONG S}",
        "2h\n2h",
        "1h1m1s1s1s",
        "123456789s",
    ],
)
def test_refuses_anything_else(text: str) -> None:
    """A span that needs guessing is refused, digits of other scripts and look-alike letters included."""
    with pytest.raises(InvalidInputError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "0h0m", "366d", "365d1s", "99999999d99999999d99999999d99999999d"])
def test_refuses_a_span_of_nothing_or_of_more_than_a_year(text: str) -> None:
    """The bounds hold for sums as for single units, and no size overflows."""
    with pytest.raises(InvalidInputError, match="out of range"):
        parse_duration(text)


@pytest.mark.parametrize(
    "span", [timedelta(0), -TICK, timedelta(seconds=1) - TICK, timedelta(seconds=1.5), LONGEST + TICK]
)
def test_refuses_a_span_that_its_text_cannot_carry(span: timedelta) -> None:
    """A part of a second would be lost in the text, and two different spans would have one digest."""
    with pytest.raises(InvalidInputError, match="out of range"):
        check_duration(span)


@given(st.integers(1, int(LONGEST.total_seconds())))
def test_reads_back_every_span_that_it_renders(seconds: int) -> None:
    """`render_duration` and `parse_duration` are inverse for every allowed span."""
    span = timedelta(seconds=seconds)
    assert parse_duration(render_duration(span)) == check_duration(span) == span


def test_renders_nothing_as_zero_seconds() -> None:
    """A cap that is used up is shown as such."""
    assert render_duration(timedelta(0)) == "0s"


def test_is_over_at_the_end_instant_itself() -> None:
    """Intervals are half-open: live one tick before the end, over at the end."""
    assert is_live(NOW - TICK, NOW)
    assert not is_live(NOW, NOW)
    assert not is_live(NOW + TICK, NOW)


def test_remains_nothing_at_and_after_the_end() -> None:
    """What is left is never negative."""
    assert remaining(NOW - TICK, NOW) == TICK
    assert remaining(NOW, NOW) == remaining(NOW + TICK, NOW) == timedelta(0)
