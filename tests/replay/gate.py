"""The replay of recorded histories, as a worker of some build would do it."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from activities.data_converter import data_converter
from domain.queues import Queue
from workflows.lease import LeaseWorkflow
from workflows.sandbox import workflow_runner
from workflows.service import WORKFLOWS


async def replay(history: WorkflowHistory, lease: type[Any] = LeaseWorkflow) -> Exception | None:
    """Why the build with that lease cannot go on from this history; None when it can."""
    return (await replay_all({"": history}, lease))[""]


async def replay_all(
    histories: Mapping[str, WorkflowHistory], lease: type[Any] = LeaseWorkflow
) -> dict[str, Exception | None]:
    """As `replay`, for each of them by its name; one worker serves them all."""

    async def in_turn() -> AsyncIterator[WorkflowHistory]:
        for history in histories.values():
            yield history

    async with _replayer(lease).workflow_replay_iterator(in_turn()) as results:
        failures = [result.replay_failure async for result in results]
    return dict(zip(histories, failures, strict=True))


def type_of(history: WorkflowHistory) -> str:
    return history.events[0].workflow_execution_started_event_attributes.workflow_type.name


def _replayer(lease: type[Any]) -> Replayer:
    """As a worker is built. A replayer's queue is called `replay-<build id>`, and ours are known by how they end."""
    present = [workflow for served in WORKFLOWS.values() for workflow in served if workflow is not LeaseWorkflow]
    return Replayer(
        workflows=[*present, lease],
        data_converter=data_converter(),
        workflow_runner=workflow_runner(),
        build_id=Queue.LEASES,
    )
