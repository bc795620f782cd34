"""The request: one ticket from asking to closing. About people; access itself lives in the leases that it starts."""

import asyncio
from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue, SearchAttributeKey, SearchAttributeUpdate
from temporalio.exceptions import ActivityError, ApplicationError

from activities.judge import JudgeActivities
from domain.errors import SignatureRefusedError
from domain.extension import ExtensionVerdict
from domain.lease_messages import LeaseNews
from domain.messages import ArmedInput, ExtendInput, RequestInput, RequestResult, StatusView, TimelineView
from domain.request import RequestEvent, RequestOutcome, RequestState
from domain.search import EXPIRES_AT, STATE
from domain.terms import RequestTerms
from domain.values import whole_millis
from workflows import options, words
from workflows.approving import Approving
from workflows.asking import ask
from workflows.bounds import NEWS_IN_ONE_TASK, Ration, history_is_full
from workflows.extending import Extending
from workflows.failures import RequestEnds, cause_of
from workflows.hearing import heard, heard_hint
from workflows.lease_keeper import PAUSE, LeaseKeeper
from workflows.orders import order_to_end, order_to_grant
from workflows.request_book import RequestBook
from workflows.run_to_end import run_to_end

MOST_LOOKS = 10
"""How often wishes that came too late are answered before the ticket is closed all the same: a crowd could go on for ever."""


