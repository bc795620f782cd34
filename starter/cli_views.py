"""Tables for the terminal. Whatever strangers wrote is put in as plain text."""

from collections.abc import Iterable
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from domain.durations import remaining, render_duration
from domain.lease import LeaseState
from domain.messages import StatusView, TimelineEntry
from starter.cli_output import plain
from starter.engine_reading import Report, Row

_STYLES = {
    LeaseState.ACTIVE: "green",
    LeaseState.EXTENDING: "green",
    LeaseState.REVOKING: "yellow",
    LeaseState.PROVING: "yellow",
    LeaseState.STUCK: "bold red",
}
LATEST = 15


def rows_table(rows: Iterable[Row], now: datetime) -> Table:
    """Who has what, until when."""
    table = Table("ticket", "subject", "target", "state", "until", "left", box=None, pad_edge=False)
    for row in rows:
        cells = [row.ticket, row.subject, row.target]
        table.add_row(
            *map(_text, cells), _state(row.state), _text(_clock(row.until)), _text(_left(row.until, now, row.running))
        )
    return table


def report_view(report: Report, now: datetime, *, entries: int | None = None, note: str = "") -> RenderableType:
    """One request: what it is about, its leases, and what happened (the last `entries`)."""
    parts: list[RenderableType] = [_summary(report.status, report.run_status, now)]
    if report.status.leases:
        leases = Table("target", "state", "until", "left", "note", box=None, pad_edge=False)
        for line in report.status.leases:
            left = _left(line.expires_at, now, line.state is not LeaseState.CLOSED)
            leases.add_row(
                _text(line.target_name),
                _state(line.state),
                _text(_clock(line.expires_at)),
                _text(left),
                _text(line.note),
            )
        parts += [Text(), leases]
    happened = report.timeline.entries if entries is None else report.timeline.entries[-entries:]
    parts += [Text(), *(_entry(entry) for entry in happened)]
    return Group(*parts, *([Text(plain(note), style="red")] if note else []))


def _summary(view: StatusView, run_status: str, now: datetime) -> Table:
    about = Table(box=None, show_header=False, pad_edge=False)
    state = f"{view.state}" + (f" ({view.outcome}: {view.why})" if view.outcome else "")
    until = f"{_clock(view.expires_at)} (left {_left(view.expires_at, now, True)})" if view.expires_at else ""
    lines = {
        "ticket": view.ticket.key,
        "access": view.entitlement,
        "subject": view.subject,
        "approved by": view.approver,
        "until": until,
        "state": state,
        "run": "" if run_status == "running" else run_status,
    }
    for name, value in lines.items():
        if value:
            about.add_row(Text(name, style="dim"), _text(value))
    return about


def _entry(entry: TimelineEntry) -> Text:
    return Text.assemble((_clock(entry.at), "dim"), "  ", plain(entry.what))


def _state(state: str) -> Text:
    return Text(plain(state), style=_STYLES.get(state, ""))  # type: ignore[call-overload]


def _text(value: str) -> Text:
    return Text(plain(value))


def _clock(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%SZ") if at else ""


def _left(until: datetime | None, now: datetime, running: bool) -> str:
    return render_duration(remaining(now, until)) if until and running else ""
