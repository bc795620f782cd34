"""What of a reconciler's run people are woken for, and when they are told again. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from domain.values import Instant, Value
from domain.watch import TargetReport

SILENT_AFTER = timedelta(minutes=3)
"""Three intervals without a complete listing (DESIGN 6)."""

SAID_AGAIN_AFTER = timedelta(hours=1)


class Concern(Value):
    """`key`: the same for all that is said about one thing. `since`: from when on it is so."""

    key: str
    summary: str
    since: Instant


def concerns_of(
    reports: Mapping[str, TargetReport], listed: Mapping[str, Instant], unlisted: Mapping[str, Instant], now: datetime
) -> dict[str, Concern]:
    """By key; `reports`, `listed` (the last complete listing) and `unlisted` (since when none came) are by target."""
    found = []
    for name, report in reports.items():
        since = unlisted.get(name)
        seen_at = listed.get(name, since)
        if since is not None and seen_at is not None and now - seen_at > SILENT_AFTER:
            summary = f"{report.target} cannot be watched: {report.problem}"
            found.append(Concern(key=f"unwatched:{name}", summary=summary, since=seen_at))
        if report.waiting:
            summary = (
                f"{report.target}: {report.waiting} members without a lease wait for the next run of the reconciler"
            )
            found.append(Concern(key=f"many:{name}", summary=summary, since=now))
    return {concern.key: concern for concern in found}


def to_say(concerns: Iterable[Concern], said: Mapping[str, Instant], now: datetime) -> tuple[Concern, ...]:
    """Those of which people have not heard for an hour."""
    return tuple(
        concern for concern in concerns if concern.key not in said or now - said[concern.key] >= SAID_AGAIN_AFTER
    )
