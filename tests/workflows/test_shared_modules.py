"""The modules that all runs of a workflow share: loaded once a process, guarded in each thread, and with nothing to leave behind."""

import asyncio
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from enum import Enum
from types import FunctionType, MappingProxyType, ModuleType, NoneType
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel
from temporalio.client import WorkflowHandle
from temporalio.common import Priority, SearchAttributeKey
from temporalio.worker import Worker

from domain.values import Value
from tests.house import House
from tests.workflows.probes import BANNED, ClockProbe, LoadProbe
from workflows.sandbox import SHARED, load, workflow_runner
from workflows.service import WORKFLOWS

AT_ONCE = 40
OURS = ("workflows", "domain")
BY_THE_SDK = re.compile("__temporal_|_defn$|validator$")

STAYING = (
    *(str, int, float, NoneType, timedelta, datetime, timezone, re.Pattern),
    *(Enum, Value, Priority, SearchAttributeKey),
    *(ModuleType, property, staticmethod, classmethod),
)
"""Types whose values nobody changes after they are made."""


def test_nothing_outlives_a_run() -> None:
    """No module of workflows or domain has a value that a run could change: what one run did, no other can see or replay."""
    shipped = [workflow for workflows in WORKFLOWS.values() for workflow in workflows]
    load(shipped)
    shared = {name: module for name, module in SHARED.new_modules.items() if name.partition(".")[0] in OURS}
    assert {workflow.__module__ for workflow in shipped} <= set(shared)
    assert [what for name, module in shared.items() for what in changeable(name, vars(module))] == []


def counting(calls: list[int]) -> Callable[[], None]:
    return lambda: calls.append(1)


def defaulting(calls: list[int] = []) -> None:  # noqa: B006 - what is looked for
    calls.append(1)


def marked() -> None:
    """A function on which something was put."""


marked.calls = []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "value",
    [
        *([], {}, set(), bytearray(), iter(()), object(), ([],), MappingProxyType({"a": []}), asyncio.Event()),
        *(counting([]), defaulting, marked),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_run_could_change_is_seen(value: object) -> None:
    """The check above sees what can be changed, in a module, in a class, and beside a function."""
    if isinstance(value, FunctionType):
        value.__module__ = "workflows.some"
    assert list(changeable("workflows.some", {"VALUE": value})) == ["workflows.some.VALUE"]
    holder = type("Holder", (), {"value": value, "__module__": "workflows.some"})
    assert list(changeable("workflows.some", {"Holder": holder})) == ["workflows.some.Holder.value"]


async def test_runs_share_their_modules(house: House) -> None:
    """The second run of a workflow loads nothing: loading them took a sixth of the processor time of a request."""
    queue = f"{house.prefix}probes"
    async with probing(house, queue, LoadProbe):
        runs = [await begun(house, LoadProbe, queue) for _ in range(2)]
        first, second = [await run.query(LoadProbe.loaded) for run in runs]
        for run in runs:
            await run.terminate()
    assert first == second


def test_what_one_thread_may_do_no_other_may() -> None:
    """The SDK lets a workflow that is being loaded do more than one that runs, and says so in what all of them share."""
    SHARED.restriction_context.is_runtime = True
    try:
        with ThreadPoolExecutor(1) as other:
            assert not other.submit(lambda: SHARED.restriction_context.is_runtime).result()
    finally:
        SHARED.restriction_context.is_runtime = False


async def test_guard_holds_in_every_run_while_others_begin(house: House) -> None:
    """Many runs begin and compute at once: what one may do while it is begun, no other may do because of it."""
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
        elif is_ours(value) and not issubclass(value, (Enum, BaseModel)):
            yield from changeable(f"{where}.{name}", dict(vars(value)))


def stays(value: object) -> bool:
    match value:
        case tuple() | frozenset():
            return all(map(stays, value))
        case MappingProxyType():
            return all(map(stays, value.values()))
        case FunctionType():
            return not is_ours(value) or all(map(stays, kept_by(value)))
        case _:
            return isinstance(value, STAYING) or type(value).__module__ == "typing"


def is_ours(value: FunctionType | type) -> bool:
    return value.__module__.partition(".")[0] in OURS


def kept_by(function: FunctionType) -> Iterator[object]:
    """What a function has besides its code, but for what the SDK leaves on a handler."""
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from (cell.cell_contents for cell in function.__closure__ or ())
    yield from (value for name, value in vars(function).items() if not BY_THE_SDK.match(name))
