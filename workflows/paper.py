"""Everything a workflow writes on its ticket, in order, beside its work: no removal ever waits for paper."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.evidence import EvidenceActivities
from domain.errors import SignatureRefusedError
from domain.evidence import RecordKind
from domain.ids import TicketRef
from domain.paper import EvidenceInput, Fact, TicketFields
from domain.signed import Signed
from workflows import options
from workflows.asking import ask
from workflows.failures import cause_of
from workflows.run_to_end import finish
from workflows.words import spelt

MAX_FACTS = 200
"""More than any real lease or request writes; beyond it only what ends access is still recorded."""

PAUSE = timedelta(seconds=5)

_ALWAYS = frozenset(
    {
        RecordKind.ENDING,
        RecordKind.REMOVED,
        RecordKind.PROVED,
        RecordKind.SESSIONS_ENDED,
        RecordKind.TARGET_GONE,
        RecordKind.CLOSED,
    }
)


class Paper:
    """One writer's facts. `note` never waits; a task of its own writes them down and survives every cancel."""

    def __init__(self, ticket: TicketRef, writer: str) -> None:
        self._ticket = ticket
        self._writer = writer
        self._all: list[Fact] = []
        self._pending: deque[Fact | Callable[[], Awaitable[None]]] = deque()
        self._fields = TicketFields()
        self._closing = False
        self._task: asyncio.Task[None]

    def begin(self) -> None:
        """Start the writing task. Called once, in `run`."""
        self._task = asyncio.create_task(self._write_on())

    def note(
        self,
        fact_id: str,
        kind: RecordKind,
        *,
        facts: dict[str, object] | None = None,
        witness: tuple[Signed, ...] = (),
        comment: str = "",
    ) -> None:
        """Record that this became true now. A fact id that was noted before changes nothing."""
        if any(fact.fact_id == fact_id for fact in self._all):
            return
        if len(self._all) >= MAX_FACTS and kind not in _ALWAYS:
            return
        fact = Fact(fact_id=fact_id, kind=kind, at=workflow.now(), facts=facts or {}, witness=witness, comment=comment)
        self._all.append(fact)
        self._pending.append(fact)

    def do(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have `work` done in its turn between the facts."""
        self._pending.append(work)

    def show(self, fields: TicketFields) -> None:
        """Make the ticket's own fields say so, together with the next facts. What is empty stays as it was shown last."""
        said = {name: value for name, value in fields if value}
        self._fields = self._fields.model_copy(update=said)

    async def finish(self) -> None:
        """Return when the ticket holds everything, each fact once and in order, looked over once more as a whole."""
        self._closing = True
        await finish(self._task)

    async def _write_on(self) -> None:
        while not (self._closing and not self._pending):
            await workflow.wait_condition(lambda: self._closing or bool(self._pending))
            while self._pending:
                await self._write_next()
        await self._record(tuple(self._all), "write on the ticket: the whole, looked over once more", final=True)

    async def _write_next(self) -> None:
        first = self._pending.popleft()
        if not isinstance(first, Fact):
            await _until_done(first)
            return
        facts = [first]
        while self._pending and isinstance(self._pending[0], Fact):
            facts.append(self._pending.popleft())  # type: ignore[arg-type]
        await self._record(tuple(facts), f"write on the ticket: {', '.join(spelt(fact.kind) for fact in facts)}")

    async def _record(self, facts: tuple[Fact, ...], summary: str, *, final: bool = False) -> None:
        request = EvidenceInput(ticket=self._ticket, writer=self._writer, facts=facts, fields=self._fields, final=final)

        async def write() -> None:
            await ask(EvidenceActivities.record_evidence, request, **options.writing(summary))

        await _until_done(write)


async def _until_done(work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` again for as long as somebody fails or cancels its activity from outside."""
    while True:
        try:
            await work()
        except (ActivityError, SignatureRefusedError) as error:
            workflow.logger.warning(
                "what belongs on the ticket was not written and is tried again: %s", cause_of(error)
            )
            await workflow.sleep(PAUSE, summary="write on the ticket again")
        else:
            return
