"""What a run costs, counted from its history: events, bytes, and what Temporal Cloud bills."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

CHILD_START_ACTIONS = 2


@dataclass(frozen=True)
class Tally:
    """Of one or more runs that belong together. `by_activity`: name -> bytes of its events. `kinds`: events by type.

    `actions` follow https://docs.temporal.io/cloud/actions as far as a history tells: workflow starts, signals where they
    arrive, timers, each attempt of an activity, search attributes. Heartbeats and queries leave nothing in a history.
    """

    events: int
    bytes: int
    actions: int
    activities: int
    signals: int
    timers: int
    kinds: Mapping[str, int]
    by_activity: Mapping[str, int]


def tally(histories: Iterable[WorkflowHistory]) -> Tally:
    runs = [history.events for history in histories]
    events = [event for run in runs for event in run]
    kinds = Counter(EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in events)
    attempts = sum(event.activity_task_started_event_attributes.attempt for event in events)
    signals, timers = kinds["WORKFLOW_EXECUTION_SIGNALED"], kinds["TIMER_STARTED"]
    children = kinds["START_CHILD_WORKFLOW_EXECUTION_INITIATED"]
    starts = kinds["WORKFLOW_EXECUTION_STARTED"] - children + CHILD_START_ACTIONS * children
    return Tally(
        events=len(events),
        bytes=sum(event.ByteSize() for event in events),
        actions=starts + signals + timers + attempts + kinds["UPSERT_WORKFLOW_SEARCH_ATTRIBUTES"],
        activities=kinds["ACTIVITY_TASK_SCHEDULED"],
        signals=signals,
        timers=timers,
        kinds=dict(kinds.most_common()),
        by_activity=dict(sum((_by_activity(run) for run in runs), Counter()).most_common()),
    )


def _by_activity(events: Sequence[HistoryEvent]) -> Counter[str]:
    """Bytes of scheduling, start and completion of each activity, by its name."""
    sizes: Counter[str] = Counter()
    names: dict[int, str] = {}
    for event in events:
        if event.HasField("activity_task_scheduled_event_attributes"):
            names[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
            sizes[names[event.event_id]] += event.ByteSize()
        for done in (event.activity_task_started_event_attributes, event.activity_task_completed_event_attributes):
            if done.scheduled_event_id in names:
                sizes[names[done.scheduled_event_id]] += event.ByteSize()
    return sizes
