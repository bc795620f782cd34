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
    LeaseState.FORGETTING: "red",
    LeaseState.FORGOTTEN: "red",
}
_HELD = frozenset({LeaseState.ACTIVE, LeaseState.EXTENDING})
_OVER = frozenset({LeaseState.CLOSED, LeaseState.FORGOTTEN})


def rows_table(rows: Iterable[Row], now: datetime, *, narrow: bool = False) -> Table:
    """Who has what, until when; a narrow terminal is told only what is left."""
    ends = (("left", 1),) if narrow else (("until", 1), ("left", 1))
    table = _table(("ticket", 1), ("subject", 0), ("target", 0), ("state", 1), *ends)
    for row in rows:
        until, left = (row.until if row.running else None), _left(row.until, now, row.state)
        cells = map(_text, (row.ticket, row.subject, row.target))
        clock = () if narrow else (_text(_clock(until)),)
        table.add_row(*cells, _state(row.state), *clock, _text(left))
    return table


def report_view(report: Report, now: datetime, *, entries: int | None = None, note: str = "") -> RenderableType:
    """One request: what it is about, its leases, and what happened (the last `entries`)."""
    parts: list[RenderableType] = [_summary(report.status, report.run_status, now)]
    if report.status.leases:
        leases = _table(("target", 0), ("state", 1), ("until", 1), ("left", 1), ("note", 0))
        for line in report.status.leases:
            until = line.expires_at if line.state not in _OVER else None
            left = _left(line.expires_at, now, line.state)
            leases.add_row(
                _text(line.target_name), _state(line.state), _text(_clock(until)), _text(left), _text(line.note)
            )
        parts += [Text(), leases]
    happened = report.timeline.entries if entries is None else report.timeline.entries[-entries:]
    return Group(*parts, Text(), timed_lines(happened, note))


def timed_lines(entries: Iterable[TimelineEntry], note: str = "") -> RenderableType:
    """What happened when, a line each; what is long goes on below itself."""
    lines = timed((_clock(entry.at), _text(entry.what)) for entry in entries)
    return Group(lines, *([Text(plain(note), style="red")] if note else []))


def timed(lines: Iterable[tuple[str, Text]]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for at, what in lines:
        table.add_row(Text(plain(at)), what)
    return table


def _table(*columns: tuple[str, int]) -> Table:
    """Columns by name, each kept in one line (1) or folded where the terminal is narrow (0). Nothing is cut off."""
    table = Table(box=None, pad_edge=False)
    for name, is_whole in columns:
        table.add_column(name, no_wrap=bool(is_whole), overflow="fold")
    return table


def _summary(view: StatusView, run_status: str, now: datetime) -> Table:
    about = Table(box=None, show_header=False, pad_edge=False)
    state = f"{view.state}" + (f" ({view.outcome.replace('_', ' ')}: {view.why})" if view.outcome else "")
    left = _left(view.expires_at, now, view.state)
    until = f"{_clock(view.expires_at)} (left {left})" if left else ""
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


def _state(state: str) -> Text:
    return Text(plain(state), style=_STYLES.get(state, ""))  # type: ignore[call-overload]


def _text(value: str) -> Text:
    return Text(plain(value))


def _clock(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%SZ") if at else ""


def _left(until: datetime | None, now: datetime, state: str) -> str:
    """Nothing for what is not held: the end of a lease that is being taken back says nothing about its access."""
    return render_duration(remaining(now, until)) if until and state in _HELD else ""
