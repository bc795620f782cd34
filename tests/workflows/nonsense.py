"""What a stranger may put into a message: payloads of every kind, drawn by hypothesis or picked by name. It invents no authority."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Literal, NamedTuple

import pydantic_core
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from temporalio.api.common.v1 import Header, Payload, Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle, WorkflowQueryFailedError, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.service import RPCError

TWO_MEGABYTES = 2_096_900
"""Nearly the engine's limit for one payload (2 MiB): what is built around such a part is beyond it."""


def plain(data: bytes) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=data)


def json_of(value: Any) -> Payload:
    return plain(pydantic_core.to_json(value))


UNREADABLE = {
    "no encoding": Payload(data=b"x"),
    "odd encoding": Payload(metadata={"encoding": b"\xff\xfe"}, data=b"x"),
    "encrypted": Payload(metadata={"encoding": b"binary/encrypted"}, data=bytes(range(256))),
    "unknown protobuf": Payload(metadata={"encoding": b"json/protobuf", "messageType": b"no.such.Message"}, data=b"{}"),
    "no json": plain(b"{"),
    "lone surrogate": plain(b'{"note":"\\ud800"}'),
    "deep nesting": plain(b"[" * 100_000),
    "two megabytes": plain(b'{"note":"' + b"x" * TWO_MEGABYTES + b'"}'),
}

FIELDS = [
    "by",
    "note",
    "wish_id",
    "new_end",
    "commit",
    "lease_id",
    "run_id",
    "state",
    "at",
    "expires_at",
    "receipt",
    "x",
]
NAMES = ["approve", "extend", "lease_news", "offer_extension", "commit_extension"]
STRANGE_NAMES = ["nobody_hears_this", "__temporal_signal", "__stack_trace", "", " ", "x" * 900]

_instants = st.sampled_from(["2099-01-01T00:00:00", "2099-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "never"])
_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40)
    | st.sampled_from(["", "x" * 3_000, "\x00\u202e\r\n", "active", "1e999"])
    | _instants
)
_values = st.recursive(_scalars, lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(max_size=8), part))
_objects = st.dictionaries(st.sampled_from(FIELDS), _values, max_size=8)
_payloads = (
    (_objects | _values).map(json_of)
    | st.binary(max_size=64).map(plain)
    | st.sampled_from([part for name, part in UNREADABLE.items() if name != "two megabytes"])
    | st.builds(
        lambda encoding, data: Payload(metadata={"encoding": encoding}, data=data),
        st.sampled_from([b"binary/null", b"binary/plain", b"binary/protobuf", b"json/protobuf"]),
        st.binary(max_size=64),
    )
)


class Nonsense(NamedTuple):
    """One message: what kind it is, its name, and what is in it."""

    kind: Literal["signal", "update", "query"]
    name: str
    parts: list[Payload]
    headers: dict[str, Payload]


_messages = st.builds(
    Nonsense,
    st.sampled_from(["signal", "signal", "signal", "update", "query"]),
    st.sampled_from(NAMES + STRANGE_NAMES + ["request_extension", "status", "__temporal_workflow_metadata"]),
    st.lists(_payloads, max_size=3),
    st.dictionaries(st.text(max_size=8), _payloads, max_size=2),
)


@cache
def drawn(count: int = 80) -> list[Nonsense]:
    """So many messages, the same ones in every run: a server for each example would be dear."""
    found: list[Nonsense] = []

    @settings(max_examples=count, derandomize=True, database=None, phases=[Phase.generate], deadline=None)
    @given(message=_messages)
    def collect(message: Nonsense) -> None:
        found.append(message)

    collect()
    return found


def plausible_lies(lease_id: str) -> list[Nonsense]:
    """Well-formed messages that are not true, each as often as an inbox is long."""
    soon = datetime.now(UTC) + timedelta(minutes=30)
    offer = json_of({"wish_id": "77", "new_end": soon})
    news = {"lease_id": lease_id, "run_id": "r", "state": "active", "at": soon, "expires_at": soon, "wish_id": "77"}
    return [
        Nonsense("signal", "offer_extension", [offer], {}),
        Nonsense("signal", "commit_extension", [json_of({"wish_id": "77", "commit": True})], {}),
        Nonsense("signal", "lease_news", [json_of(news | {"prolonged": True})], {}),
        Nonsense("update", "request_extension", [json_of({"wish_id": "77"})], {}),
    ]


async def say(client: Client, handle: WorkflowHandle[Any, Any], message: Nonsense) -> None:
    """Send it. Whatever the answer is, and be it a refusal or, to a question among many, none: here it is of no interest."""
    parts = [RawValue(part) for part in message.parts]
    with suppress(RPCError, WorkflowUpdateFailedError, WorkflowQueryFailedError, TimeoutError):
        async with asyncio.timeout(5):
            if message.kind == "signal":
                await signal_raw(client, handle, message.name, message.parts, message.headers)
            elif message.kind == "update":
                await handle.execute_update(message.name, args=parts, result_type=RawValue)
            else:
                await handle.query(message.name, args=parts, result_type=RawValue)


async def signal_raw(
    client: Client,
    handle: WorkflowHandle[Any, Any],
    name: str,
    parts: Iterable[Payload] = (),
    headers: dict[str, Payload] | None = None,
) -> None:
    """A signal as it goes over the wire: any number of payloads, any header."""
    request = SignalWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id),
        signal_name=name,
        input=Payloads(payloads=parts),
        header=Header(fields=headers or {}),
    )
    await client.workflow_service.signal_workflow_execution(request)
