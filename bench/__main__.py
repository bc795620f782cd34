"""`python -m bench`: the short form; with `FULL=1` in the environment the figures that are kept. bench/README.md says how to read it."""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from rich.console import Console

from bench import counts, expiry, herd, kill, queueing, reconciling, starting, throughput
from bench.report import Report, Row
from bench.scale import FULL, SCALES, SHORT, Scale
from tests.workflows.counting import Tally

INTERRUPTED = 130

Measured = tuple[list[Row], Any]

ROWS: dict[str, Callable[[Scale, Tally], Awaitable[Measured]]] = {
    "throughput": throughput.run,
    "expiry": expiry.run,
    "herd": herd.run,
    "queue": queueing.run,
    "kill": kill.run,
    "reconcile": reconciling.run,
    "start": starting.run,
}


async def bench(scale: Scale, chosen: list[str], console: Console) -> int:
    """Measure the chosen rows, tell each as soon as it is there; 1 when one of them could not be measured."""
    report = Report(scale.name)
    waited, counted = await counts.count_one(at_once=False), await counts.count_one(at_once=True)
    report.add("counts", counts.rows(waited), {"approved after a wait": waited, "approved at once": counted})
    failed = False
    for name in chosen:
        console.print(f"measuring {name} ...", style="dim")
        try:
            rows, raw = await ROWS[name](scale, counted)
        except (RuntimeError, TimeoutError, ExceptionGroup) as error:
            failed = True
            rows, raw = [Row(name, "not measured", note=_told(error))], repr(error)
        report.add(name, rows, raw)
        report.write()
    report.show(console)
    console.print(f"everything that was measured: {report.write()}")
    return int(failed)


def _told(error: BaseException) -> str:
    """The first cause inside of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Nightlatch beside bare Temporal.")
    default = FULL.name if os.environ.get("FULL") == "1" else SHORT.name
    parser.add_argument("--scale", choices=SCALES, default=default)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {', '.join(ROWS)} (default: all)")
    arguments = parser.parse_args()
    unknown = set(arguments.rows) - set(ROWS)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    try:
        return asyncio.run(bench(SCALES[arguments.scale], arguments.rows or list(ROWS), Console(width=160)))
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
