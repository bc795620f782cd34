"""`drift`: what the reconciler last found, target by target, and how old that is."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from starter.cli_output import EXIT_CODES, CommandError, Document, ExitCode, Json, answer, answering, plain

if TYPE_CHECKING:
    from rich.console import RenderableType

    from starter.drift_reading import InstanceDrift

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def drift(
    run_now: Annotated[bool, typer.Option("--now", help="Have it look once more first, and wait for that.")] = False,
    as_json: Json = False,
) -> None:
    """Members compared with leases: what the reconciler last found, did, and could not look at.

    Exit code 1 when it has not looked at everything within three minutes.
    """
    with answering(as_json):
        found = asyncio.run(_read(run_now=run_now))
        faults = [f"{each.instance}: {each.problem}" for each in found if each.problem]
        faults += [f"{target} was last listed more than three minutes ago" for each in found for target in each.stale]
        faults += [
            f"{report.target}: {report.problem}" for each in found for report in each.report.targets if report.problem
        ]
        document: Document = {"instances": [each.model_dump(mode="json") for each in found]}
        if not faults or not as_json:
            answer(document, as_json, lambda: _table(found))
        if faults:
            raise CommandError("; ".join(faults), ExitCode.REFUSED, **document)


async def _read(*, run_now: bool) -> "list[InstanceDrift]":
    from activities.settings import load_settings  # noqa: PLC0415 - slow
    from starter.drift_reading import read_drift  # noqa: PLC0415 - slow
    from starter.engine_reading import engine  # noqa: PLC0415 - slow

    settings = load_settings()
    async with engine() as client:
        return await read_drift(client, settings, run_now=run_now)


def _table(found: "list[InstanceDrift]") -> "RenderableType":
    from rich.table import Table  # noqa: PLC0415 - slow
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    for name in ("instance", "target", "members", "found", "done"):
        table.add_column(name, overflow="fold")
    for each in found:
        for report in each.report.targets:
            seen = [f"{finding.kind}: {finding.lease_id}{_spared(finding.protected)}" for finding in report.findings]
            seen += [f"{report.waiting} more wait for the next run"] if report.waiting else []
            cells = (each.instance, report.target, str(report.members), "\n".join(seen), "\n".join(report.done))
            table.add_row(*(Text(plain(cell)) for cell in cells))
    return table


def _spared(why: str) -> str:
    return f" ({why})" if why else ""
