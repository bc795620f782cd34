"""Commands that read Temporal: list, show, watch. They change nothing, and what they show is no evidence (`why` is)."""

import asyncio
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from domain import search
from domain.errors import InvalidInputError
from starter.cli_output import EXIT_CODES, Json, answer, answering
from starter.people_jira import ticket_key

if TYPE_CHECKING:
    from starter.engine_reading import Report

app = typer.Typer()

STATES = ("opening", "pending", "looking", "active", "revoking", "stuck", "recording", "closed", "forgotten")
"""What requests and leases put in the search attribute."""
NARROW = 80
ROWS_ABOVE = 12
"""What `watch` shows above its timeline, so that the latest lines stay in sight."""
BEGIN_SECONDS = 10.0
"""A ticket that was just made becomes a request when its webhook has arrived."""
NOTHING = "nothing of that kind; --all shows what is over, too"


def complete_states(incomplete: str) -> list[str]:
    """For the shell."""
    return [state for state in STATES if state.startswith(incomplete.lower())]


Key = Annotated[str, typer.Argument(metavar="KEY", help="Ticket key (SEC-42), or a request's workflow id.")]


@app.command("list", epilog=EXIT_CODES)
def list_requests(
    state: Annotated[
        str, typer.Option(help=f"Only in this state: {', '.join(STATES)}.", autocompletion=complete_states)
    ] = "",
    subject: Annotated[str, typer.Option(help="Only this person's, by the catalogue's name.")] = "",
    target: Annotated[str, typer.Option(help="Only this target, by name or <vendor>/<instance>/<scope>/<id>.")] = "",
    ticket: Annotated[str, typer.Option(help="Only this ticket's.")] = "",
    closed_too: Annotated[bool, typer.Option("--all", help="Also what is over.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")] = 500,
    as_json: Json = False,
) -> None:
    """Who has what, until when: each lease, and each request that has none."""
    with answering(as_json):
        if state and state.lower() not in STATES:
            raise InvalidInputError(f"{state[:40]!r} is no state; name one of {', '.join(STATES)}")
        key = ticket_key(ticket) if ticket else ""
        wanted = {search.SUBJECT: subject, search.TARGET: target, search.TICKET: key}
        filters = {name: value for name, value in wanted.items() if value}
        asyncio.run(_list(filters, state.lower(), closed_too, limit, as_json))


@app.command(epilog=EXIT_CODES)
def show(key: Key, as_json: Json = False) -> None:
    """One request: its status, leases and timeline, as the request itself tells them."""
    with answering(as_json):
        asyncio.run(_show(key, as_json))


@app.command(epilog=EXIT_CODES)
def watch(
    key: Key,
    interval: Annotated[float, typer.Option(min=0.2, max=3600, help="Seconds between two looks.")] = 1,
    as_json: Json = False,
) -> None:
    """Follow one request until it is closed. With --json: waits, and prints how it ended."""
    with answering(as_json):
        asyncio.run(_watch(key, interval, as_json))


async def _list(filters: dict[str, str], state: str, closed_too: bool, limit: int, as_json: bool) -> None:
    from starter.cli_views import rows_table  # noqa: PLC0415 - slow
    from starter.engine_reading import engine, find_rows  # noqa: PLC0415 - slow

    async with engine() as client:
        rows, is_cut = await find_rows(
            client, datetime.now(UTC), filters=filters, state=state, closed_too=closed_too, limit=limit
        )
    document = {"rows": [row.model_dump(mode="json") for row in rows], "complete": not is_cut}
    narrow = shutil.get_terminal_size().columns < NARROW
    answer(document, as_json, lambda: rows_table(rows, datetime.now(UTC), narrow=narrow) if rows else NOTHING)
    if is_cut:
        typer.echo(f"nightlatch: there is more than the newest {limit}; narrow it, or raise --limit", err=True)


async def _show(key: str, as_json: bool) -> None:
    from starter.cli_views import report_view  # noqa: PLC0415 - slow
    from starter.engine_reading import engine, find_request, read_report  # noqa: PLC0415 - slow

    async with engine() as client:
        report = await read_report(client, await find_request(client, key))
    answer(report.model_dump(mode="json"), as_json, lambda: report_view(report, datetime.now(UTC)))


async def _watch(key: str, interval: float, as_json: bool) -> None:
    from rich.console import Console  # noqa: PLC0415 - slow
    from rich.live import Live  # noqa: PLC0415 - slow

    from starter.cli_views import report_view, timed_lines  # noqa: PLC0415 - slow

    console = Console(highlight=False, markup=False, quiet=as_json)
    told = 0

    def redraw(report: "Report", note: str) -> None:
        room = max(3, console.height - ROWS_ABOVE - len(report.status.leases))
        live.update(report_view(report, datetime.now(UTC), entries=room, note=note), refresh=True)

    def go_on(report: "Report", note: str) -> None:
        nonlocal told
        entries = report.timeline.entries[told:]
        told += len(entries)
        if entries or note:
            console.print(timed_lines(entries, note))

    if console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            report = await _follow(key, interval, redraw)
    else:
        report = await _follow(key, interval, go_on)
    answer(report.model_dump(mode="json"), as_json, lambda: report_view(report, datetime.now(UTC)))


async def _follow(key: str, interval: float, draw: "Callable[[Report, str], None]") -> "Report":
    """Look until the request is over. One that is not begun yet, and a server or worker that is away, are waited for."""
    from temporalio.service import RPCError, RPCStatusCode  # noqa: PLC0415 - slow

    from starter.engine_reading import WATCH_PATIENCE, engine, find_request, read_report  # noqa: PLC0415 - slow

    async with engine() as client:
        handle = await find_request(client, key, patience_seconds=BEGIN_SECONDS)
        report, away = await read_report(client, handle), ""
        while not report.is_over:
            draw(report, away)
            await asyncio.sleep(interval)
            try:
                report, away = await read_report(client, handle, WATCH_PATIENCE), ""
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    raise
                away = f"no answer from Temporal now, still asking: {error.message}"
        return report
