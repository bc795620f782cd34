"""The worker process of a floor: `python -m bench.floor_worker SOCKET ADDRESS QUEUE default|tuned`."""

import asyncio
import os
import signal
import sys

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from bench.floor import STEP, FloorWorkflow, Step
from bench.line import Line


class Steps:
    def __init__(self, line: Line) -> None:
        self._line = line

    @activity.defn(name=STEP)
    async def step(self, step: Step) -> None:
        if step.tells:
            await self._line.ask("desk", step.tells, step.key, step.ends_at)
        if step.seconds:
            await asyncio.sleep(step.seconds)


async def main(socket: str, address: str, queue: str, knobs: str) -> None:
    line = await Line.open(socket)
    steps = Steps(line)
    make = _tuned if knobs == "tuned" else _default
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with await make(address, queue, steps):
        await line.ask("desk", "polling", os.getpid())
        await stop.wait()
    line.close()


async def _default(address: str, queue: str, steps: Steps) -> Worker:
    """As the SDK comes."""
    client = await Client.connect(address)
    return Worker(client, task_queue=queue, workflows=[FloorWorkflow], activities=[steps.step])


async def _tuned(address: str, queue: str, steps: Steps) -> Worker:
    """With Nightlatch's own converter, sandbox, garbage collection and worker options (workflows/service.py)."""
    # ruff: noqa: PLC0415 - the default floor must not pay for these imports
    from activities.data_converter import data_converter
    from domain.queues import Queue
    from starter.garbage import collect_seldom
    from workflows import service
    from workflows.sandbox import workflow_runner

    client = await Client.connect(address, data_converter=data_converter())
    collect_seldom()
    return Worker(
        client,
        task_queue=queue,
        workflows=[FloorWorkflow],
        activities=[steps.step],
        workflow_runner=workflow_runner(),
        max_cached_workflows=service.CACHED[Queue.LEASES],
        max_concurrent_workflow_task_polls=service.POLLS,
        max_concurrent_activity_task_polls=service.POLLS,
        sticky_queue_schedule_to_start_timeout=service.STICKY_TIMEOUT_OF_LEASES,
        max_heartbeat_throttle_interval=service.HEARTBEAT_EVERY,
        default_heartbeat_throttle_interval=service.HEARTBEAT_EVERY,
    )


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
