"""Commands that read Temporal: list, show, watch. They change nothing, and what they show is no evidence (`why` is)."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from domain import search
from starter.cli_output import EXIT_CODES, Json, answer, answering

if TYPE_CHECKING:
    from starter.engine_reading import Report

app = typer.Typer()

Key = Annotated[str, typer.Argument(metavar="KEY", help="Ticket key (SEC-42), or a request's workflow id.")]


@app.command("list", epilog=EXIT_CODES)
def list_requests(
    state: Annotated[str, typer.Option(help="Only in this state: pending, active, revoking, stuck, ...")] = "",
    subject: Annotated[str, typer.Option(help="Only this person's.")] = "",
    target: Annotated[str, typer.Option(help="Only this target, by name or <vendor>/<instance>/<scope>/<id>.")] = "",
    ticket: Annotated[str, typer.Option(help="Only this ticket's.")] = "",
    closed_too: Annotated[bool, typer.Option("--all", help="Also what is over.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")] = 500,
    as_json: Json = False,
) -> None:
    """Who has what, until when: each lease, and each request that has none."""
    wanted = {search.STATE: state, search.SUBJECT: subject, search.TARGET: target, search.TICKET: ticket.upper()}
    with answering(as_json):
        asyncio.run(_list({name: value for name, value in wanted.items() if value}, closed_too, limit, as_json))


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


async def _list(filters: dict[str, str], closed_too: bool, limit: int, as_json: bool) -> None:
    from starter.cli_views import rows_table  # noqa: PLC0415 - slow
    from starter.engine_reading import engine, find_rows  # noqa: PLC0415 - slow

    async with engine() as client:
        rows, is_cut = await find_rows(client, filters=filters, closed_too=closed_too, limit=limit)
    document = {"rows": [row.model_dump(mode="json") for row in rows], "complete": not is_cut}
    answer(document, as_json, lambda: rows_table(rows, datetime.now(UTC)) if rows else "nothing")
    if is_cut:
        typer.echo(f"nightlatch: there is more than the newest {limit}; narrow it, or raise --limit", err=True)


async def _show(key: str, as_json: bool) -> None:
    from starter.cli_views import report_view  # noqa: PLC0415 - slow
    from starter.engine_reading import engine, find_request, read_report  # noqa: PLC0415 - slow

    async with engine() as client:
        report = await read_report(await find_request(client, key))
    answer(report.model_dump(mode="json"), as_json, lambda: report_view(report, datetime.now(UTC)))


async def _watch(key: str, interval: float, as_json: bool) -> None:
    from rich.console import Console  # noqa: PLC0415 - slow
    from rich.live import Live  # noqa: PLC0415 - slow

    from starter.cli_views import LATEST, report_view  # noqa: PLC0415 - slow

    console = Console(highlight=False, markup=False, quiet=as_json)
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def draw(report: "Report", note: str) -> None:
            live.update(report_view(report, datetime.now(UTC), entries=LATEST, note=note), refresh=True)

        report = await _follow(key, interval, draw)
    answer(report.model_dump(mode="json"), as_json, lambda: report_view(report, datetime.now(UTC)))


async def _follow(key: str, interval: float, draw: "Callable[[Report, str], None]") -> "Report":
    """Look until the request is over. A worker that is away for a while is waited for; a request that is gone is not."""
    from temporalio.service import RPCError  # noqa: PLC0415 - slow

    from starter.engine_reading import engine, find_request, read_report  # noqa: PLC0415 - slow

    async with engine() as client:
        handle = await find_request(client, key)
        report = await read_report(handle)
        while not report.is_over:
            draw(report, "")
            await asyncio.sleep(interval)
            try:
                report = await read_report(handle)
            except RPCError as error:
                draw(report, f"no answer now, still asking: {error.message}")
        return report
