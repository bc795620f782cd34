"""`doctor`: whether an installation stands as it should."""

import asyncio
from typing import TYPE_CHECKING

import typer

from starter.cli_output import EXIT_CODES, CommandError, Document, ExitCode, Json, answer, answering, plain

if TYPE_CHECKING:
    from rich.console import RenderableType

    from starter.doctor import Check

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def doctor(as_json: Json = False) -> None:
    """Look at every part of an installation: engine, workers, reconciler, tickets, providers, sweep. Nothing is changed.

    Exit code 1 when a check failed.
    """
    with answering(as_json):
        checks = asyncio.run(_examine())
        failed = [check for check in checks if check.verdict == "failed"]
        document: Document = {"checks": [check.model_dump(mode="json") for check in checks]}
        if not failed or not as_json:
            answer(document, as_json, lambda: _table(checks))
        if failed:
            told = "; ".join(f"{check.name}: {check.told}" for check in failed)
            raise CommandError(told, ExitCode.REFUSED, **document)


async def _examine() -> "list[Check]":
    from activities.integrations.jira_tickets import JiraTickets  # noqa: PLC0415 - slow
    from activities.registry import Registry, load_keys  # noqa: PLC0415 - slow
    from activities.settings import load_settings  # noqa: PLC0415 - slow
    from starter.doctor import Doctor  # noqa: PLC0415 - slow
    from starter.engine_reading import engine  # noqa: PLC0415 - slow

    settings = load_settings()
    tickets, registry = JiraTickets(settings.jira), Registry(settings)
    try:
        house = Doctor(settings, load_keys(settings.keys), tickets=tickets, providers=registry)
        try:
            async with engine() as client:
                return await house.examine(client)
        except CommandError as error:
            return await house.examine(error)
    finally:
        await registry.close()
        await tickets.close()


def _table(checks: "list[Check]") -> "RenderableType":
    from rich.table import Table  # noqa: PLC0415 - slow
    from rich.text import Text  # noqa: PLC0415

    styles = {"ok": "green", "warning": "yellow", "failed": "bold red"}
    table = Table(box=None, pad_edge=False)
    for name in ("part", "", "what was seen"):
        table.add_column(name, overflow="fold")
    for check in checks:
        table.add_row(Text(check.name), Text(check.verdict, style=styles[check.verdict]), Text(plain(check.told)))
    return table
