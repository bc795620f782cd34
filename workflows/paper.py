"""Everything a workflow writes on its ticket, in order, beside its work: no removal ever waits for paper."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.evidence import EvidenceActivities
from domain.canonical import KeyRing, KeyRole
from domain.errors import SignatureRefusedError
from domain.evidence import RecordKind
from domain.ids import TicketRef
from domain.paper import WRITTEN, EvidenceInput, EvidenceResult, Fact, TicketFields, what_is_written
from domain.signed import Signed
from workflows import options
from workflows.asking import ask
from workflows.failures import cause_of
from workflows.run_to_end import finish
from workflows.words import spelt

Result = TypeVar("Result")
NO_KEYS = KeyRing()

MAX_FACTS = 200
"""More than any real lease or request writes; beyond it only what ends access is still recorded."""

PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=1)
"""Before writing again what somebody failed from outside, or what nobody has signed for: doubled each time. At this pace it takes
days until the history is as long as the engine bears; builds that do not sign yet are gone by then."""

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
    """One writer's facts. `note` never waits; a task of its own writes them down and survives every cancel.

    While it is held, facts wait for each other, and go to the ticket in one write: when it is released, or at the end.
    """

    def __init__(self, ticket: TicketRef, writer: str, keys: KeyRing = NO_KEYS) -> None:
        """`keys`: whose word is taken for it that something was written. A request that knows none takes anybody's."""
        self.keys = keys
        self._ticket = ticket
        self._writer = writer
        self._all: list[Fact] = []
        self._pending: deque[Fact | Callable[[], Awaitable[None]]] = deque()
        self._fields = TicketFields()
        self._held = False
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
        """Have `work` done in its turn between the facts. It is never held, nor is what was noted before it."""
        self._pending.append(work)

    def hold(self) -> None:
        """From now on what is noted may wait: the ticket knows as much as its readers need without it."""
        self._held = True

    def release(self) -> None:
        """Write what waits, and let nothing wait any more."""
        self._held = False

    def show(self, fields: TicketFields) -> None:
        """Make the ticket's own fields say so, together with the next facts. What is empty stays as it was shown last."""
        said = {name: value for name, value in fields if value}
        self._fields = self._fields.model_copy(update=said)

    async def finish(self, last: Fact | None = None, judged: tuple[str, ...] | None = None) -> bool:
        """Return when the ticket holds everything, each fact once and in order, looked over as a whole by the last write.

        `last` is told after everything else. False, with nothing written, when the ticket bears wishes that are not in
        `judged`: they are to be answered first.
        """
        self._closing = True
        await finish(self._task)
        facts = (*self._all, last) if last is not None else tuple(self._all)
        told = await self._record(facts, "write on the ticket: the whole, looked over", final=True, judged=judged)
        return judged is None or told.unanswered == 0

    async def _write_on(self) -> None:
        """Write what is due; what is left when the paper closes goes with the last write."""
        while True:
            await workflow.wait_condition(lambda: self._closing or self._is_due)
            if self._closing and not self._has_work:
                return
            await self._write_next()

    @property
    def _is_due(self) -> bool:
        return self._has_work or (bool(self._pending) and not self._held)

    @property
    def _has_work(self) -> bool:
        return any(not isinstance(each, Fact) for each in self._pending)

    async def _write_next(self) -> None:
        first = self._pending.popleft()
        if not isinstance(first, Fact):
            await _until_done(first)
            return
        facts = [first]
        while self._pending and isinstance(self._pending[0], Fact):
            facts.append(self._pending.popleft())  # type: ignore[arg-type]
        await self._record(tuple(facts), f"write on the ticket: {', '.join(spelt(fact.kind) for fact in facts)}")

    async def _record(
        self, facts: tuple[Fact, ...], summary: str, *, final: bool = False, judged: tuple[str, ...] | None = None
    ) -> EvidenceResult:
        request = EvidenceInput(
            ticket=self._ticket,
            writer=self._writer,
            facts=facts,
            fields=self._fields,
            final=final,
            judged_wishes=judged,
        )

        async def write() -> EvidenceResult:
            told = await ask(EvidenceActivities.record_evidence, request, **options.writing(summary))
            asks_back = judged is not None and told.unanswered > 0
            if self.keys.keys and not asks_back:
                _believe(told, request, self.keys)
            return told

        return await _until_done(write)


def _believe(told: EvidenceResult, request: EvidenceInput, keys: KeyRing) -> None:
    """Return when the scribe says that it is written: somebody may complete the activity from outside.

    Raises:
        SignatureRefusedError: it does not.
    """
    if told.written is None:
        raise SignatureRefusedError("the scribe does not say that it was written")
    keys.verify(KeyRole.SCRIBE, WRITTEN, what_is_written(request), told.written)


async def _until_done(work: Callable[[], Awaitable[Result]]) -> Result:
    """Do `work` again for as long as somebody fails or cancels its activity from outside."""
    pause = PAUSE
    while True:
        try:
            return await work()
        except (ActivityError, SignatureRefusedError) as error:
            workflow.logger.warning(
                "what belongs on the ticket was not written and is tried again: %s", cause_of(error)
            )
            await workflow.sleep(pause, summary="write on the ticket again")
            pause = min(pause * 2, LONGEST_PAUSE)
