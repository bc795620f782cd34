"""The replay gate: what runs in production today must go on under the code of tomorrow."""

import base64
import json
import re
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from activities.data_converter import data_converter
from domain.queues import Queue
from tests.replay.edited import EditedLeaseWorkflow
from tests.replay.histories import FINGERPRINTS, FOLDER, fingerprint, load
from tests.replay.scenes import SCENES
from workflows.access_request import AccessRequestWorkflow
from workflows.lease import LeaseWorkflow
from workflows.sandbox import workflow_runner

HISTORIES = dict(load())
COMMITTED: dict[str, list[str]] = json.loads(FINGERPRINTS.read_text())
REMEDY = (
    "The order of commands has changed, and running workflows would stand still on the new code. Put the change behind "
    "`workflow.patched(...)` so that old histories still replay; then record anew: python -m tests.replay.record"
)
MOST_BYTES = 150_000
TELLTALE = re.compile(r"/(?:home|root|work|tmp|Users|usr)/|site-packages|PRIVATE KEY")


def replayer(lease: type[Any] = LeaseWorkflow) -> Replayer:
    """As a worker is built. A replayer's queue is called `replay-<build id>`, and ours are known by how they end."""
    return Replayer(
        workflows=[AccessRequestWorkflow, lease],
        data_converter=data_converter(),
        workflow_runner=workflow_runner(),
        build_id=Queue.LEASES,
    )


@pytest.mark.parametrize("name", HISTORIES)
async def test_recorded_history_replays(name: str) -> None:
    """Every kept history, finished or cut short in a phase, replays on the code of today to the same commands."""
    result = await replayer().replay_workflow(HISTORIES[name], raise_on_replay_failure=False)
    assert result.replay_failure is None, f"{name}: {result.replay_failure}. {REMEDY}"


@pytest.mark.parametrize("name", HISTORIES)
def test_commands_are_those_of_the_committed_baseline(name: str) -> None:
    """A history that was recorded anew commands what its baseline says: a changed order is seen in review."""
    assert fingerprint(HISTORIES[name]) == COMMITTED.get(name), f"{name}: {REMEDY}"


async def test_edit_that_breaks_determinism_is_caught() -> None:
    """The gate itself works: one timer more in the lease, and its histories do not replay."""
    broken = {}
    for name, history in HISTORIES.items():
        if _type_of(history) == "LeaseWorkflow":
            result = await replayer(EditedLeaseWorkflow).replay_workflow(history, raise_on_replay_failure=False)
            broken[name] = isinstance(result.replay_failure, NondeterminismError)
    assert broken
    assert all(broken.values()), broken


def test_every_scene_has_a_history() -> None:
    """No scene is without a record, and no record without its scene."""
    assert {scene.__name__ for scene in SCENES} == {name.split(".")[0] for name in HISTORIES}
    assert set(COMMITTED) == set(HISTORIES)


@pytest.mark.parametrize("name", HISTORIES)
def test_history_is_small_and_tells_nothing_of_the_machine(name: str) -> None:
    """Neither a path nor a host nor a key of whoever recorded it is in a history, its payloads included."""
    text = (FOLDER / f"{name}.json").read_text()
    assert len(text) < MOST_BYTES
    assert not TELLTALE.search(text)
    assert not re.search(r'"identity":"(?!worker)[^"]+', text)
    for payload in re.findall(r'"data":"([A-Za-z0-9+/=]+)"', text):
        assert not TELLTALE.search(base64.b64decode(payload).decode(errors="replace"))


def _type_of(history: WorkflowHistory) -> str:
    return history.events[0].workflow_execution_started_event_attributes.workflow_type.name
