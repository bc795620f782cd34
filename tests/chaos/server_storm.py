"""The Temporal server killed again and again, at instants that a seed chooses, while leases begin and end.

What the oracle of a request cannot see, a tally does: whether the server has forgotten something that it acknowledged.
"""

import asyncio
import traceback
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from domain.ids import TicketRef
from tests.chaos.field import Field, Seat
from tests.chaos.oracle import judge
from tests.chaos.request_case import PATIENCE_SECONDS, Played, ask, people
from tests.chaos.server_round import RESTART_BOUND, Outage, kill_and_start, restart_before_removal
from tests.engine import FileServer

WRITERS = 4
PAUSE_SECONDS = 0.02
SHORTEST, LONGEST = 4, 8
"""Seconds of a lease: some end in the storm, some after it."""


@dataclass
class Tally:
    """Numbers sent to a workflow that nobody serves. `acknowledged`: those of which the server said that it has them."""

    acknowledged: list[int] = field(default_factory=list)
    kept: Counter[int] = field(default_factory=Counter)

    async def write(self, handle: WorkflowHandle[object, object], writer: int) -> None:
        """Send until cancelled, each number once; what is not acknowledged may or may not have arrived."""
        number = writer
        while True:
            try:
                await handle.signal("note", number)
            except RPCError:
                pass
            else:
                self.acknowledged.append(number)
            number += WRITERS
            await asyncio.sleep(PAUSE_SECONDS)

    async def read(self, client: Client, handle: WorkflowHandle[object, object]) -> None:
        for event in (await handle.fetch_history()).events:
            if event.HasField("workflow_execution_signaled_event_attributes"):
                payloads = event.workflow_execution_signaled_event_attributes.input.payloads
                [number] = await client.data_converter.decode(payloads, [int])
                self.kept[number] += 1


@dataclass
class Storm:
    """One storm, and what came of it. `lags`: of the removals, behind the end or the restart, whichever was later."""

    ground: Field
    server: FileServer
    seed: int
    outages: list[Outage] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    lags: list[timedelta] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    async def rage(self, leases: int, kills: int, seconds: float) -> None:
        """Return when every lease is over that began in these seconds, as many as told, among as many kills."""
        dice = Random(self.seed)  # noqa: S311 - a storm that can be played again
        seats = [await self.ground.seat() for _ in range(leases)]
        begins = [dice.uniform(0, seconds) for _ in seats]
        durations = [f"{dice.randint(SHORTEST, LONGEST)}s" for _ in seats]
        instants = sorted(dice.uniform(0, seconds) for _ in range(kills))
        tickets = [await ask(seat, duration) for seat, duration in zip(seats, durations, strict=True)]
        async with asyncio.timeout(PATIENCE_SECONDS):
            for seat in seats:
                await seat.start_worker()
            for seat in seats:
                await seat.until_polling()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._kill(instants))
            for seat, ticket, begin in zip(seats, tickets, begins, strict=True):
                group.create_task(self._live(seat, ticket, begin))

    async def _kill(self, instants: list[float]) -> None:
        loop, client = asyncio.get_running_loop(), self.ground.client
        began = loop.time()
        handle = await client.start_workflow("Tally", id=f"tally-{self.seed}", task_queue="nobody")
        writers = [asyncio.create_task(self.tally.write(handle, writer)) for writer in range(WRITERS)]
        for instant in instants:
            await asyncio.sleep(began + instant - loop.time())
            self.outages.append(await kill_and_start(self.server))
        for writer in writers:
            writer.cancel()
        await asyncio.wait(writers)
        await self.tally.read(client, handle)

    async def _live(self, seat: Seat, ticket: TicketRef, begin: float) -> None:
        try:
            await asyncio.sleep(begin)
            async with asyncio.timeout(PATIENCE_SECONDS):
                result = await people(seat, ticket)
            lag = await judge(Played(seat, ticket, restart_before_removal(seat, self.outages), result), RESTART_BOUND)
            self.lags += [] if lag is None else [lag]
        except Exception:  # noqa: BLE001 - the others go on, and all are told
            self.failed.append(f"{seat.name} in {self.ground.logs}: {traceback.format_exc()}")
        finally:
            await seat.leave()
