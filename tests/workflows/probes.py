"""Small workflows that tell how the kernel's own parts look from inside the real workflow sandbox. Kept free of test code."""

import asyncio
import os
import random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from temporalio import workflow

from domain.canonical import KeyRing, KeyRole, PublicKey, Signature
from domain.errors import SignatureRefusedError
from domain.lease_messages import ExtensionCommit, ExtensionOffer, LeaseOrder
from domain.messages import Hint
from domain.values import Value
from workflows import options
from workflows.lease_keeper import LeaseKeeper
from workflows.run_to_end import run_to_end

BANNED: dict[str, Callable[[], object]] = {
    "datetime.now": lambda: datetime.now(UTC),
    "time.time": lambda: time.time(),  # noqa: PLW0108 - looked up inside the sandbox
    "time.monotonic": lambda: time.monotonic(),  # noqa: PLW0108
    "time.sleep": lambda: time.sleep(0),
    "random.random": lambda: random.random(),  # noqa: PLW0108, S311
    "uuid.uuid4": lambda: uuid.uuid4(),  # noqa: PLW0108
    "os.environ": lambda: os.environ.get("HOME"),
    "open": lambda: open("/dev/null"),  # noqa: SIM115, PTH123
}


class ShownOptions(Value):
    """One set of activity options, as a test can compare it. Instants in seconds; None: no limit."""

    name: str
    queue: str
    start_to_close: timedelta
    schedule_to_close: timedelta | None
    heartbeat: timedelta | None
    maximum_attempts: int
    non_retryable: tuple[str, ...]
    maximum_interval: timedelta | None
    cancellation: str
    priority: int | None


class BadSignature(Value):
    key: PublicKey
    signature: Signature


@workflow.defn(name="OptionsProbe")
class OptionsProbe:
    @workflow.run
    async def run(self) -> list[ShownOptions]:
        budget = timedelta(seconds=10)
        return [
            shown("looking", options.looking("")),
            shown("granting", options.granting("")),
            shown("revoking", options.revoking("")),
            shown("telling", options.telling("")),
            shown("judging", options.judging("", budget)),
            shown("writing", options.writing("")),
            shown("following", options.following("")),
        ]


@workflow.defn(name="ClockProbe")
class ClockProbe:
    """Tries what workflow code must not use, and tells what came of it."""

    @workflow.run
    async def run(self) -> dict[str, str]:
        return {name: _error_of(forbidden) for name, forbidden in BANNED.items()}


LOADED = object()
"""What this module has once for each time that it is loaded."""


@workflow.defn(name="LoadProbe")
class LoadProbe:
    """Answers with the module it runs in, while it is still at hand."""

    @workflow.run
    async def run(self) -> None:
        await asyncio.Event().wait()

    @workflow.query
    def loaded(self) -> int:
        return id(LOADED)


@workflow.defn(name="SignatureProbe")
class SignatureProbe:
    @workflow.run
    async def run(self, bad: BadSignature) -> str:
        try:
            KeyRing(keys=(bad.key,)).verify(KeyRole.JUDGE, "probe", {"some": "words"}, bad.signature)
        except SignatureRefusedError as error:
            return str(error)
        return "accepted"


class Stray:
    """The story of another workflow, which was thrown away in the middle."""

    def __init__(self) -> None:
        self.began_its_work = False

    async def story(self) -> None:
        try:
            await asyncio.sleep(0)
        finally:
            await run_to_end(self._work(), of=self)

    async def _work(self) -> None:
        self.began_its_work = True


@workflow.defn(name="StrayProbe")
class StrayProbe:
    """Has another workflow's story end in the middle of its own task, as the garbage collector may."""

    @workflow.run
    async def run(self) -> str:
        stray = Stray()
        story = stray.story()
        story.send(None)
        try:
            story.close()
        except RuntimeError as error:
            return str(error)
        await asyncio.sleep(0)
        return "it began its work here" if stray.began_its_work else "it was left alone"


class KeeperOfALeaseThatEnds(LeaseKeeper):
    """Whose lease ends while it is being told to."""

    async def send(self, signal: str, message: ExtensionOffer | ExtensionCommit | Hint) -> bool:
        self.told = (signal, message)
        self._reachable = False
        return True


@workflow.defn(name="KeeperProbe")
class KeeperProbe:
    """Ends a lease that ends by itself meanwhile. Nothing may be cancelled then: its place is being taken."""

    @workflow.run
    async def run(self, order: LeaseOrder) -> None:
        keeper = KeeperOfALeaseThatEnds(order, "alice")
        keeper._reachable = True
        await keeper.end("by hand")


def shown(name: str, chosen: options.ActivityOptions) -> ShownOptions:
    retry = chosen["retry_policy"]
    priority = chosen.get("priority")
    return ShownOptions(
        name=name,
        queue=chosen["task_queue"],
        start_to_close=chosen["start_to_close_timeout"],
        schedule_to_close=chosen.get("schedule_to_close_timeout"),
        heartbeat=chosen.get("heartbeat_timeout"),
        maximum_attempts=retry.maximum_attempts,
        non_retryable=tuple(retry.non_retryable_error_types or ()),
        maximum_interval=retry.maximum_interval,
        cancellation=chosen["cancellation_type"].name if "cancellation_type" in chosen else "",
        priority=priority.priority_key if priority else None,
    )


def _error_of(forbidden: Callable[[], object]) -> str:
    try:
        forbidden()
    except Exception as error:  # noqa: BLE001 - the name of the error is the answer
        return type(error).__name__
    return "allowed"
