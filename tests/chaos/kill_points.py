"""Where a worker can be killed, read from one undisturbed request: every vendor call, and every workflow task.

Nobody keeps this list by hand: a call or a command that the product makes tomorrow is a case tomorrow.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from domain.values import parse_instant
from tests.chaos.self_kill import Boundary, Task

Fate = Literal["lost", "late", "done"]
"""What becomes of a call whose worker dies meanwhile: it never takes effect, or after the death, or has before it."""


@dataclass(frozen=True)
class CallPoint:
    """The n-th call of its kind, while the vendor holds it. `path` bears placeholders for the ids that differ from case to case.

    `came_at`, here and below: when the watched request was there.
    """

    vendor: str
    method: str
    path: str
    occurrence: int
    fate: Fate
    came_at: datetime = field(compare=False)

    @property
    def is_read(self) -> bool:
        return self.method == "GET"

    @property
    def kind(self) -> str:
        return f"{self.method} {self.vendor} {self.path}"

    def __str__(self) -> str:
        return f"{self.kind} #{self.occurrence}, {self.fate}"


@dataclass(frozen=True)
class TaskPoint:
    """Right before, or right after, the server has the completion of a workflow task."""

    boundary: Boundary
    came_at: datetime = field(compare=False)

    @property
    def kind(self) -> str:
        return f"{self.boundary.queue} task: {self.boundary.command}"

    def __str__(self) -> str:
        return f"{self.boundary.when} {self.kind} #{self.boundary.occurrence}"


Point = CallPoint | TaskPoint


def call_points(calls: Iterable[Mapping[str, Any]], placeholders: Mapping[str, str]) -> list[CallPoint]:
    """A point for each read, three for each write: a read whose answer nobody got is the same whatever became of it."""
    seen: Counter[tuple[str, str, str]] = Counter()
    points = []
    for call in calls:
        path = call["path"]
        for placeholder, text in placeholders.items():
            path = path.replace(text, placeholder)
        kind = (call["vendor"], call["method"], path)
        seen[kind] += 1
        fates: tuple[Fate, ...] = ("lost",) if call["method"] == "GET" else ("lost", "late", "done")
        points += [CallPoint(*kind, seen[kind], fate, parse_instant(call["at"])) for fate in fates]
    return points


def task_points(tasks: Iterable[Task]) -> list[TaskPoint]:
    """Two points for each task that commands something, known by the command in it that is given most seldom.

    A task that commands nothing leaves the server as it was: a death there is one at the task before it.
    """
    tasks = list(tasks)
    in_all = Counter((task.queue, command) for task in tasks for command in set(task.commands))
    given: Counter[tuple[str, str]] = Counter()
    points = []
    for task in tasks:
        given.update((task.queue, command) for command in task.commands)
        if task.commands:
            command = min(task.commands, key=lambda name: (name == "cancel timer", in_all[task.queue, name]))
            occurrence = given[task.queue, command]
            points += [
                TaskPoint(Boundary(queue=task.queue, command=command, occurrence=occurrence, when=when), task.at)
                for when in ("before", "after")
            ]
    return points


def representatives(points: Sequence[Point]) -> list[Point]:
    """Of each kind of call the first in every way, of each kind of write the last too, and every other task before or after in turn."""
    calls = [point for point in points if isinstance(point, CallPoint)]
    tasks = [point for point in points if isinstance(point, TaskPoint)]
    last = {point.kind: point.occurrence for point in calls}
    first_calls = [point for point in calls if point.occurrence == 1]
    last_calls = [point for point in calls if 1 < point.occurrence == last[point.kind] and point.fate == "late"]
    in_turn = [point for number, point in enumerate(tasks) if number % 8 in {0, 5}]
    return [*first_calls, *last_calls, *in_turn]
