"""Workers in trouble beside the stack: each crew has a queue prefix, a group and an entitlement of its own, so that none
disturbs another. The test stands in for the bridge, which serves one prefix only: it starts requests and passes on hints.
"""

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import update_wrapper
from pathlib import Path
from types import ModuleType
from typing import Any

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from activities.registry import load_keys
from activities.settings import Settings, load_settings
from domain.ids import LeaseId, SubjectRef, TargetRef, TicketRef
from domain.lease import LeaseState
from domain.messages import LeaseLine
from domain.queues import Queue, queue_name
from starter.connection import connect
from starter.dev_config import OKTA_INSTANCE
from starter.dev_home import Part
from starter.dev_process import is_alive, start, stop
from starter.dev_stack import QUEUE_PREFIX
from starter.requests import hint, start_or_hint
from starter.schedules import reconcile_schedule_id
from starter.ticket_evidence import Line, read_lines, read_ticket
from tests.figures import Measured
from tests.real_stack import RealStack, pair

Lags = dict[str, timedelta]
"""What a story has measured: what happened, and how long after it the access was gone."""

PATIENCE_SECONDS = 200.0
"""A story may hold two fences of 20 s, and a minute of polls that nobody answers: twice that, for a machine that others use."""

LOOK_SECONDS = 0.2
"""Many stories look at once: oftener, and their looking would be most of the load."""

TOO_LATE = ("Completing activity as failed", "Activity not found on completion")

ENTITLEMENT = """
targets:
  {name}: {{kind: okta-group, instance: okta/prod, container_id: {group}, name: {name}}}
entitlements:
  {name}:
    title: In trouble
    application: chaos
    targets: [{name}]
    requesters: [alice, bob, dave, erin]
    approval: {{approvers: [bob, carol]}}
    max_duration: 4h
    extension: {{each: 1h, total: 2h, count: 2}}
"""


