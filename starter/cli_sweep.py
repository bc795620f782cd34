"""`sweep`: ends, without the engine, what nobody should hold any more. Meant for a timer outside of everything else."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from domain.durations import parse_duration
from starter.cli_output import EXIT_CODES, CommandError, ExitCode, Json, answer, answering, plain

if TYPE_CHECKING:
    from rich.console import RenderableType

    from domain.sweep import SweepOrder, SweepReport, TargetSweep

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def sweep(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look once and say what would be taken away.")] = False,
    provider: Annotated[
        list[str] | None, typer.Option(help="Only this provider instance, for example okta/prod. May be repeated.")
    ] = None,
    older_than: Annotated[
        str, typer.Option(help="Leave to the engine what has been due for less, for example 5m.")
    ] = "",
    drain_all: Annotated[
        bool,
        typer.Option("--drain-all", help="Freeze, and take out everybody whom we granted or who has to be leased."),
    ] = False,
    as_json: Json = False,
) -> None:
    """End access that is over or that no ticket allows, from the tickets and the vendors alone. Temporal is not asked.

    Acts on what two looks, two minutes apart, have both found. Exit code 1 when something is left, or could not be seen.
    """
    with answering(as_json):
        from domain.sweep import SweepOrder  # noqa: PLC0415 - slow

        order = SweepOrder.model_validate(
            {"instances": tuple(provider or ()), "dry_run": dry_run, "drain_all": drain_all}
            | ({"older_than": parse_duration(older_than)} if older_than else {})
        )
        with _progress(as_json) as tell:
            report = asyncio.run(_sweep(order, tell))
        document = {"report": report.model_dump(mode="json", exclude={"memory"}), "faults": list(report.faults)}
        if not report.faults or not as_json:
            answer(document, as_json, lambda: _table(report))
        if report.faults:
            raise CommandError("; ".join(report.faults), ExitCode.REFUSED, **document)


async def _sweep(order: "SweepOrder", tell: Callable[[str], None]) -> "SweepReport":
    from activities.settings import load_settings  # noqa: PLC0415 - slow
    from starter.sweep_run import run_sweep  # noqa: PLC0415 - slow

    return await run_sweep(load_settings(), order, tell)


@contextmanager
def _progress(as_json: bool) -> Iterator[Callable[[str], None]]:
    """A line that moves, where somebody watches."""
    if as_json or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - slow
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (BarColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda words: bar.update(task, description=plain(words))


def _table(report: "SweepReport") -> "RenderableType":
    from rich.table import Table  # noqa: PLC0415 - slow
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    for name in ("instance", "target", "members", "found", "done"):
        table.add_column(name, overflow="fold")
    for each in report.targets:
        cells = (each.instance, each.target, str(each.members), _found(each), _done(each))
        table.add_row(*(Text(plain(cell)) for cell in cells))
    return table


def _found(target: "TargetSweep") -> str:
    told = [
        f"{found.kind}: {found.lease_id}" + (f" ({found.protected})" if found.protected else "")
        for found in target.findings
    ]
    return "\n".join([*told, *([target.problem] if target.problem else [])]) or "nothing amiss"


def _done(target: "TargetSweep") -> str:
    return "\n".join(f"{each.lease_id}: {each.problem or f'gone, on {each.ticket}'}" for each in target.removed)
