"""Recorded histories as files, and the fingerprint of each: the ordered list of what the workflow commanded."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

FOLDER = Path(__file__).parent / "histories"
FINGERPRINTS = Path(__file__).parent / "fingerprints.json"

_COMMANDS: dict[str, Callable[[HistoryEvent], str]] = {
    "ACTIVITY_TASK_SCHEDULED": lambda event: event.activity_task_scheduled_event_attributes.activity_type.name,
    "TIMER_STARTED": lambda _event: "timer",
    "START_CHILD_WORKFLOW_EXECUTION_INITIATED": lambda event: (
        event.start_child_workflow_execution_initiated_event_attributes.workflow_type.name
    ),
    "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED": lambda event: (
        event.signal_external_workflow_execution_initiated_event_attributes.signal_name
    ),
    "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED": lambda _event: "cancel",
    "ACTIVITY_TASK_CANCEL_REQUESTED": lambda _event: "activity",
    "TIMER_CANCELED": lambda _event: "timer",
    "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES": lambda event: ",".join(
        sorted(event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields)
    ),
    "WORKFLOW_EXECUTION_COMPLETED": lambda _event: "workflow",
    "WORKFLOW_EXECUTION_FAILED": lambda _event: "workflow",
}


def fingerprint(history: WorkflowHistory) -> list[str]:
    """What the workflow commanded, in order; what happened to it is left out, because that differs from run to run."""
    return [
        f"{kind}: {tell(event)}"
        for event in history.events
        if (tell := _COMMANDS.get(kind := _kind_of(event))) is not None
    ]


def _kind_of(event: HistoryEvent) -> str:
    return EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")


def save(name: str, history: WorkflowHistory) -> None:
    """Write one history, an event a line, without what tells of the machine that it was made on."""
    FOLDER.mkdir(exist_ok=True)
    plain: dict[str, Any] = json.loads(history.to_json())
    events = ",\n".join(json.dumps(_anonymous(event), separators=(",", ":")) for event in plain["events"])
    head = json.dumps(history.workflow_id)
    (FOLDER / f"{name}.json").write_text(f'{{"workflow_id":{head},"events":[\n{events}\n]}}\n')


def load() -> Iterator[tuple[str, WorkflowHistory]]:
    for path in sorted(FOLDER.glob("*.json")):
        plain = json.loads(path.read_text())
        workflow_id = plain.pop("workflow_id")
        yield path.stem, WorkflowHistory.from_json(workflow_id, plain)


def _anonymous(plain: Any) -> Any:
    """Identities name process and host, stack traces name paths: neither takes part in a replay."""
    if isinstance(plain, dict):
        return {
            name: "worker" if name == "identity" else _anonymous(value)
            for name, value in plain.items()
            if name not in {"stackTrace", "encodedAttributes"}
        }
    if isinstance(plain, list):
        return [_anonymous(entry) for entry in plain]
    return re.sub(r"[0-9]+@[A-Za-z0-9._-]+", "worker", plain) if isinstance(plain, str) else plain
