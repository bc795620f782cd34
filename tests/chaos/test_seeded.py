"""Seeded runs on one stage, short: real processes, everything that can befall them, and people who share what they ask for.

`python -m tests.chaos.seeded` plays longer ones, and any of these again by its number.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.chaos.seeded.oracle import judge
from tests.chaos.seeded.plan import make_plan
from tests.chaos.seeded.play import play_on
from tests.chaos.seeded.report import write_report
from tests.chaos.seeded.stage import Stage, open_stage
from tests.chaos.seeded.summary import Summary
from tests.figures import Measured

pytestmark = pytest.mark.timeout(600)

SEEDS = (5, 7)
"""In neither is a worker started anew: on a machine that other tests share, its start takes as long as they let it."""

LEASES = 8
MINUTES = 0.5
RECONCILED_EVERY = timedelta(seconds=15)


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path_factory.mktemp("seeded"), make_plan(SEEDS[0], LEASES, MINUTES)) as stage:
        yield stage


@pytest.mark.parametrize("seed", SEEDS)
async def test_seeded_chaos_leaves_nobody_in_and_nothing_untold(
    stage: Stage, seed: int, tmp_path: Path, measured: Measured
) -> None:
    """Every member is gone within the bound of the faults that befell it, approved before, proved after, and told once."""
    plan = make_plan(seed, LEASES, MINUTES)
    account = await play_on(stage, plan, RECONCILED_EVERY, lambda _: None)
    verdict = judge(account)
    again = f"python -m tests.chaos.seeded --seed {seed} --leases {LEASES} --minutes {MINUTES} --reconcile-every 15"
    summary = Summary.of(plan, account, verdict, again)
    write_report(tmp_path, summary, account, verdict)
    found = "\n".join(f"{finding.what}: {finding.ticket}: {finding.detail}" for finding in verdict.findings)
    assert summary.holds, f"{found}\n{summary.text()}\nreport: {tmp_path}, logs: {stage.home.logs}"
    assert verdict.exposures
    for exposure in verdict.exposures:
        measured("a seeded storm of everything", exposure.late)
