"""Small workflows that tell how the kernel's own parts look from inside the real workflow sandbox. Kept free of test code."""

import os
import random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from temporalio import workflow

from domain.canonical import KeyRing, KeyRole, PublicKey, Signature
from domain.errors import SignatureRefusedError
from domain.values import Value
from workflows import options

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


@workflow.defn(name="SignatureProbe")
class SignatureProbe:
    @workflow.run
    async def run(self, bad: BadSignature) -> str:
        try:
            KeyRing(keys=(bad.key,)).verify(KeyRole.JUDGE, "probe", {"some": "words"}, bad.signature)
        except SignatureRefusedError as error:
            return str(error)
        return "accepted"


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
