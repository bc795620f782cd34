"""`nightlatch doctor` and `nightlatch sweep` where an installation is not whole: what is wrong, and what to do."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from activities.key_files import write_new_keys
from tests.e2e.cli_process import nightlatch
from tests.e2e.installation import installed
from tests.sandbox_process import SandboxProcess, running_sandbox


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProcess]:
    async with running_sandbox(tmp_path_factory.mktemp("sandbox")) as process:
        yield process


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    write_new_keys(tmp_path / "keys")
    return tmp_path / "keys"


async def test_doctor_names_each_part_that_does_not_stand(sandbox: SandboxProcess, keys: Path) -> None:
    """No engine, no word, no sweep, no pager: each is told with its remedy, and one does not hide another."""
    env = await installed(sandbox, keys) | {"TEMPORAL_ADDRESS": "127.0.0.1:1"}
    said = await nightlatch("doctor", "--json", env=env)
    checks = {check["name"]: (check["verdict"], check["told"]) for check in said.document["checks"]}
    assert said.code == 1
    for name, verdict, words in (
        ("temporal", "failed", "is it running there?"),
        ("tickets", "ok", "is read"),
        ("freeze", "warning", "`nightlatch setup` writes the first one"),
        ("sweep", "failed", "schedule `nightlatch sweep`"),
        ("pager", "warning", "set pager.url"),
    ):
        assert (checks[name][0], words in checks[name][1]) == (verdict, True), checks[name]


async def test_sweep_tells_which_instance_it_cannot_look_at(sandbox: SandboxProcess, keys: Path) -> None:
    """One that is asked for and not configured is wrong usage; one that the catalogue names is a fault of the run."""
    env = await installed(sandbox, keys)
    said = await nightlatch("sweep", "--provider", "okta/nowhere", env=env)
    assert (said.code, "no instance okta/nowhere is configured" in said.err) == (2, True), said
    said = await nightlatch("sweep", "--dry-run", "--older-than", "5m", env=env)
    assert (said.code, "add it to the settings" in said.err) == (1, True), said
    said = await nightlatch("sweep", "--older-than", "soon", env=env)
    assert (said.code, "is not a duration" in said.err) == (2, True), said
