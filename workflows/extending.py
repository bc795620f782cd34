"""Extensions of a request: wishes on the ticket, judged in order; every live lease prolongs, or none does."""

from collections.abc import Callable
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.judge import JudgeActivities
from domain.durations import is_live, remaining
from domain.errors import SignatureRefusedError
from domain.evidence import RecordKind
from domain.extension import ExtensionVerdict
from domain.ids import TicketRef
from domain.lease_messages import ExtensionCommit, ExtensionOffer
from domain.messages import WishesInput, WishesResult
from domain.paper import TicketFields
from domain.search import EXPIRES_AT
from domain.terms import RequestTerms
from domain.values import render_instant
from workflows import options, words
from workflows.asking import ask
from workflows.failures import cause_of
from workflows.lease_keeper import LeaseKeeper
from workflows.request_book import RequestBook

READ_BUDGET = timedelta(seconds=60)


class Extending:
    """`asked` is set by hints; `serve` looks at the ticket whenever it is. Verdicts are kept by wish."""

    def __init__(self, ticket: TicketRef, book: RequestBook) -> None:
        self.asked = False
        self.revoke_asked_by = ""
        self.verdicts: dict[str, ExtensionVerdict] = {}
        self._ticket = ticket
        self._book = book
        self._paper = book.paper
        self._terms: RequestTerms
        self._keepers: list[LeaseKeeper] = []
        self._first_end: datetime
        self._end: datetime | None = None
        self._times = 0
        self._looks_begun = 0
        self._looks_done = 0

    @property
    def judged(self) -> tuple[str, ...] | None:
        """Wishes that have their verdict; None where nobody can wish for anything, since nothing was ever provisioned."""
        return tuple(self.verdicts) if self._end is not None else None

    @property
    def current_end(self) -> datetime | None:
        return self._end

    def begin(self, terms: RequestTerms, keepers: list[LeaseKeeper], first_end: datetime) -> None:
        self._terms, self._keepers = terms, keepers
        self._first_end = self._end = first_end

    async def serve(self) -> None:
        """Judge what is wished for, each time somebody hints, until cancelled."""
        while True:
            await workflow.wait_condition(lambda: self.asked)
            self.asked = False
            await self._look(final=False)

    async def close(self) -> None:
        """Give every wish that got none its verdict: too late. Waits for the ticket as long as that takes."""
        await self._look(final=True)

    async def verdict_of(self, wish_id: str) -> ExtensionVerdict:
        """The verdict on a wish that is on the ticket by now, or a no when the next look does not find it."""
        wanted = self._looks_begun + 1
        self.asked = True
        await workflow.wait_condition(lambda: wish_id in self.verdicts or self._looks_done >= wanted)
        missing = ExtensionVerdict(wish_id=wish_id, granted=False, reason="no such wish could be read on the ticket")
        return self.verdicts.get(wish_id, missing)

    async def _look(self, *, final: bool) -> None:
        self._looks_begun += 1
        found = await self._read(final=final)
        self.revoke_asked_by = self.revoke_asked_by or found.revoke_asked_by
        for verdict in found.verdicts:
            settled = await self._apply(verdict) if verdict.granted and not final else verdict
            self._settle(settled)
            if verdict.granted and not settled.granted:
                self.asked = True  # what was judged after it counted on it
                break
        self._looks_done = self._looks_begun

    async def _read(self, *, final: bool) -> WishesResult:
        end = self._end or self._first_end
        wishes = WishesInput(
            ticket=self._ticket,
            terms=self._terms,
            first_end=self._first_end,
            current_end=min(end, workflow.now()) if final else end,
            times_extended=self._times,
            seen=tuple(self.verdicts),
        )
        chosen = (
            options.writing("wishes that came too late")
            if final
            else options.judging("read the wishes for more time", READ_BUDGET)
        )
        try:
            return await ask(JudgeActivities.judge_wishes, wishes, **chosen)
        except (ActivityError, SignatureRefusedError) as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("the wishes on the ticket could not be judged: %s", cause_of(error))
            return WishesResult()

    async def _apply(self, verdict: ExtensionVerdict) -> ExtensionVerdict:
        """Offer the new end to every live lease, commit when all have prolonged, and believe only what they confirm."""
        live = [keeper for keeper in self._keepers if not keeper.over]
        wish_id, new_end, old_end = verdict.wish_id, verdict.new_end, self._end
        if new_end is None or old_end is None or not live:
            return _no(verdict, "no lease of this request is live")
        for keeper in live:
            await keeper.offer(ExtensionOffer(wish_id=wish_id, new_end=new_end))
        await self._until(lambda: all(keeper.answer_to(wish_id) or keeper.over for keeper in live), old_end)
        answers = [keeper.answer_to(wish_id) for keeper in live]
        commit = all(answer is not None and answer.prolonged for answer in answers) and is_live(workflow.now(), old_end)
        for keeper in live:
            await keeper.send("commit_extension", ExtensionCommit(wish_id=wish_id, commit=commit))
        if commit:
            await self._until(lambda: all(keeper.expires_at == new_end or keeper.over for keeper in live), old_end)
        if commit and all(keeper.expires_at == new_end for keeper in live):
            self._end, self._times = new_end, self._times + 1
            workflow.upsert_search_attributes([SearchAttributeKey.for_datetime(EXPIRES_AT).value_set(new_end)])
            return verdict
        notes = {answer.note for answer in answers if answer is not None and answer.note}
        return _no(
            verdict, "; ".join(sorted(notes)) or "not every target could be prolonged in time; the old end stays"
        )

    async def _until(self, condition: Callable[[], bool], end: datetime) -> None:
        try:
            await workflow.wait_condition(
                condition,
                timeout=remaining(workflow.now(), end),
                timeout_summary="all targets prolong before the old end",
            )
        except TimeoutError:
            return

    def _settle(self, verdict: ExtensionVerdict) -> None:
        self.verdicts[verdict.wish_id] = verdict
        until = render_instant(verdict.new_end) if verdict.granted and verdict.new_end else ""
        if verdict.granted and verdict.new_end is not None:
            comment = f"Extended by {verdict.person}'s wish: access now ends at {words.minute(verdict.new_end)}."
            self._paper.show(TicketFields(active_until=verdict.new_end))
        else:
            comment = f"Not extended, as {verdict.person or 'somebody'} wished: {verdict.reason}."
        facts: dict[str, object] = {
            "wish": verdict.wish_id,
            "by": verdict.person,
            "granted": verdict.granted,
            "until": until,
            "reason": verdict.reason[:200],
        }
        self._paper.note(f"wish/{verdict.wish_id}", RecordKind.EXTENSION_JUDGED, facts=facts, comment=comment)
        self._book.wish_judged(verdict)


def _no(verdict: ExtensionVerdict, reason: str) -> ExtensionVerdict:
    return verdict.model_copy(update={"granted": False, "new_end": None, "reason": reason})
