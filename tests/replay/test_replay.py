"""The replay gate: what runs in production today must go on under the code of tomorrow."""

import base64
import re
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.workflow import NondeterminismError

from tests.replay.edited import EditedLeaseWorkflow
from tests.replay.gate import replay_all, type_of
from tests.replay.histories import (
    FOLDER,
    fingerprint,
    keep_earlier,
    load,
    load_earlier,
    patches,
    read_fingerprints,
    save,
)
from tests.replay.patched import PatchedLeaseWorkflow
from tests.replay.scenes import SCENES

HISTORIES = dict(load())
EARLIER = dict(load_earlier())
COMMITTED = read_fingerprints()
OPEN_LEASES = {
    name: history
    for name, history in HISTORIES.items()
    if name.startswith("in_") and name.endswith(".standing") and type_of(history) == "LeaseWorkflow"
}
REMEDY = (
    "The order of commands has changed, and running workflows would stand still on the new code. Put the change behind "
    "`workflow.patched(...)` so that old histories still replay; then record anew: python -m tests.replay.record --keep "
    "<build>. See docs/deploys.md"
)
MOST_BYTES = 75_000
TELLTALE = re.compile(r"/(?:home|root|work|tmp|Users|usr)/|site-packages|PRIVATE KEY")


@pytest.fixture(scope="module")
async def replayed() -> dict[str, Exception | None]:
    return await replay_all(HISTORIES | EARLIER)


@pytest.mark.parametrize("name", [*HISTORIES, *EARLIER])
def test_recorded_history_replays(name: str, replayed: dict[str, Exception | None]) -> None:
    """Every kept history, finished or cut short in a phase, of this build or of one before it whose runs may still be open,
    replays on the code of today to the same commands."""
    assert replayed[name] is None, f"{name}: {replayed[name]}. {REMEDY}"


@pytest.mark.parametrize("name", HISTORIES)
def test_commands_are_those_of_the_committed_baseline(name: str) -> None:
    """A history that was recorded anew commands what its baseline says: a changed order is seen in review."""
    assert fingerprint(HISTORIES[name]) == COMMITTED.get(name), f"{name}: {REMEDY}"


async def test_edit_that_breaks_determinism_is_caught() -> None:
    """The gate itself works, in whatever phase a lease is: with one timer more none of their histories replays."""
    broken = await replay_all(OPEN_LEASES, EditedLeaseWorkflow)
    assert broken
    assert {name for name, failure in broken.items() if isinstance(failure, NondeterminismError)} == set(broken)


async def test_edit_behind_a_patch_passes() -> None:
    """The one way to change what a lease commands: open leases of every phase replay, whether they have passed the change or not."""
    assert await replay_all(OPEN_LEASES, PatchedLeaseWorkflow) == dict.fromkeys(OPEN_LEASES)


def test_every_scene_has_a_history() -> None:
    """No scene is without a record, and no record without its scene."""
    assert set(SCENES) == {name.split(".")[0] for name in HISTORIES}
    assert set(COMMITTED) == set(HISTORIES)


def test_history_from_before_a_patch_is_kept_when_it_is_recorded_anew(tmp_path: Path) -> None:
    """Runs of the build before may be open: what they commanded goes on being replayed until somebody deletes it."""
    before = HISTORIES["in_active.standing"]
    marker = HistoryEvent(event_type=EventType.EVENT_TYPE_MARKER_RECORDED)
    marker.marker_recorded_event_attributes.marker_name = "core_patch"
    marker.marker_recorded_event_attributes.details["patch-data"].payloads.add(data=b'{"id":"more-paper"}')
    after = WorkflowHistory(before.workflow_id, [*before.events, marker])
    save("lease", before, tmp_path)
    keep_earlier("lease", before, "2026-11", tmp_path)
    assert dict(load_earlier(tmp_path)) == {}
    keep_earlier("lease", after, "2026-11", tmp_path)
    save("lease", after, tmp_path)
    ((name, kept),) = load_earlier(tmp_path)
    assert (name, patches(kept), fingerprint(kept)) == ("2026-11/lease", set(), fingerprint(before))
    assert [fingerprint(history)[-1] for _, history in load(tmp_path)] == ["patch more-paper"]


@pytest.mark.parametrize("name", HISTORIES)
def test_history_is_small_and_tells_nothing_of_the_machine(name: str) -> None:
    """Neither a path nor a host nor a key of whoever recorded it is in a history, its payloads included."""
    text = (FOLDER / f"{name}.json").read_text()
    assert len(text) < MOST_BYTES
    assert not TELLTALE.search(text)
    assert not re.search(r'"identity":"(?!worker)[^"]+', text)
    for payload in re.findall(r'"data":"([A-Za-z0-9+/=]+)"', text):
        assert not TELLTALE.search(base64.b64decode(payload).decode(errors="replace"))
