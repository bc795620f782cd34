"""A build to come whose messages have all grown: whatever it writes bears a field more, at every depth. Kept free of test code."""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import DataConverter
from temporalio.worker import Worker, WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from domain.queues import Queue, queue_name
from tests.house import House
from workflows.sandbox import ReadOnDemand, workflow_runner
from workflows.service import WORKFLOWS

FIELD = "newer_field"
FREE = {"facts", "listed", "known"}
"""Fields whose keys are not names of fields: they hold what is true, not what a message is made of."""


def grown(plain: Any) -> Any:
    """`plain` with a field more in every message in it."""
    if isinstance(plain, list):
        return [grown(part) for part in plain]
    if isinstance(plain, dict):
        parts = {name: part if name in FREE else grown(part) for name, part in plain.items()}
        return {**parts, FIELD: {"x": [1, None]}}
    return plain


def _grow(payloads: list[Payload]) -> list[Payload]:
    for payload in payloads:
        if payload.metadata.get("encoding") == b"json/plain":
            payload.data = json.dumps(grown(json.loads(payload.data))).encode()
    return payloads


class NewerConverter(PydanticPayloadConverter):
    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        return _grow(super().to_payloads(values))


class NewerOnDemand(ReadOnDemand):
    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        return _grow(super().to_payloads(values))


class NewerRunner(SandboxedWorkflowRunner):
    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return super().create_instance(replace(det, payload_converter_factory=NewerOnDemand))


@asynccontextmanager
async def newer_build(house: House, queues: Iterable[Queue]) -> AsyncIterator[None]:
    """Workers of that build on these queues."""
    chosen = house.client.config()
    chosen["data_converter"] = replace(DataConverter.default, payload_converter_class=NewerConverter)
    client = Client(**chosen)
    async with AsyncExitStack() as stack:
        for queue in queues:
            worker = Worker(
                client,
                task_queue=queue_name(house.prefix, queue),
                workflows=WORKFLOWS[queue],
                activities=house.activities().by_queue[queue],
                workflow_runner=NewerRunner(restrictions=workflow_runner().restrictions),
            )
            await stack.enter_async_context(worker)
        yield