@workflow.defn(name="AccessRequestWorkflow")
class AccessRequestWorkflow:
    """Asks, waits for an approval that counts, provisions all or nothing, holds, extends, and always revokes."""

    @workflow.init
    def __init__(self, request: RequestInput) -> None:
        self._ticket = request.ticket
        self._book = RequestBook(request.ticket)
        self._approving = Approving(request.ticket, self._book, lambda: self._revoke_asked)
        self._extending = Extending(request.ticket, self._book)
        self._keepers: list[LeaseKeeper] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._revoke_asked = ""
        self._news_ration = Ration(NEWS_IN_ONE_TASK)

    @workflow.run
    async def run(self, request: RequestInput) -> RequestResult:  # noqa: ARG002 - `__init__` has taken it
        self._book.paper.begin()
        terms = await self._approving.approved_terms()
        if terms is not None:
            try:
                await self._provision(terms)
                await self._hold_until_expiry()
            except (Exception, asyncio.CancelledError) as end:  # noqa: BLE001 - whatever it is, access ends
                self._ends(end)
            finally:
                await run_to_end(self._revoke_everything(), of=self)
        await run_to_end(self._close_the_ticket(), of=self)
        return self._book.result(self._keepers)

    @workflow.signal
    def approve(self, *said: RawValue) -> None:
        """Something was answered on the ticket. A `Hint`: the ticket is re-read, and decides."""
        self._book.heard("approve", heard_hint(said).by)
        self._approving.look_asked = True

    @workflow.signal
    def deny(self, *said: RawValue) -> None:
        """The request was declined, or its ticket closed. Obeyed at once, whatever it says (a `Hint`, or nothing)."""
        hint = heard_hint(said)
        self._book.heard("deny", hint.by)
        self._approving.look_asked = True
        self._revoke_asked = self._revoke_asked or f"declined {hint.note}".strip()

    @workflow.signal
    def extend(self, *said: RawValue) -> None:
        """Somebody wishes for more time on the ticket. A `Hint`: the ticket is re-read, and decides."""
        self._book.heard("extend", heard_hint(said).by)
        self._extending.asked = True

    @workflow.signal
    def revoke(self, *said: RawValue) -> None:
        """End the access now. Obeyed from anyone who can send it, whatever it says (a `Hint`, or nothing)."""
        hint = heard_hint(said)
        self._book.heard("revoke", hint.by)
        self._approving.look_asked = True
        self._revoke_asked = self._revoke_asked or f"revoked {hint.note}".strip()

    @workflow.signal
    def lease_news(self, *said: RawValue) -> None:
        """From a lease: a `LeaseNews`."""
        news = heard(LeaseNews, said) if self._news_ration.take() else None
        for keeper in self._keepers:
            if news is not None and keeper.lease_id == news.lease_id:
                keeper.hear(news)

    @workflow.signal(dynamic=True)
    def anything_else(self, name: str, said: Sequence[RawValue]) -> None:
        """Whatever means nothing here: it is heard only so that the bounds of the history are looked at."""

    @workflow.update
    async def request_extension(self, wish: ExtendInput) -> ExtensionVerdict:
        """Judge one wish that is on the ticket and answer with the verdict."""
        return await self._extending.verdict_of(wish.wish_id)

    @request_extension.validator
    def _only_while_active(self, wish: ExtendInput) -> None:
        if self._book.status.state is not RequestState.ACTIVE:
            message = f"{self._ticket.key} is {self._book.status.state}; wish {wish.wish_id} cannot extend it"
            raise ApplicationError(message, type="NotActive")

    @workflow.query
    def status(self) -> StatusView:
        return self._book.view(self._keepers, self._extending.current_end)

    @workflow.query
    def timeline(self) -> TimelineView:
        return TimelineView(entries=tuple(self._book.entries))

    async def _provision(self, terms: RequestTerms) -> None:
        """Start one lease a target and return when all are granted.

        Raises:
            RequestEnds: one was not, and so none may be.
        """
        until = self._approving.armed_until or whole_millis(workflow.now() + terms.duration)
        for grantee in terms.grantees:
            order = order_to_grant(self._ticket, terms, grantee, until, self._approving.opened.keys)
            armed = self._approving.armed_until is not None
            self._keep(LeaseKeeper(order, terms.subject, armed=armed, delayed=self._book.paper.release))
        self._extending.begin(terms, self._keepers, until)
        keepers = self._keepers
        await workflow.wait_condition(
            lambda: (
                bool(self._revoke_asked) or any(k.over or k.ending for k in keepers) or all(k.granted for k in keepers)
            )
        )
        if self._revoke_asked:
            raise RequestEnds(RequestOutcome.NOT_PROVISIONED, self._revoke_asked)
        failed = [f"{line.target_name}: {line.note}" for line in (k.line() for k in keepers if k.over or k.ending)]
        if failed:
            raise RequestEnds(RequestOutcome.NOT_PROVISIONED, "; ".join(failed))
        self._book.active(until, self._keepers)
        _show(
            SearchAttributeKey.for_keyword(STATE).value_set(RequestState.ACTIVE),
            SearchAttributeKey.for_datetime(EXPIRES_AT).value_set(until),
        )

    async def _hold_until_expiry(self) -> None:
        """Return when every lease is over; extend meanwhile. The leases keep the time, not this.

        Raises:
            RequestEnds: access is to end before its time.
        """
        serving = asyncio.create_task(self._extending.serve())
        try:
            await workflow.wait_condition(
                lambda: (
                    bool(self._revoke_asked or self._extending.revoke_asked_by)
                    or all(keeper.over for keeper in self._keepers)
                    or history_is_full()
                    or serving.done()
                )
            )
        finally:
            serving.cancel()
        if serving.done():
            serving.result()
        if any(not keeper.over for keeper in self._keepers):
            asked = self._revoke_asked or (self._extending.revoke_asked_by and "revoked on the ticket")
            raise RequestEnds(RequestOutcome.ENDED, asked or "the request had received too many messages")
        self._book.decide(RequestEvent.ENDING, RequestOutcome.ENDED, _why_over(self._keepers))

    async def _revoke_everything(self) -> None:
        """Cancel every lease that is not over, and wait until each has ended with a signed outcome."""
        await self._end_all(self._book.status.why)
        self._book.all_ended()

    async def _close_the_ticket(self) -> None:
        """Write the end on the ticket, once every wish on it is answered. Waits for it as long as that takes."""
        if not self._keepers:
            await self._end_what_was_armed()
        looks = 0
        while not await self._book.close(self._keepers, self._extending.judged if looks < MOST_LOOKS else None):
            await self._extending.close()
            looks += 1
        self._book.closed()
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _end_all(self, why: str) -> None:
        """End every lease side by side: one that cannot be reached holds up no other. Returns when each is over."""
        for keeper in self._keepers:
            self._tasks.append(asyncio.create_task(keeper.end(why)))
        await workflow.wait_condition(lambda: all(keeper.over for keeper in self._keepers))

    async def _end_what_was_armed(self) -> None:
        """A request that ends without leases of its own may be the run of a reset: what its ticket was armed for is ended too."""
        found = None
        while found is None:
            try:
                found = await ask(
                    JudgeActivities.find_armed, ArmedInput(ticket=self._ticket), **options.writing("is anything armed?")
                )
            except (ActivityError, SignatureRefusedError) as error:
                workflow.logger.warning(
                    "the ticket could not be looked through and is asked again: %s", cause_of(error)
                )
                await workflow.sleep(PAUSE, summary="ask again")
        for lease in found.leases:
            self._keep(LeaseKeeper(order_to_end(self._ticket, lease, found.keys), "", armed=True))
        await self._end_all(self._book.status.why)

    def _keep(self, keeper: LeaseKeeper) -> None:
        self._keepers.append(keeper)
        self._tasks.append(asyncio.create_task(keeper.keep()))

    def _ends(self, end: BaseException) -> None:
        """Note why the request ends before its time."""
        held = self._book.status.state is RequestState.ACTIVE
        outcome = RequestOutcome.ENDED if held else RequestOutcome.NOT_PROVISIONED
        if isinstance(end, RequestEnds):
            self._book.decide(RequestEvent.ENDING, end.outcome, end.why)
        elif isinstance(end, asyncio.CancelledError):
            self._book.decide(RequestEvent.ENDING, outcome, "the request was cancelled")
        else:
            self._book.decide(RequestEvent.ENDING, outcome, f"an error of its own: {type(end).__name__}: {end}"[:200])


def _why_over(keepers: list[LeaseKeeper]) -> str:
    """Why the leases ended that this request told nothing: their time was over, or somebody reached for them directly."""
    outcomes = [keeper.outcome for keeper in keepers if keeper.outcome is not None]
    return "; ".join(dict.fromkeys(words.ending(outcome.reason, outcome.note) for outcome in outcomes))


def _show(*updates: SearchAttributeUpdate[Any]) -> None:
    workflow.upsert_search_attributes(updates)
