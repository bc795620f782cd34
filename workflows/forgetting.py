"""The only way out for a removal that nobody can prove: its target is gone for good, and two people say so on a ticket.

The removal goes on beside it, and is given up only when a witness has looked twice and the judge has written its record.
"""

import asyncio
from typing import Any, cast

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.access import AccessActivities
from activities.forgetting import ForgettingActivities, GoneActivities
from domain.errors import SignatureRefusedError
from domain.evidence import RecordKind
from domain.forgetting import Forgetting, ForgetWord, GoneWord, verify_forgetting, verify_gone
from domain.lease import LeaseEvent, LeaseState
from domain.lease_messages import ForgetAsk, ForgetInput, ForgetView
from domain.paper import TicketFields
from domain.signed import Signed
from domain.values import Instant
from domain.witness import SessionsEnded, sessions_action
from workflows import options, words
from workflows.asking import ask
from workflows.failures import cause_of
from workflows.lease_book import LeaseBook
from workflows.removal import Removal, pause_before_turn

MOST_TOLD = 800
"""Characters of a refusal: it names everybody who has asked, and why they do not count."""


class _Refused(Exception):  # noqa: N818 - a turn of the story, not an error
    """The lease is not forgotten, and this is why."""


class Forgetter:
    """Hears who wants the lease forgotten, one asking at a time, and judges each while the removal is late. Nobody's word is enough."""

    def __init__(self, book: LeaseBook, removal: Removal) -> None:
        self._book = book
        self._removal = removal
        self._asked: ForgetAsk | None = None
        self._turns = 0
        self.view = ForgetView()
        self.forgetting: Forgetting | None = None

    def hear(self, asked: ForgetAsk | None) -> None:
        """Somebody says that two people want it. Kept while the removal is late, and only the newest."""
        if asked is not None and self._book.status.state is LeaseState.STUCK:
            self._asked = asked

    async def see_removed(self) -> None:
        """Return when the removal is proved, or the lease forgotten."""
        self.view = ForgetView(ended_at=workflow.now())
        removing = cast("asyncio.Task[Any]", asyncio.current_task())
        hearing = asyncio.create_task(self._judge_each(removing))
        try:
            await self._removal.run()
        except asyncio.CancelledError:
            if self.forgetting is None:
                raise
            removing.uncancel()
            await self._end_unproved(self.forgetting)
        hearing.cancel()

    async def _judge_each(self, removing: "asyncio.Task[Any]") -> None:
        """Judge what is asked, ever more seldom where it is asked in vain, until the removal is over one way or the other."""
        while self.forgetting is None:
            await workflow.wait_condition(lambda: self._asked is not None)
            asked, self._asked = cast("ForgetAsk", self._asked), None
            try:
                self.forgetting = await self._judged(asked)
            except (_Refused, ActivityError, SignatureRefusedError) as error:
                self._refuse(asked, str(error)[:MOST_TOLD] if isinstance(error, _Refused) else cause_of(error))
                await workflow.sleep(pause_before_turn(self._turns), summary="before another wish to forget is heard")
                self._turns += 1
        self._book.advance(LeaseEvent.FORGOTTEN)
        self._removal.give_up()
        removing.cancel()

    async def _judged(self, asked: ForgetAsk) -> Forgetting:
        """What the lease may be forgotten for.

        Raises:
            _Refused: it may not.
            ActivityError: nobody could tell.
            SignatureRefusedError: somebody told who may not, or what does not fit.
        """
        book, began_at = self._book, cast("Instant", self.view.ended_at)
        surface, keys = book.order.surface, book.order.keys
        first = await self._look()
        await workflow.sleep(surface.read_lag, summary="before looking again whether the target is gone")
        second = await self._look()
        verify_gone(first, second, keys, lease_id=book.lease_id, not_before=began_at, apart=surface.read_lag)
        request = ForgetInput(order=book.brief, ticket=asked.ticket, ended_at=began_at, first=first, second=second)
        judged = await ask(
            ForgettingActivities.judge_forgetting,
            request,
            **options.judging("do two people want it forgotten?", options.ARM_BUDGET),
        )
        if judged.word is None:
            raise _Refused(judged.refused)
        forgetting = Forgetting(first=first, second=second, word=judged.word)
        verify_forgetting(forgetting, keys, lease_id=book.lease_id, not_before=began_at, apart=surface.read_lag)
        if book.status.state is not LeaseState.STUCK:
            raise _Refused("the account has been seen absent meanwhile, which is now being proved")
        return forgetting

    async def _look(self) -> Signed:
        found = await ask(
            GoneActivities.confirm_gone, self._book.pair, **options.telling("is the target itself gone for good?")
        )
        if found.word is None:
            raise _Refused(found.why_not)
        return found.word

    def _refuse(self, asked: ForgetAsk, why: str) -> None:
        """Told once on the ticket for as long as the reason is the same."""
        is_new = why != self.view.refused
        self.view = self.view.model_copy(update={"ask_id": asked.ask_id[:64], "refused": why})
        workflow.logger.warning("the lease is not forgotten: %s", why)
        if is_new and self._removal.proof is None:
            facts: dict[str, object] = {"asked_on": asked.ticket.key, "why": why[:200]}
            comment = words.not_forgotten_comment(self._book.order, why)
            self._book.record(f"refused/{self._turns}", RecordKind.FORGET_REFUSED, facts=facts, comment=comment)

    async def _end_unproved(self, forgetting: Forgetting) -> None:
        """Wait until no attempt of the removal can land any more, end what sessions there are, and tell."""
        book = self._book
        await self._removal.suspend_no_more()
        book.write_closed_uncleanly()
        await workflow.sleep(book.until_second_look(), summary="until nothing can land any more")
        sessions = await self._end_sessions()
        word = forgetting.word.open(ForgetWord, book.order.keys)
        looks = [sealed.open(GoneWord, book.order.keys) for sealed in (forgetting.first, forgetting.second)]
        book.note = words.forgotten_note(word)
        comment = words.forgotten_comment(book.order, word, looks, sessions)
        book.paper.show(TicketFields(state=f"Forgotten, not proved: {book.order.grantee.target_name}"))
        book.record("gone", RecordKind.TARGET_GONE, witness=(forgetting.first,))
        book.record("gone-again", RecordKind.TARGET_GONE, witness=(forgetting.second,), comment=comment)
        self._removal.say_it_is_over(f"forgotten, not proved, {book.note}")

    async def _end_sessions(self) -> str:
        """End the subject's sessions as far as the provider answers. Returns what came of it, in words: it refuses nothing."""
        asked_at = workflow.now()
        try:
            ended = await ask(AccessActivities.end_sessions, self._book.pair, **options.telling("end sessions"))
        except (ActivityError, SignatureRefusedError) as error:
            return f"could not be ended: {cause_of(error)}"
        done = sessions_action(ended.sessions)
        if ended.receipt is None or not self._book.is_witnessed(ended.receipt, done, asked_at):
            return "were ended by nobody who may say so"
        self._removal.sessions = ended.sessions
        facts: dict[str, object] = {"achieved": str(ended.sessions), "note": ended.note[:160]}
        self._book.record("sessions", RecordKind.SESSIONS_ENDED, facts=facts, witness=(ended.receipt,))
        return "were ended" if ended.sessions is SessionsEnded.ENDED else f"are {ended.sessions} there"
