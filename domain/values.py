"""The two bases of every model, and the instant type. Nothing here knows what the values mean."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict


def _to_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the instant lies outside the calendar; give one between the years 1 and 9999") from error


Instant = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware instant, held in UTC. A naive time is refused where it is decoded."""


class Value(BaseModel):
    """A frozen value that may enter a workflow history: unknown fields are ignored, because old code reads newer histories."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class StrictValue(BaseModel):
    """A frozen value from the edge (catalogue, bridge, settings): an unknown field is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def render_instant(instant: datetime) -> str:
    """`instant` as RFC 3339 in UTC with milliseconds, the one form used in evidence, comments and digests."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def parse_instant(text: object) -> datetime:
    """The instant that `render_instant` wrote.

    Raises:
        ValueError: `text` is not an instant with an offset.
    """
    instant = datetime.fromisoformat(str(text))
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return _to_utc(instant)


def whole_millis(instant: datetime) -> datetime:
    """`instant` cut to the millisecond, the resolution in which ends are agreed upon and written down."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
