"""What a worker process under test does to itself: tell of the workflow tasks it completes, die at one, or stand still there."""

import asyncio
import json
import os
import re
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from temporalio.bridge.client import Client
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.bridge.worker import Worker, WorkerConfig

from domain.queues import Queue
from domain.values import StrictValue
from tests.chaos.bridge_steps import Watch

LOOK_SECONDS = 0.05


class Task(StrictValue):
    """A workflow task of a queue, by what it commands, and when. No command: it only took note of something."""

    queue: Queue
    commands: tuple[str, ...]
    at: datetime


class Boundary(StrictValue):
    """The workflow task that gives this command for the n-th time, right before or after the server has its completion."""

    queue: Queue
    command: str
    occurrence: int
    when: Literal["before", "after"]


class Order(StrictValue):
    """One worker to bring forth. `narration`: the file in which it tells of each workflow task that it completes.

    `gate`: the file beside which it stands still at `stop`, under the same name with `.reached`, until there is a gate.
    With `bridge` it is a bridge, and does what stands there instead.
    """

    name: str
    environment: dict[str, str]
    log: str
    death: Boundary | None = None
    stop: Boundary | None = None
    gate: str = ""
    narration: str = ""
    bridge: Watch | None = None


def narrate(file: str) -> None:
    """Append each completed task to `file`, one JSON object a line."""

    lines = Path(file).open("a", buffering=1)  # noqa: SIM115 - open for as long as the process lives

    async def tell(task: Task, complete: Callable[[], Awaitable[None]]) -> None:
        await complete()
        lines.write(task.model_dump_json() + "\n")

    _around_completions(tell)


def die_at(boundary: Boundary) -> None:
    """SIGKILL this process there."""

    async def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    _do_at(boundary, die)


def stand_at(boundary: Boundary, gate: Path) -> None:
    """Hold that one task up there, until the gate exists; whatever else this process does goes on."""

    reached, is_open = gate.with_suffix(".reached").touch, gate.exists

    async def stand() -> None:
        reached()
        while not is_open():
            await asyncio.sleep(LOOK_SECONDS)

    _do_at(boundary, stand)


def _do_at(boundary: Boundary, act: Callable[[], Awaitable[None]]) -> None:
    given: Counter[tuple[Queue, str]] = Counter()

    async def act_when_it_is_time(task: Task, complete: Callable[[], Awaitable[None]]) -> None:
        before = given[boundary.queue, boundary.command]
        given.update((task.queue, command) for command in task.commands)
        its_time = before < boundary.occurrence <= given[boundary.queue, boundary.command]
        if its_time and boundary.when == "before":
            await act()
        await complete()
        if its_time and boundary.when == "after":
            await act()

    _around_completions(act_when_it_is_time)


def _around_completions(around: Callable[[Task, Callable[[], Awaitable[None]]], Awaitable[None]]) -> None:
    create, complete = Worker.create, Worker.complete_workflow_activation
    queues: dict[int, Queue] = {}

    def remember_queue(client: Client, config: WorkerConfig) -> Worker:
        made = create(client, config)
        queues[id(made)] = next(queue for queue in Queue if config.task_queue.endswith(queue))
        return made

    async def completed(self: Worker, completion: WorkflowActivationCompletion) -> None:
        commands = tuple(_name(command) for command in completion.successful.commands)
        task = Task(queue=queues[id(self)], commands=commands, at=datetime.now(UTC))
        await around(task, lambda: complete(self, completion))

    Worker.create = staticmethod(remember_queue)  # type: ignore[method-assign]
    Worker.complete_workflow_activation = completed  # type: ignore[assignment,method-assign]


def _name(command: WorkflowCommand) -> str:
    variant = command.WhichOneof("variant") or "none"
    match variant:
        case "schedule_activity":
            return f"schedule {command.schedule_activity.activity_type}"
        case "start_timer":
            summary = json.loads(command.user_metadata.summary.data or b'""')
            return f"start timer: {re.sub(r'[A-Z]+-[0-9]+', 'the ticket', summary)}"
        case "signal_external_workflow_execution":
            return f"signal {command.signal_external_workflow_execution.signal_name}"
        case _:
            return variant.replace("_", " ")
