"""`python -m tests.chaos.seeded --seed N --leases N --minutes N --report DIR`: play, judge, report; 1 when anything does not hold."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from starter.schedules import RECONCILE_EVERY
from tests.chaos.seeded.oracle import judge
from tests.chaos.seeded.plan import Fault, make_plan
from tests.chaos.seeded.play import play
from tests.chaos.seeded.report import write_report
from tests.chaos.seeded.summary import Summary

EVERY_SECONDS = RECONCILE_EVERY.total_seconds()


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    chosen = options.faults.split(",") if options.faults else [fault.name.lower() for fault in Fault]
    plan = make_plan(
        options.seed,
        options.leases,
        options.minutes,
        tuple(fault for fault in Fault if fault.name.lower() in chosen),
    )
    again = _again(options)
    folder = Path(tempfile.mkdtemp(prefix="nightlatch-chaos-"))
    _tell(f"seed {options.seed}; to play it again: {again}")
    account = asyncio.run(play(plan, folder, timedelta(seconds=options.reconcile_every), _tell))
    verdict = judge(account)
    summary = Summary.of(plan, account, verdict, again)
    write_report(options.report, summary, account, verdict)
    _tell(f"{summary.text()}\nreport: {options.report / 'report.html'}")
    if summary.holds:
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    _tell(f"what each process said: {folder / 'logs'}")
    return 1


def _again(options: argparse.Namespace) -> str:
    """The command that plays the same run once more."""
    words = (
        f"python -m tests.chaos.seeded --seed {options.seed} --leases {options.leases} --minutes {options.minutes:g}"
    )
    if options.faults:
        words += f" --faults {options.faults}"
    if options.reconcile_every != EVERY_SECONDS:
        words += f" --reconcile-every {options.reconcile_every:g}"
    return words


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.seeded", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--leases", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--report", type=Path, default=Path(".nightlatch/chaos"))
    parser.add_argument(
        "--faults", default="", help=f"only these, of {', '.join(fault.name.lower() for fault in Fault)}"
    )
    parser.add_argument(
        "--reconcile-every", type=float, default=EVERY_SECONDS, metavar="SECONDS", help="oftener than the schedule does"
    )
    return parser.parse_args(arguments)


def _tell(words: str) -> None:
    sys.stderr.write(f"{words}\n")


if __name__ == "__main__":
    sys.exit(main())
