"""Instants and the two bases of every model."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.values import Instant, StrictValue, Value, parse_instant, render_instant, whole_millis

INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


class Tolerant(Value):
    name: str = ""


class Strict(StrictValue):
    name: str = ""


@pytest.mark.parametrize("naive", ["2026-03-02T09:00:00", "2026-03-02", datetime(2026, 3, 2, 9)])  # noqa: DTZ001
def test_refuses_an_instant_without_a_zone(naive: object) -> None:
    """A time of which nobody knows where it is, is no time."""
    with pytest.raises(ValidationError, match="timezone"):
        INSTANT.validate_python(naive)


@pytest.mark.parametrize("edge", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
def test_refuses_an_instant_outside_the_calendar_as_any_other_bad_input(edge: str) -> None:
    """A hostile time is a validation error, which every reader expects, and never an overflow, which none does."""
    with pytest.raises(ValidationError, match="outside the calendar"):
        INSTANT.validate_python(edge)


def test_holds_every_instant_in_utc() -> None:
    """Two ways to write one instant are one value, so they have one digest."""
    east = INSTANT.validate_python("2026-03-02T11:00:00+02:00")
    assert east == INSTANT.validate_python("2026-03-02T09:00:00Z")
    assert east.tzinfo is UTC


def test_ignores_an_unknown_field_in_a_history() -> None:
    """Old code reads the histories that newer code wrote."""
    assert Tolerant.model_validate({"name": "a", "newer": 1}) == Tolerant(name="a")


def test_names_an_unknown_field_at_the_edge() -> None:
    """A misspelt setting is an error, not a default."""
    with pytest.raises(ValidationError, match="nmae"):
        Strict.model_validate({"nmae": "a"})


@pytest.mark.parametrize("value", [Tolerant(name="a"), Strict(name="a")])
def test_refuses_to_change_a_value_in_place(value: Tolerant | Strict) -> None:
    """What has been judged stays what it was."""
    with pytest.raises(ValidationError, match="frozen"):
        setattr(value, *("name", "b"))


@given(
    st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001
    st.integers(-14, 14),
)
def test_renders_any_instant_as_utc_with_milliseconds(naive: datetime, hours: int) -> None:
    """The one form of evidence reads back as the same instant, cut to milliseconds."""
    instant = naive.replace(tzinfo=timezone(timedelta(hours=hours)))
    text = render_instant(instant)
    assert len(text) == len("2026-03-02T09:00:00.000Z")
    assert timedelta(0) <= instant - INSTANT.validate_python(text) < timedelta(milliseconds=1)
    assert parse_instant(text) == whole_millis(instant)


@pytest.mark.parametrize("odd", ["", "soon", None, 1700000000, "2026-03-02T09:00:00", "9999-12-31T23:59:59-01:00"])
def test_refuses_to_parse_what_is_no_instant_with_an_offset(odd: object) -> None:
    """Every odd text is a `ValueError`, the calendar's edge included."""
    with pytest.raises(ValueError, match=r"."):
        parse_instant(odd)
