"""The sweep as it is deployed, beside a whole installation and after its engine is gone for good. The oracle: the vendors' log."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from activities.catalogue_files import CatalogueFolder
from activities.integrations.jira_tickets import JiraTickets
from activities.registry import Registry, load_keys
from activities.settings import load_settings
from domain.catalogue import TargetMode
from domain.evidence import RecordKind
from domain.sweep import SweepOrder, SweepReport
from starter.dev_config import OKTA_INSTANCE
from starter.sweep import Pace, Sweep
from tests.e2e.cli_process import nightlatch
from tests.real_stack import RealStack, instant, pair, running_stack

OVER = timedelta(seconds=30)
"""From then on an end is overdue for the sweep."""


@pytest.fixture
async def doomed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealStack]:
    """A stack of one test's own, which it may ruin."""
    async with running_stack(tmp_path_factory.mktemp("doomed")) as stack:
        yield stack


async def test_sweep_beside_a_healthy_installation_touches_nothing_and_doctor_sees_that_it_ran(
    stack: RealStack,
) -> None:
    """A live lease stays, nothing is written to a vendor, and the control ticket bears the word of the run."""
    mark, env = await stack.mark(), stack.home.environment() | {"COLUMNS": "250"}
    key = await stack.ask("1h")
    await stack.until_audit("issue.transitioned", mark, issue_key=key, to="Access active")
    said = await nightlatch("doctor", env=env)
    assert (said.code, "no sweep has ever been made" in said.err) == (1, True), said
    quiet = await stack.mark()
    said = await nightlatch("sweep", "--json", env=env)
    assert (said.code, said.document["faults"]) == (0, []), said
    assert [line["event"] for line in await stack.sandbox.audit(quiet) if "membership" in line["event"]] == []
    await nightlatch("drift", "--now", env=env)
    said = await nightlatch("doctor", "--json", env=env)
    checks = {check["name"]: check["verdict"] for check in said.document["checks"]}
    assert (said.code, checks.pop("pager"), set(checks.values())) == (0, "warning", {"ok"}), said
    assert checks.keys() >= {"temporal", "workers", "reconciler", "tickets", "freeze", "sweep", OKTA_INSTANCE}
    alice = stack.person("alice")
    await asyncio.to_thread(alice.comment, alice.find(key), "/revoke")
    await stack.until_audit("membership.removed", mark, **pair("alice"))


async def test_access_ends_though_the_engine_and_all_its_data_are_gone(doomed: RealStack) -> None:
    """Killed mid-lease, its database deleted: the sweep ends what is over from the tickets, and leaves what is not."""
    short, long = await doomed.ask("4s"), await doomed.ask("1h", by="dave")
    for key in (short, long):
        await doomed.until_audit("issue.transitioned", issue_key=key, to="Access active")
    for name in ("temporal", "worker", "bridge"):
        doomed.kill(name)
    for file in doomed.home.folder.glob(f"{doomed.home.database.name}*"):
        file.unlink()
    said = await nightlatch("sweep", "--dry-run", "--json", env=doomed.home.environment())
    assert said.document["report"]["problems"] == [], said
    added = await doomed.until_audit("membership.added", **pair("alice"))
    await doomed.wait_till(instant(added) + timedelta(seconds=4) + OVER)
    report = await _sweep()
    assert (report.faults, [gone.ticket for gone in report.removed]) == ((), [short])
    await doomed.until_audit("membership.removed", **pair("alice"))
    assert await doomed.audit("membership.removed", **pair("dave")) == []
    said = await nightlatch("why", short, "--json", env=doomed.home.environment())
    told = [line["kind"] for line in said.document["records"] if line["writer"].startswith("sweep/")]
    assert told == [RecordKind.REMOVED, RecordKind.PROVED, RecordKind.SESSIONS_ENDED], said


async def _sweep() -> SweepReport:
    """As `nightlatch sweep` composes it, without the two minutes between its looks."""
    settings = load_settings()
    tickets, registry = JiraTickets(settings.jira), Registry(settings)
    try:
        return await Sweep(
            SweepOrder(),
            tickets=tickets,
            providers=registry,
            catalogues=CatalogueFolder(settings.catalogue),
            control=settings.control_ticket,
            keys=load_keys(settings.keys),
            pace=Pace(apart=timedelta(seconds=1)),
        ).run()
    finally:
        await registry.close()
        await tickets.close()


async def test_operator_is_shown_who_would_lose_access_before_a_target_is_enforced(
    stack: RealStack, tmp_path: Path
) -> None:
    """A member without a lease is named; nothing is written without a yes, and with it one word."""
    viewer, mark = pair("dave", "gcp-prod-viewer"), await stack.mark()
    shutil.copytree(load_settings().catalogue, tmp_path / "catalog")
    env = stack.home.environment() | {"NIGHTLATCH_CATALOGUE": str(tmp_path / "catalog")}
    key = await stack.ask("1h", entitlement="gcp-prod-viewer")
    added = await stack.until_audit("membership.added", mark, **pair("alice", "gcp-prod-viewer"))
    await stack.sandbox.add_okta_member(viewer["group_id"], viewer["user_id"])
    try:
        said = await nightlatch("catalog", "enforce", "okta-gcp-prod-viewer", env=env)
        assert (said.code, viewer["user_id"] in said.err, added["user_id"] in said.err) == (1, True, False), said
        said = await nightlatch("catalog", "enforce", "okta-gcp-prod-viewer", "--yes", "--json", env=env)
    finally:
        await stack.sandbox.remove_okta_member(viewer["group_id"], viewer["user_id"])
        alice = stack.person("alice")
        await asyncio.to_thread(alice.comment, alice.find(key), "/revoke")
        await stack.until_audit("membership.removed", mark, **pair("alice", "gcp-prod-viewer"))
    assert said.document["lose_access"] == [f"{OKTA_INSTANCE}/{viewer['user_id']}"]
    catalogue = CatalogueFolder(tmp_path / "catalog").current()
    assert catalogue.targets["okta-gcp-prod-viewer"].mode is TargetMode.ENFORCE
    said = await nightlatch("catalog", "enforce", "okta-nowhere", env=env)
    assert (said.code, "it has okta-aws-prod-admin" in said.err) == (4, True)
