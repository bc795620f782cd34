"""`stuck`: removals that are late, what each waits for, and since when."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from starter.cli_output import EXIT_CODES, CommandError, Document, ExitCode, Json, answer, answering, plain

if TYPE_CHECKING:
    from rich.console import RenderableType

    from starter.stuck_reading import Stuck

app = typer.Typer()

NOTHING = "no removal is late"


@app.command(epilog=EXIT_CODES)
def stuck(as_json: Json = False) -> None:
    """Removals that were due more than a minute ago: on which rung, since when, after how many attempts, with which error.

    Rungs: `removal` (the access itself), `sessions` (the access is gone, its sessions are not ended), `suspension` (either,
    and so late that the account was to be suspended). Each goes on being tried; where the target itself is not there, the
    command is named by which two people can give it up. Exit code 1 when there is any.
    """
    with answering(as_json):
        found = asyncio.run(_read())
        document: Document = {"stuck": [each.model_dump(mode="json") for each in found]}
        if not found or not as_json:
            answer(document, as_json, lambda: _table(found) if found else NOTHING)
        if found:
            late = "1 removal is late" if len(found) == 1 else f"{len(found)} removals are late"
            raise CommandError(late, ExitCode.REFUSED, **document)


async def _read() -> "list[Stuck]":
    from starter.engine_reading import engine  # noqa: PLC0415 - slow
    from starter.stuck_reading import find_stuck  # noqa: PLC0415 - slow

    async with engine() as client:
        return await find_stuck(client, datetime.now(UTC))


def _table(found: "list[Stuck]") -> "RenderableType":
    from rich.table import Table  # noqa: PLC0415 - slow
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    for name in ("ticket", "subject", "target", "rung", "since", "attempts", "waits for"):
        table.add_column(name, overflow="fold")
    for each in found:
        since = f"{each.since:%Y-%m-%d %H:%M:%SZ}"
        waits_for = f"{each.problem}; {each.remedy}" if each.remedy else each.problem
        cells = (each.ticket, each.subject, each.target, each.rung, since, str(each.attempts), waits_for)
        table.add_row(*(Text(plain(cell)) for cell in cells))
    return table
