"""The first half of a request: ask on the ticket, and wait for an approval that counts. Nothing is added here."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.judge import JudgeActivities
from domain.approval import ApprovalOutcome, AskedRound
from domain.durations import remaining, render_duration
from domain.errors import SignatureRefusedError
from domain.ids import TicketRef
from domain.messages import JudgeInput, JudgeResult, OpenInput, OpenResult
from domain.request import RequestEvent, RequestOutcome, RequestState
from domain.search import STATE, SUBJECT, TARGET
from domain.terms import RequestTerms
from domain.values import Instant
from workflows import options
from workflows.asking import ask
from workflows.bounds import history_is_full
from workflows.failures import RequestEnds, cause_of
from workflows.request_book import RequestBook

Result = TypeVar("Result")

OPEN_BUDGET = timedelta(days=1)
"""How long a ticket system may be away before a new request gives up: nothing is held meanwhile."""

MAX_ROUNDS = 10
"""How often what is asked for may change before the ticket has to be opened anew."""


class Approving:
    """`look_asked` is set by hints; the ticket is re-read whenever it is. `stopped` tells why the request is to end, if it is."""

    def __init__(self, ticket: TicketRef, book: RequestBook, stopped: Callable[[], str]) -> None:
        self.look_asked = False
        self.opened = OpenResult()
        self.armed_until: Instant | None = None
        self._asked: AskedRound
        self._ticket = ticket
        self._book = book
        self._stopped = stopped

    async def approved_terms(self) -> RequestTerms | None:
        """Ask, and wait for an approval that counts. None when there will be none, and the book says why."""
        try:
            return await self._wait_for_approval(await self._ask(1))
        except RequestEnds as end:
            self._book.decide(RequestEvent.NOT_APPROVED, end.outcome, end.why)
        except (ActivityError, SignatureRefusedError) as error:
            cancelled = is_cancelled_exception(error)
            outcome = RequestOutcome.WITHDRAWN if cancelled else RequestOutcome.REFUSED
            self._book.decide(RequestEvent.NOT_APPROVED, outcome, cause_of(error))
        except asyncio.CancelledError:
            self._book.decide(RequestEvent.NOT_APPROVED, RequestOutcome.WITHDRAWN, "the request was cancelled")
        return None

    async def _ask(self, number: int) -> RequestTerms:
        info = workflow.info()
        if info.execution_timeout or info.run_timeout:
            raise RequestEnds(RequestOutcome.REFUSED, "it was started with a timeout, which could end it unheard")
        self.look_asked = False
        self.opened = await self._unless_stopped(
            ask(
                JudgeActivities.open_request,
                OpenInput(ticket=self._ticket, round_number=number),
                **options.judging("read the ticket and ask", OPEN_BUDGET),
            )
        )
        terms = self.opened.terms
        if terms is None:
            raise RequestEnds(RequestOutcome.REFUSED, "; ".join(self.opened.refused))
        if self.opened.asked is None:
            raise RequestEnds(RequestOutcome.REFUSED, "the question was never posted")
        self._asked = self.opened.asked
        self._book.asked(terms, number)
        self._book.paper.keys = self.opened.keys
        targets = [terms.entitlement, *(grantee.target_name for grantee in terms.grantees)]
        workflow.upsert_search_attributes(
            [
                SearchAttributeKey.for_keyword(SUBJECT).value_set(terms.subject),
                SearchAttributeKey.for_keyword_list(TARGET).value_set(targets),
                SearchAttributeKey.for_keyword(STATE).value_set(RequestState.PENDING),
            ]
        )
        return terms

    async def _wait_for_approval(self, terms: RequestTerms) -> RequestTerms:
        """Return the terms that were asked for last when the ticket bears an approval that counts.

        Raises:
            RequestEnds: it was denied, withdrawn, changed too often, or lapsed.
        """
        lapses_at = workflow.now() + self.opened.lapse_after
        for number in range(2, MAX_ROUNDS + 1):
            judged = await self._answered(lapses_at)
            verdict = judged.verdict
            if verdict.outcome is ApprovalOutcome.APPROVED:
                self.armed_until = judged.armed_until
                self._book.approved(verdict)
                return terms
            if verdict.outcome is ApprovalOutcome.DENIED:
                raise RequestEnds(RequestOutcome.DENIED, verdict.reason)
            terms = await self._ask(number)
        raise RequestEnds(RequestOutcome.REFUSED, f"what it asks for was changed {MAX_ROUNDS - 1} times")

    async def _answered(self, lapses_at: datetime) -> JudgeResult:
        """The first judgement of the posted question that says more than that nobody has answered it."""
        judged = self.opened.judged or await self._judge()
        while True:
            self._book.answers_refused(judged.verdict)
            if judged.verdict.outcome is not ApprovalOutcome.PENDING:
                return judged
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self.look_asked or bool(self._stopped()),
                    timeout=remaining(workflow.now(), lapses_at) or timedelta(milliseconds=1),
                    timeout_summary="the request lapses",
                )
            if workflow.now() >= lapses_at:
                after = render_duration(self.opened.lapse_after)
                raise RequestEnds(RequestOutcome.LAPSED, f"nobody approved it within {after}")
            judged = await self._judge()

    async def _judge(self) -> JudgeResult:
        self.look_asked = False
        return await self._unless_stopped(
            ask(
                JudgeActivities.judge_request,
                JudgeInput(ticket=self._ticket, asked=self._asked),
                **options.admitting("has it been approved?", self.opened.lapse_after),
            )
        )

    async def _unless_stopped(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Await `work`, but not through a message that removes, nor beyond what a history can carry.

        Raises:
            RequestEnds: it was stopped.
        """
        task = asyncio.create_task(work)
        try:
            await workflow.wait_condition(lambda: task.done() or bool(self._stopped()) or history_is_full())
        finally:
            task.cancel()
            task.add_done_callback(_let_go)
        if self._stopped() or history_is_full():
            raise RequestEnds(RequestOutcome.DENIED, self._stopped() or "it had received too many messages")
        return await task


def _let_go(task: asyncio.Task[Any]) -> None:
    """Nobody waits for this task any more; how it ended is of no interest."""
    if not task.cancelled():
        task.exception()
