"""Recorded histories as files, and the fingerprint of each: the ordered list of what the workflow commanded."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType, ParentClosePolicy
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from domain.search import STATE

Events = Mapping[int, HistoryEvent]
"""Those of one history, by their ids."""

FOLDER = Path(__file__).parent / "histories"
EARLIER = "earlier"
"""Its folder of histories of builds before this one, whose runs may still be open. Who deletes one says that none is."""

FINGERPRINTS = Path(__file__).parent / "fingerprints.txt"

HEAD = """\
# What each recorded workflow commanded, in order. `python -m tests.replay.record` writes this; a line that changes here is a
# command that a workflow gives otherwise than before: every run that is open when it is deployed must still replay.
"""

_UNREAD = {"stackTrace", "encodedAttributes", "requestId", "workerVersion", "taskId", "retryPolicy"}
"""What a replay does not read, and what tells of the machine."""

_COMMANDED = {
    "activityTaskScheduledEventAttributes": ("input",),
    "signalExternalWorkflowExecutionInitiatedEventAttributes": ("input",),
    "startChildWorkflowExecutionInitiatedEventAttributes": ("input", "memo", "searchAttributes"),
    "workflowExecutionCompletedEventAttributes": ("result",),
    "workflowTaskScheduledEventAttributes": ("taskQueue",),
}
"""What commands carry, which is most of a history: a replay compares which activity is called, and not with what."""


def fingerprint(history: WorkflowHistory) -> list[str]:
    """What the workflow commanded, in order; what happened to it is left out, because that differs from run to run."""
    events = {event.event_id: event for event in history.events}
    told = (tell(event, events) for event in history.events if (tell := _COMMANDS.get(_kind_of(event))) is not None)
    counted = ((line, sum(1 for _ in same)) for line, same in groupby(told))
    return [line if times == 1 else f"{line} (x{times})" for line, times in counted]


def patches(history: WorkflowHistory) -> set[str]:
    """The patches that a run has passed on the new side, as they were given to `workflow.patched`."""
    return {_patch(event) for event in history.events if _kind_of(event) == "MARKER_RECORDED"}


def write_fingerprints(prints: dict[str, list[str]]) -> None:
    parts = ["\n".join([name, *(f"    {line}" for line in lines)]) for name, lines in sorted(prints.items())]
    FINGERPRINTS.write_text(HEAD + "\n" + "\n\n".join(parts) + "\n")


def read_fingerprints() -> dict[str, list[str]]:
    prints: dict[str, list[str]] = {}
    name = ""
    for line in FINGERPRINTS.read_text().removeprefix(HEAD).splitlines():
        if line.startswith("    "):
            prints[name].append(line.strip())
        elif line:
            name = line
            prints[name] = []
    return prints


def save(name: str, history: WorkflowHistory, folder: Path = FOLDER) -> None:
    """Write one history, an event a line, without what a replay does not read."""
    folder.mkdir(exist_ok=True)
    plain: dict[str, Any] = json.loads(history.to_json())
    events = ",\n".join(json.dumps(_read(_shorn(event)), separators=(",", ":")) for event in plain["events"])
    head = json.dumps(history.workflow_id)
    (folder / f"{name}.json").write_text(f'{{"workflow_id":{head},"events":[\n{events}\n]}}\n')


def load(folder: Path = FOLDER) -> Iterator[tuple[str, WorkflowHistory]]:
    """The histories of the present build, by scene and part."""
    for path in sorted(folder.glob("*.json")):
        yield path.stem, _open(path)


def load_earlier(folder: Path = FOLDER) -> Iterator[tuple[str, WorkflowHistory]]:
    """Those of earlier builds, by build, scene and part."""
    for path in sorted((folder / EARLIER).glob("*/*.json")):
        yield f"{path.parent.name}/{path.stem}", _open(path)


def keep_earlier(name: str, history: WorkflowHistory, build: str, folder: Path = FOLDER) -> None:
    """Set aside the history that `history` is to take the place of, if they lie on different sides of a patch."""
    present = folder / f"{name}.json"
    if present.exists() and patches(_open(present)) != patches(history):
        kept = folder / EARLIER / build / present.name
        kept.parent.mkdir(parents=True, exist_ok=True)
        present.rename(kept)


def _open(path: Path) -> WorkflowHistory:
    plain = json.loads(path.read_text())
    return WorkflowHistory.from_json(plain.pop("workflow_id"), plain)


def _kind_of(event: HistoryEvent) -> str:
    return EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")


def _activity(event: HistoryEvent) -> str:
    """Its name and its queue: one that moves to another queue is run by another process."""
    scheduled = event.activity_task_scheduled_event_attributes
    return f"{scheduled.activity_type.name} on {_queue(scheduled.task_queue.name)}"


def _child(event: HistoryEvent) -> str:
    """With what becomes of it when its parent closes: that is what ends access when a request is terminated."""
    child = event.start_child_workflow_execution_initiated_event_attributes
    policy = ParentClosePolicy.Name(child.parent_close_policy).removeprefix("PARENT_CLOSE_POLICY_").lower()
    return f"child {child.workflow_type.name} on {_queue(child.task_queue.name)}, {policy} on close"


def _shown(event: HistoryEvent) -> str:
    """Search attributes by name, and the state with its value: what operators filter by."""
    fields = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
    return "show " + ", ".join(
        f"{name} {json.loads(fields[name].data)}" if name == STATE else name for name in sorted(fields)
    )


def _queue(name: str) -> str:
    return name.rsplit("-", maxsplit=1)[-1]


def _patch(event: HistoryEvent) -> str:
    """Its id; the marker's own name, where it is no patch."""
    marker = event.marker_recorded_event_attributes
    if marker.marker_name != "core_patch":
        return marker.marker_name
    return str(json.loads(marker.details["patch-data"].payloads[0].data)["id"])


