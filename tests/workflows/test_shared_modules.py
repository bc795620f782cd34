"""The modules that all runs of a workflow share: loaded once a process, guarded in each thread, and with nothing to leave behind."""

import asyncio
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import Enum
from types import FunctionType, MappingProxyType, ModuleType, NoneType
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import WorkflowHandle
from temporalio.common import Priority, SearchAttributeKey
from temporalio.worker import Worker

from domain.values import Value
from tests.house import House
from tests.workflows.probes import BANNED, ClockProbe, LoadProbe
from workflows.sandbox import SHARED, workflow_runner
from workflows.service import WORKFLOWS

AT_ONCE = 40

STAYING = (
    *(str, int, float, NoneType, timedelta, datetime, re.Pattern),
    *(Enum, Value, Priority, SearchAttributeKey),
    *(FunctionType, ModuleType, property, staticmethod, classmethod),
)
"""Types whose values nobody changes after they are made."""


def test_nothing_outlives_a_run() -> None:
    """No module of the sandbox has a value that a run could change: what one run did, no other can see or replay."""
    shipped = {workflow.__module__ for workflows in WORKFLOWS.values() for workflow in workflows}
    with SHARED.applied():
        for module in shipped:
            __import__(module)
    sandboxed = {name: loaded for name, loaded in SHARED.new_modules.items() if name.partition(".")[0] == "workflows"}
    assert shipped <= set(sandboxed)
    assert [what for name, loaded in sandboxed.items() for what in changeable(name, vars(loaded))] == []


@pytest.mark.parametrize(
    "value",
    [[], {}, set(), bytearray(), iter(()), object(), ([],), MappingProxyType({"a": []}), asyncio.Event()],
    ids=lambda value: type(value).__name__,
)
def test_what_a_run_could_change_is_seen(value: object) -> None:
    """The check above sees what can be changed, in a module and in a class."""
    assert list(changeable("workflows.some", {"VALUE": value})) == ["workflows.some.VALUE"]
    holder = type("Holder", (), {"value": value, "__module__": "workflows.some"})
    assert list(changeable("workflows.some", {"Holder": holder})) == ["workflows.some.Holder.value"]


async def test_runs_share_their_modules(house: House) -> None:
    """The second run of a workflow loads nothing: loading them took a third of the processor time of a request."""
    queue = f"{house.prefix}probes"
    async with probing(house, queue, LoadProbe):
        runs = [await begun(house, LoadProbe, queue) for _ in range(2)]
        first, second = [await run.query(LoadProbe.loaded) for run in runs]
        for run in runs:
            await run.terminate()
    assert first == second


async def test_guard_holds_in_every_thread_while_others_load(house: House) -> None:
    """Many runs begin and compute at once: what one may do while it is loaded, no other may do because of it."""
    queue = f"{house.prefix}probes"
    async with probing(house, queue, ClockProbe):
        runs = [await begun(house, ClockProbe, queue) for _ in range(AT_ONCE)]
        answers = [await run.result() for run in runs]
    assert answers == [dict.fromkeys(BANNED, "RestrictedWorkflowAccessError")] * AT_ONCE


def probing(house: House, queue: str, probe: type[Any]) -> Worker:
    return Worker(house.client, task_queue=queue, workflows=[probe], workflow_runner=workflow_runner())


async def begun(house: House, probe: type[Any], queue: str) -> WorkflowHandle[Any, Any]:
    return await house.client.start_workflow(probe.run, id=f"probe-{uuid4()}", task_queue=queue)


def changeable(where: str, names: dict[str, Any]) -> Iterator[str]:
    """The values of a module, and of its classes, that are not of a kind which is known to stay as it is."""
    for name, value in names.items():
        if name.startswith("__") or stays(value):
            continue
        if not isinstance(value, type):
            yield f"{where}.{name}"
        elif value.__module__.partition(".")[0] == "workflows" and not issubclass(value, Enum):
            yield from changeable(f"{where}.{name}", dict(vars(value)))


def stays(value: object) -> bool:
    match value:
        case tuple() | frozenset():
            return all(map(stays, value))
        case MappingProxyType():
            return all(map(stays, value.values()))
        case _:
            return isinstance(value, STAYING) or type(value).__module__ == "typing"
