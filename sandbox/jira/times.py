"""Instants as Jira keeps and prints them: milliseconds since the epoch, shown with a numeric UTC offset."""

from datetime import UTC, datetime

PRINTED = "%Y-%m-%dT%H:%M:%S"


def now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def printed(at_ms: int) -> str:
    """`2026-11-22T10:00:00.000+0000`, the form of every instant in an answer."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at.strftime(PRINTED)}.{at_ms % 1000:03d}+0000"


def parsed_ms(text: str) -> int:
    """Read an instant with an offset (`Z`, `+00:00` or `+0000`); raises ValueError on anything else, naive included."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        msg = f"{text!r} has no offset from UTC"
        raise ValueError(msg)
    return int(at.timestamp() * 1000)


def for_people(at_ms: int) -> str:
    """`22 Nov 2026, 10:00:00 UTC`, the form on the ticket page."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%d %b %Y, %H:%M:%S UTC")