def _timer(event: HistoryEvent) -> str:
    """What it is for, in the words of its summary."""
    text = str(json.loads(event.user_metadata.summary.data or b'""'))
    return "timer: " + re.sub(r"\b[A-Z]+-[0-9]+\b", "a ticket", text)


def _shorn(event: dict[str, Any]) -> dict[str, Any]:
    """Without what its command carried. Only timers keep their summary: it tells which timer it is."""
    for name, carried in _COMMANDED.items():
        for each in carried:
            event.get(name, {}).pop(each, None)
    if not event["eventType"].endswith("TIMER_STARTED"):
        event.pop("userMetadata", None)
    return event


def _read(plain: Any) -> Any:
    """Identities name process and host, stack traces name paths: neither takes part in a replay."""
    if isinstance(plain, dict):
        return {
            name: "worker" if name == "identity" else _read(value)
            for name, value in plain.items()
            if name not in _UNREAD
        }
    if isinstance(plain, list):
        return [_read(entry) for entry in plain]
    return re.sub(r"[0-9]+@[A-Za-z0-9._-]+", "worker", plain) if isinstance(plain, str) else plain


_COMMANDS: dict[str, Callable[[HistoryEvent, Events], str]] = {
    "ACTIVITY_TASK_SCHEDULED": lambda event, _: _activity(event),
    "ACTIVITY_TASK_CANCEL_REQUESTED": lambda event, events: (
        f"cancel {_activity(events[event.activity_task_cancel_requested_event_attributes.scheduled_event_id])}"
    ),
    "TIMER_STARTED": lambda event, _: _timer(event),
    "TIMER_CANCELED": lambda event, events: (
        f"cancel {_timer(events[event.timer_canceled_event_attributes.started_event_id])}"
    ),
    "START_CHILD_WORKFLOW_EXECUTION_INITIATED": lambda event, _: _child(event),
    "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED": lambda event, _: (
        f"signal {event.signal_external_workflow_execution_initiated_event_attributes.signal_name}"
    ),
    "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED": lambda _event, _: "cancel another workflow",
    "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES": lambda event, _: _shown(event),
    "WORKFLOW_PROPERTIES_MODIFIED": lambda event, _: (
        f"memo {', '.join(sorted(event.workflow_properties_modified_event_attributes.upserted_memo.fields))}"
    ),
    "MARKER_RECORDED": lambda event, _: f"patch {_patch(event)}",
    "WORKFLOW_EXECUTION_COMPLETED": lambda _event, _: "complete",
    "WORKFLOW_EXECUTION_FAILED": lambda _event, _: "FAIL",
    "WORKFLOW_EXECUTION_CANCELED": lambda _event, _: "END AS CANCELLED",
    "WORKFLOW_EXECUTION_CONTINUED_AS_NEW": lambda _event, _: "CONTINUE AS NEW",
}
