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
    instance: str,
    reports: Mapping[str, TargetReport],
    listed: Mapping[str, Instant],
    unlisted: Mapping[str, Instant],
    now: datetime,
) -> dict[str, Concern]:
    """By key; `reports`, `listed` (the last complete listing) and `unlisted` (since when none came) are by target."""
    silent = {name: listed.get(name, since) for name, since in unlisted.items() if name in reports}
    silent = {name: seen_at for name, seen_at in silent.items() if now - seen_at > SILENT_AFTER}
    late = [
        Concern(
            key=f"many:{name}",
            summary=f"{report.target}: {report.waiting} members without a lease wait for the next run of the reconciler",
            since=now,
        )
        for name, report in reports.items()
        if report.waiting
    ]
    return {concern.key: concern for concern in [*_unwatched(instance, reports, silent), *late]}


def _unwatched(instance: str, reports: Mapping[str, TargetReport], silent: Mapping[str, Instant]) -> Iterable[Concern]:
    """One for each target; one in all when none of several can be listed, because it is then the provider that is down."""
    if len(reports) > 1 and silent.keys() == reports.keys():
        problem = next(report.problem for report in reports.values())
        summary = f"{instance} cannot be watched, none of its {len(reports)} targets: {problem}"
        yield Concern(key=f"unwatched:{instance}", summary=summary, since=min(silent.values()))
        return
    for name, seen_at in silent.items():
        summary = f"{reports[name].target} cannot be watched: {reports[name].problem}"
        yield Concern(key=f"unwatched:{name}", summary=summary, since=seen_at)


def to_say(concerns: Iterable[Concern], said: Mapping[str, Instant], now: datetime) -> tuple[Concern, ...]:
    """Those of which people have not heard for an hour."""
    return tuple(
        concern for concern in concerns if concern.key not in said or now - said[concern.key] >= SAID_AGAIN_AFTER
    )
