"""One life from asking to its end, as a request of Nightlatch or as a bare workflow that does as much and means nothing."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any
from uuid import uuid4

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError

from bench.desk import Desk
from bench.floor import FloorWorkflow, Shape
from bench.yard import person, user_id
from domain.ids import TicketRef
from tests.house import APPROVED


class Life(ABC):
    """`key` is how the journal names who holds the access."""

    def __init__(self, desk: Desk, key: str) -> None:
        self.key = key
        self._desk = desk
        self._handle: WorkflowHandle[Any, Any] | None = None

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        if self._handle is None:
            raise RuntimeError(f"{self.key} was not begun; await ask() first")
        return self._handle

    @abstractmethod
    async def ask(self) -> None:
        """Start it, and return when the question has been posted."""

    @abstractmethod
    async def approve(self) -> None: ...

    async def granted(self) -> None:
        """Return when the access is granted, or when it is over without."""
        waiting = {asyncio.create_task(self._desk.until("granted", self.key)), asyncio.create_task(self.closed())}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def closed(self) -> None:
        """Return when it is over."""
        await self.handle.result()

    async def abandon(self) -> None:
        """End it before its time, if it was begun, and return when it is over."""
        if self._handle is None:
            return
        try:
            await self._end()
        except RPCError:
            return  # it is over already
        with suppress(WorkflowFailureError):
            await self.closed()

    @abstractmethod
    async def _end(self) -> None: ...


class Request(Life):
    """A request of the person of that number for the entitlement `admin`, approved by bob."""

    def __init__(self, desk: Desk, number: int, hold_seconds: int) -> None:
        super().__init__(desk, user_id(number))
        self._person = person(number)
        self._hold = hold_seconds
        self._ticket: TicketRef

    async def ask(self) -> None:
        house = self._desk.house
        self._ticket = house.ask(f"{self._hold}s", creator=self._person)
        self._handle = await house.start(self._ticket)
        await self._desk.until("asked", self._ticket.issue_id)

    async def approve(self) -> None:
        await self._desk.house.approve(self._ticket, self.handle)

    def answer(self) -> None:
        """Approve it on its ticket, and tell nobody."""
        self._desk.house.tickets.transition_as(self._ticket, APPROVED, "bob")

    async def _end(self) -> None:
        await self.handle.signal("revoke", {})


class FloorLife(Life):
    def __init__(self, desk: Desk, client: Client, queue: str, shape: Shape) -> None:
        super().__init__(desk, shape.key)
        self._client = client
        self._queue = queue
        self._shape = shape

    async def ask(self) -> None:
        name = f"{self.key}-{uuid4().hex[:8]}"
        start = self._client.start_workflow
        self._handle = await start(FloorWorkflow.run, self._shape, id=name, task_queue=self._queue)
        await self._desk.until("asked", self.key)

    async def approve(self) -> None:
        for _ in range(self._shape.signals):
            await self.handle.signal(FloorWorkflow.approve)

    async def _end(self) -> None:
        await self.handle.terminate()
