"""What a bridge process under test does to itself: tell of each step beyond its own memory, and die at one of them.

A step is a call to Jira, a call to Temporal, or one of those by which the mark is read and kept. The bridge is otherwise the real one.
"""

import os
import re
import signal
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from google.protobuf.message import Message
from requests import PreparedRequest, Response
from temporalio.bridge.client import Client

from activities.integrations.jira_client import StrictAdapter
from domain.values import StrictValue
from starter import poller

SEARCH = "jira GET /search/jql"
"""The step with which each round of polling begins."""

_KEEPING = {"open": "mark: open the draft", "sync": "mark: sync the draft", "replace": "mark: replace"}
_READING, _SYNC_FOLDER = "mark: read", "mark: sync the folder"
_WRITING = ("temporal signal", "temporal start", "temporal update", *_KEEPING.values(), _SYNC_FOLDER)


class Step(StrictValue):
    """What is begun, and in which scene of the case."""

    scene: str
    kind: str

    @property
    def is_write(self) -> bool:
        """Whether anybody else can tell afterwards that it was done."""
        return self.kind.startswith(_WRITING)


class StepBoundary(StrictValue):
    """The step that is the n-th of its kind in its scene, right before it is made or once it has been."""

    step: Step
    occurrence: int
    when: Literal["before", "after"]


class Watch(StrictValue):
    """How a bridge is watched. `scene`: the file that says which scene is played; `narration`: where each step is told, a line each.

    `overlap`: whether it polls as shipped. Without, it looks back no further than its mark, and nothing hides one that ran ahead.
    """

    scene: str
    narration: str
    state: str
    overlap: bool
    death: StepBoundary | None = None


def watch(order: Watch) -> None:
    """Begin; for the whole life of this process."""
    if not order.overlap:
        poller.OVERLAP = timedelta(0)
    watched = _Watched(order)
    _around_jira(watched.step)
    _around_temporal(watched.step)
    _around_the_mark(watched.step, Path(order.state))


def read_narration(file: Path) -> list[Step]:
    """What has been told until now, oldest first; a line that is being written is left out."""
    text = file.read_text() if file.exists() else ""
    return [Step.model_validate_json(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


class _Watched:
    """Counts the steps, which are made by the event loop and by the adapter's threads."""

    def __init__(self, order: Watch) -> None:
        self._scene = Path(order.scene)
        self._lines = Path(order.narration).open("a", buffering=1)  # noqa: SIM115 - open for as long as the process lives
        self._death = order.death
        self._made: Counter[Step] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def step(self, kind: str) -> Iterator[None]:
        when = self._begin(Step(scene=self._scene.read_text(), kind=kind))
        if when == "before":
            _die()
        try:
            yield
        finally:
            if when == "after":
                _die()

    def _begin(self, step: Step) -> str | None:
        """When to die of this step, if of this one at all."""
        with self._lock:
            self._made[step] += 1
            self._lines.write(step.model_dump_json() + "\n")
            death = self._death
            its_time = death is not None and step == death.step and self._made[step] == death.occurrence
            return death.when if death is not None and its_time else None


Around = Callable[[str], Any]


def _around_jira(step: Around) -> None:
    send = StrictAdapter.send

    def sent(self: StrictAdapter, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        path = request.path_url.partition("?")[0].rpartition("/rest/api/3")[2]
        with step(f"jira {request.method} {re.sub(r'[0-9]+', '{issue}', path)}"):
            return send(self, request, *args, **kwargs)

    StrictAdapter.send = sent  # type: ignore[method-assign]


def _around_temporal(step: Around) -> None:
    call = Client.call

    async def called(self: Client, *, rpc: str, req: Message, **options: Any) -> Message:
        with step(f"temporal {_name(rpc, req)}"):
            return await call(self, rpc=rpc, req=req, **options)

    Client.call = called  # type: ignore[assignment,method-assign]


def _name(rpc: str, asked: Any) -> str:
    name = rpc.partition("_workflow_execution")[0]
    match name:
        case "signal":
            return f"signal {asked.signal_name} to the {asked.workflow_execution.workflow_id.partition(':')[0]}"
        case "list" if found := re.search(r"WorkflowType = '(\w+)'", asked.query):
            return f"list {found[1]}"
        case _:
            return name.replace("_", " ")


def _around_the_mark(step: Around, mark: Path) -> None:
    read_bytes, open_file, replace, sync = Path.read_bytes, Path.open, Path.replace, os.fsync
    draft = mark.with_name(f"{mark.name}.draft")

    def read(self: Path) -> bytes:
        if self != mark:
            return read_bytes(self)
        with step(_READING):
            return read_bytes(self)

    def opened(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self != draft:
            return open_file(self, *args, **kwargs)
        with step(_KEEPING["open"]):
            return open_file(self, *args, **kwargs)

    def replaced(self: Path, target: Path) -> Path:
        with step(_KEEPING["replace"]):
            return replace(self, target)

    def synced(fd: Any) -> None:
        is_folder = stat.S_ISDIR(os.fstat(fd).st_mode)
        with step(_SYNC_FOLDER if is_folder else _KEEPING["sync"]):
            sync(fd)

    Path.read_bytes, Path.open, Path.replace = read, opened, replaced  # type: ignore[assignment,method-assign]
    os.fsync = synced


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
