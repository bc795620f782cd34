"""Spans of time as people write them, and the arithmetic of ends: absolute instants, half-open intervals."""

import re
from datetime import datetime, timedelta
from types import MappingProxyType

from domain.errors import InvalidInputError

_UNITS = MappingProxyType({"s": 1, "m": 60, "h": 3600, "d": 86400})
LONGEST = timedelta(days=365)
"""No span in a catalogue or a ticket is longer: what lasts a year is standing access."""

MAX_SKEW = timedelta(seconds=30)
"""Above this difference between the engine's clock and a vendor's, nothing is granted (DESIGN 3, last row)."""


def parse_duration(text: str) -> timedelta:
    """`90s`, `30m`, `2h`, `1d`, or a sum such as `1h30m`, as a positive span of at most a year.

    Raises:
        InvalidInputError: anything else.
    """
    compact = text.strip().lower().replace(" ", "")
    if not re.fullmatch(r"([0-9]{1,8}[smhd]){1,4}", compact, re.ASCII):
        raise InvalidInputError(f"{text[:40]!r} is not a duration: write for example 90s, 30m, 2h, 1d or 1h30m")
    span = timedelta(seconds=sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"([0-9]+)([smhd])", compact)))
    return check_duration(span)


def check_duration(span: timedelta) -> timedelta:
    """`span`, if `render_duration` and `parse_duration` carry it unchanged: whole seconds, positive, at most a year.

    Raises:
        InvalidInputError: anything else.
    """
    if not timedelta(0) < span <= LONGEST or span.microseconds:
        raise InvalidInputError(f"{span} is out of range: a duration is at least 1s, at most 365d, and whole seconds")
    return span


def render_duration(span: timedelta) -> str:
    """`span` as `parse_duration` reads it, whole seconds, largest units first."""
    seconds = int(span.total_seconds())
    parts = []
    for unit in ("d", "h", "m", "s"):
        count, seconds = divmod(seconds, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def remaining(now: datetime, expires_at: datetime) -> timedelta:
    """What is left of [.., expires_at) at `now`; zero at and after the end instant."""
    return max(expires_at - now, timedelta(0))


def is_live(now: datetime, expires_at: datetime) -> bool:
    """Whether `now` lies before the end: the end instant itself is already over."""
    return now < expires_at