@dataclass
class Crew:
    """The workers of one prefix, and people who ask for its entitlement. What came of it stands in the vendors' own log."""

    stack: RealStack
    client: Client
    settings: Settings
    name: str
    group: str
    starting: asyncio.Semaphore
    parts: list[Part] = field(default_factory=list)

    async def worker(
        self,
        name: str,
        *command: str,
        queues: Sequence[Queue] = tuple(Queue),
        log: Path | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Part:
        """A worker that polls each of its queues; `more` goes into its environment."""
        words = [sys.executable, *(command or ("worker.py",)), "--queues", ",".join(queues)]
        ours = {
            "NIGHTLATCH_QUEUE_PREFIX": self.settings.queue_prefix,
            "NIGHTLATCH_CATALOGUE": str(self.settings.catalogue),
        }
        async with self.starting:
            part = start(
                f"{self.name}-{name}",
                words,
                self.stack.home.environment() | ours | dict(more or {}),
                log or self.log(name),
            )
            self.parts.append(part)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not all([await self._is_polled(part, queue) for queue in queues]):
                    assert is_alive(part), self.log(name).read_text()
                    await asyncio.sleep(LOOK_SECONDS)
        return part

    def log(self, name: str) -> Path:
        return self.stack.home.log(f"{self.name}-{name}")

    async def said(self, name: str, *words: str) -> None:
        """Return when a line of that worker's log holds all the words."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any(all(word in line for word in words) for line in self.log(name).read_text().splitlines()):
                await asyncio.sleep(LOOK_SECONDS)

    async def went_on(self, name: str, caller: str, calls: int) -> None:
        """Return when a thawed worker has made more than so many calls, or told that the attempt it was at came too late."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(await self.stack.sandbox.requests(caller)) == calls:
                if any(words in self.log(name).read_text() for words in TOO_LATE):
                    return
                await asyncio.sleep(LOOK_SECONDS)

    async def ended(self, part: Part) -> None:
        """Return when the process is gone."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while is_alive(part):
                await asyncio.sleep(LOOK_SECONDS)

    def pair(self, person: str) -> dict[str, Any]:
        """How the vendors' log names that person's membership."""
        return {"group_id": self.group, "user_id": pair(person)["user_id"]}

    def lease_id(self, person: str) -> str:
        target = TargetRef(instance=OKTA_INSTANCE, scope="group", container_id=self.group)
        return str(LeaseId(target=target, subject=SubjectRef(instance=OKTA_INSTANCE, user_id=pair(person)["user_id"])))

    async def ask(self, duration: str, by: str) -> TicketRef:
        """A request that carol approves when the question is posted."""
        person, carol = self.stack.person(by), self.stack.person("carol")
        asked = await asyncio.to_thread(
            person.create_request, entitlement=self.name, duration=duration, reason="trouble"
        )
        ticket = TicketRef(site=self.settings.site, issue_id=asked.issue_id, key=asked.key)
        await start_or_hint(self.client, self.settings, ticket, None)
        await self.until("comment.added", issue_key=ticket.key)
        await asyncio.to_thread(carol.transition_to, asked, "Approved")
        await hint(self.client, ticket, "approve")
        return ticket

    async def end(self, ticket: TicketRef) -> None:
        await hint(self.client, ticket, "revoke")

    async def hold(
        self, name: str, vendor: str, method: str, path: str, when: str, *, caller: str | None = None
    ) -> None:
        """Hold the next such call at the vendor, before or after it takes effect; of anybody's, unless `caller` is named."""
        fault = {"kind": "hold", "name": name, "when": when}
        await self.stack.sandbox.arm(vendor, fault, method=method, path=path, caller=caller, times=1)

    async def hold_write(self, name: str, method: str, person: str, when: str) -> None:
        """Hold the next change of a person's membership."""
        path = "/groups/{group_id}/users/{user_id}$".format(**self.pair(person))
        await self.hold(name, "okta", method, path, when)

    async def until_held(self, name: str) -> None:
        await self.stack.sandbox.wait_until_held(name, seconds=PATIENCE_SECONDS)

    async def until(self, event: str, after: int = 0, **facts: Any) -> dict[str, Any]:
        """The first such line of the vendors' log, when it is there."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := await self.stack.audit(event, after, **facts)):
                await asyncio.sleep(LOOK_SECONDS)
        return found[0]

    async def added(self, person: str, after: int = 0) -> dict[str, Any]:
        return await self.until("membership.added", after, **self.pair(person), changed=True)

    async def removed(self, person: str, after: int = 0) -> dict[str, Any]:
        return await self.until("membership.removed", after, **self.pair(person), changed=True)

    async def until_recording(self, person: str) -> None:
        """Return when the removal is proved, and nothing is left for the lease but its paper."""
        lease = self.client.get_workflow_handle(self.lease_id(person))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await lease.query("status", result_type=LeaseLine)).state is not LeaseState.RECORDING:
                await asyncio.sleep(LOOK_SECONDS)

    async def gone(self, person: str, ticket: TicketRef) -> list[dict[str, Any]]:
        """Every change of the pair, once the ticket is closed: the last one took it away, and nothing came after the closing."""
        closed = await self.until("issue.transitioned", issue_key=ticket.key, to="Closed")
        changes = [
            line
            for line in await self.stack.sandbox.audit(0)
            if {**self.pair(person), "changed": True}.items() <= line.items()
        ]
        assert [line["event"] for line in changes[-1:]] in ([], ["membership.removed"])
        assert all(line["seq"] < closed["seq"] for line in changes)
        return changes

    async def told(self, ticket: TicketRef) -> list[Line]:
        """Every record on the ticket: each verifies, and none is told twice."""
        view, properties = await read_ticket(self.settings.jira, ticket.key)
        lines = read_lines(properties, view.ref, load_keys(self.settings.keys).trusted)
        assert lines
        assert [line for line in lines if not line.verified] == []
        assert len({(line.writer, line.record_id) for line in lines}) == len(lines)
        return lines

    async def _is_polled(self, part: Part, queue: Queue) -> bool:
        kinds = TaskQueueType
        question = DescribeTaskQueueRequest(
            namespace=self.client.namespace,
            task_queue=TaskQueue(name=queue_name(self.settings.queue_prefix, queue)),
            task_queue_type=kinds.TASK_QUEUE_TYPE_WORKFLOW
            if queue is Queue.REQUESTS
            else kinds.TASK_QUEUE_TYPE_ACTIVITY,
        )
        answer = await self.client.workflow_service.describe_task_queue(question, timeout=timedelta(seconds=5))
        return any(poller.identity == f"{part.pid}@{socket.gethostname()}" for poller in answer.pollers)


@dataclass
class Yard:
    """Where crews work on one stack, and the stories that are played side by side."""

    stack: RealStack
    client: Client
    stories: dict[str, asyncio.Task[Lags | None]] = field(default_factory=dict)
    starting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))

    @asynccontextmanager
    async def crew(self, name: str) -> AsyncIterator[Crew]:
        """Workers that end with the block, in whatever trouble they are then."""
        settings = load_settings()
        group = await self.stack.sandbox.make_okta_group(name)
        catalogue = self.stack.home.folder / f"catalogue-{name}"
        shutil.copytree(settings.catalogue, catalogue)
        (catalogue / "trouble.yaml").write_text(ENTITLEMENT.format(name=name, group=group))
        settings = settings.model_copy(update={"queue_prefix": f"{name}-", "catalogue": catalogue})
        crew = Crew(self.stack, self.client, settings, name, group, self.starting)
        try:
            yield crew
        finally:
            for part in crew.parts:
                if is_alive(part):
                    os.kill(part.pid, signal.SIGCONT)
            await asyncio.to_thread(stop, crew.parts, 2.0)


Story = Callable[[Yard], Coroutine[Any, Any, Lags | None]]


def side_by_side(story: Story) -> Callable[[Yard, Measured], Coroutine[Any, Any, None]]:
    """A test that plays while the others of its module do: `open_yard` begins them all, and each waits for its own."""

    async def test(yard: Yard, measured: Measured) -> None:
        for event, lag in (await yard.stories[story.__name__] or {}).items():
            measured(event, lag)

    update_wrapper(test, story)
    del test.__wrapped__  # type: ignore[attr-defined]  # pytest would read its parameters
    test.story = story  # type: ignore[attr-defined]
    return test


@asynccontextmanager
async def open_yard(stack: RealStack, chosen: list[Any], module: ModuleType) -> AsyncIterator[Yard]:
    """A yard in which those of the chosen tests have begun that `module` plays side by side.

    The bridge and the reconciler are away meanwhile: theirs is another installation, which would take the crews' leases for
    strangers'.
    """
    stack.kill("bridge")
    client = await connect()
    reconciling = client.get_schedule_handle(reconcile_schedule_id(QUEUE_PREFIX, OKTA_INSTANCE))
    await reconciling.pause()
    yard = Yard(stack, client)
    for test in [item.function for item in chosen if item.module is module]:
        if (story := getattr(test, "story", None)) is not None:
            yard.stories[test.__name__] = asyncio.create_task(story(yard), name=test.__name__)
    try:
        yield yard
    finally:
        for task in yard.stories.values():
            task.cancel()
        if yard.stories:
            await asyncio.wait(yard.stories.values())
        await reconciling.unpause()
        stack.start("bridge")
