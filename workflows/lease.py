"""The lease: one subject in one target until an instant. The only code that adds or removes access; seldom changed."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError

from activities.access import AccessActivities
from activities.arming import ArmingActivities
from domain.durations import is_live, remaining
from domain.errors import SignatureRefusedError
from domain.evidence import RecordKind
from domain.lease import EndReason, LeaseEvent, LeaseState, Sent
from domain.lease_messages import (
    ArmInput,
    ExtensionCommit,
    ExtensionOffer,
    ForgetAsk,
    ForgetView,
    GrantInput,
    LeaseOrder,
    LeaseOutcome,
)
from domain.messages import LeaseLine
from domain.signed import Signed
from domain.values import render_instant
from domain.witness import Presence, Receipt, read_observation
from workflows import options, words
from workflows.asking import ask
from workflows.bounds import history_is_full
from workflows.doubt import Doubt
from workflows.failures import LeaseEnds, cause_of
from workflows.forgetting import Forgetter
from workflows.hearing import heard, heard_hint
from workflows.lease_book import LeaseBook
from workflows.prolonging import Prolonging
from workflows.removal import Removal, pause_before_turn
from workflows.run_to_end import finish, run_to_end


@workflow.defn(name="LeaseWorkflow")
class LeaseWorkflow:
    """Looks, is armed, grants, holds until the end, takes back, proves, closes. Normally, however it was ended."""

    @workflow.init
    def __init__(self, order: LeaseOrder) -> None:
        self._order = order
        self._book = LeaseBook(order)
        self._prolonging = Prolonging(self._book)
        self._removal = Removal(self._book)
        self._forgetter = Forgetter(self._book, self._removal)
        self._doubt = Doubt(self._book)
        self._why = (EndReason.FAULT, "it ended without saying why")
        self._disclaimer: Signed | None = None

    @workflow.run
    async def run(self, order: LeaseOrder) -> LeaseOutcome:  # noqa: ARG002 - `__init__` has taken it
        self._book.paper.begin()
        posting = asyncio.create_task(self._book.post())
        try:
            await self._while_wanted(self._grant_and_hold())
        finally:
            await run_to_end(self._take_back(), of=self)
        await run_to_end(self._write_down(), of=self)
        posting.cancel()
        return self._outcome()

    @workflow.signal
    def revoke(self, *said: RawValue) -> None:
        """End the access now. Obeyed from anyone who can send it, whatever it says (a `Hint`, or nothing)."""
        self._book.note = self._book.note or heard_hint(said).note[:120]
        self._book.stop = self._book.stop or EndReason.REVOKED

    @workflow.signal
    def look_again(self, *said: RawValue) -> None:  # noqa: ARG002 - whatever it says
        """Somebody no longer sees the access at the provider. The lease looks for itself, and ends when it is gone."""
        self._doubt.raised = True

    @workflow.signal
    def offer_extension(self, *said: RawValue) -> None:
        """From the request: an `ExtensionOffer`."""
        self._prolonging.take_offer(heard(ExtensionOffer, said))

    @workflow.signal
    def commit_extension(self, *said: RawValue) -> None:
        """From the request: an `ExtensionCommit`."""
        self._prolonging.take_commit(heard(ExtensionCommit, said))

    @workflow.signal
    def forget(self, *said: RawValue) -> None:
        """Two people are said to give up a removal whose target is gone for good: a `ForgetAsk`. Looked into, and judged."""
        self._forgetter.hear(heard(ForgetAsk, said))

    @workflow.signal(dynamic=True)
    def anything_else(self, name: str, said: Sequence[RawValue]) -> None:
        """Whatever means nothing here: it is heard only so that the bounds of the history are looked at."""

    @workflow.query
    def status(self) -> LeaseLine:
        return LeaseLine(
            lease_id=self._book.lease_id,
            target_name=self._order.grantee.target_name,
            state=self._book.status.state,
            expires_at=self._book.status.expires_at,
            note=self._book.note,
        )

    @workflow.query
    def forgetting(self) -> ForgetView:
        return self._forgetter.view

    async def _while_wanted(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` until it ends, the time is over, or somebody wants it to stop; note why it ended. Raises nothing."""
        task = asyncio.create_task(work)
        try:
            await self._until_it_must_stop(task)
        except asyncio.CancelledError:
            self._book.stop = self._book.stop or EndReason.CANCELLED
        task.cancel()
        try:
            await finish(task)
        except LeaseEnds as end:
            self._why = (end.reason, end.note)
        except asyncio.CancelledError:
            self._why = (self._book.stop or EndReason.CANCELLED, "")
        except Exception as error:  # noqa: BLE001 - whatever went wrong, access ends and the ticket says why
            self._why = (EndReason.FAULT, f"{type(error).__name__}: {error}")

    async def _until_it_must_stop(self, task: asyncio.Task[None]) -> None:
        """The lease's own clock, above every step: no step that hangs holds access past its end."""
        book = self._book
        while not task.done() and book.stop is None:
            end = book.status.expires_at
            if not self._order.end_only and not is_live(workflow.now(), end):
                book.stop = EndReason.EXPIRED
            elif history_is_full():
                book.stop = EndReason.HISTORY_FULL
            else:
                with suppress(TimeoutError):
                    await workflow.wait_condition(
                        partial(self._has_news, task, end),
                        timeout=remaining(workflow.now(), end) or None,
                        timeout_summary=f"the access of {self._order.ticket.key} ends",
                    )

    def _has_news(self, task: asyncio.Task[None], end: datetime) -> bool:
        book = self._book
        return task.done() or book.stop is not None or history_is_full() or book.status.expires_at != end

    async def _grant_and_hold(self) -> None:
        if self._order.end_only:
            raise LeaseEnds(EndReason.END_ONLY, self._order.why[:200])
        info = workflow.info()
        if info.execution_timeout or info.run_timeout:
            raise LeaseEnds(EndReason.REFUSED, "it was started with a timeout, which would end it without revoking")
        await self._look_first()
        self._book.go_on()
        warrant = await self._arm()
        self._book.go_on()
        await self._grant(warrant)
        while True:
            self._book.go_on()
            await workflow.wait_condition(lambda: self._prolonging.waiting or self._doubt.raised)
            if self._doubt.raised:
                await self._doubt.settle()
            else:
                await self._prolonging.judge_next()

    async def _look_first(self) -> None:
        asked_at = workflow.now()
        try:
            looked = await ask(
                AccessActivities.look_before_grant,
                self._book.pair,
                **options.looking("is the account absent, and fit to be added?"),
            )
            look = read_observation(
                looked.observation, self._order.keys, lease_id=self._book.lease_id, not_before=asked_at
            )
        except (ActivityError, SignatureRefusedError) as error:
            raise self._book.failed(EndReason.REFUSED, error) from error
        if look.presence is not Presence.ABSENT:
            raise LeaseEnds(EndReason.RESET if look.own else EndReason.REFUSED_STANDING, look.note)
        if looked.refusals:
            raise LeaseEnds(EndReason.REFUSED, "; ".join(looked.refusals))
        self._book.advance(LeaseEvent.LOOKED_ABSENT)

    async def _arm(self) -> Signed:
        try:
            armed = await ask(
                ArmingActivities.arm_lease,
                ArmInput(order=self._book.brief),
                **options.judging("re-read the ticket, arm, issue the warrant", options.ARM_BUDGET),
            )
        except (ActivityError, SignatureRefusedError) as error:
            raise self._book.failed(EndReason.REFUSED, error) from error
        if armed.warrant is None:
            raise LeaseEnds(EndReason.REFUSED, "; ".join(armed.refused))
        self._book.advance(LeaseEvent.WARRANTED)
        self._book.show_warrant(armed.warrant)
        return armed.warrant

    async def _grant(self, warrant: Signed) -> None:
        self._book.advance(LeaseEvent.GRANT_SCHEDULED)
        asked_at = workflow.now()
        try:
            granted = await ask(
                AccessActivities.grant_access,
                GrantInput(order=self._book.brief, warrant=warrant),
                **options.granting(f"add to {self._order.grantee.target_name}"),
            )
            granted.receipt.open(Receipt, self._order.keys)
            look = read_observation(
                granted.observation, self._order.keys, lease_id=self._book.lease_id, not_before=asked_at
            )
        except (ActivityError, SignatureRefusedError) as error:
            self._book.write_closed_uncleanly()
            raise self._book.failed(EndReason.GRANT_FAILED, error) from error
        self._book.write_closed(granted.receipt)
        if look.presence is not Presence.PRESENT:
            raise LeaseEnds(EndReason.GRANT_FAILED, f"read back {look.presence}")
        self._book.advance(LeaseEvent.GRANTED)
        if workflow.info().parent is not None:
            self._book.paper.hold()  # the request tells the ticket, with this receipt, as soon as it hears of it
        until = render_instant(self._book.status.expires_at)
        self._book.record("granted", RecordKind.GRANTED, facts={"until": until}, witness=(granted.receipt,))
        self._book.tell_request(receipt=granted.receipt)

    async def _take_back(self) -> None:
        """Revoke, unless nothing was ever sent and a witness has traced that no earlier run sent anything either."""
        reason, note = self._why
        nothing_sent = self._book.status.sent is Sent.NOTHING and not self._order.end_only
        if nothing_sent and reason is not EndReason.RESET:
            # Its siblings must not be held until this one is traced and its paper written.
            self._book.tell_request(ending=words.ending(reason, note))
            if not await self._is_first_run():
                reason, note = EndReason.RESET, note or str(reason)
        self._book.end(reason, note)
        if self._book.status.state is not LeaseState.RECORDING:
            await self._forgetter.see_removed()
            return
        note = self._book.note
        comment = words.refused_comment(self._order, reason, note)
        facts: dict[str, object] = {"reason": str(reason), "note": note[:200]}
        self._book.record("refused", RecordKind.REFUSED, facts=facts, comment=comment)

    async def _is_first_run(self) -> bool:
        """Whether a witness says that nothing can be there of this lease's. Asked until there is an answer."""
        turns = 0
        while True:
            asked_at = workflow.now()
            try:
                traced = await ask(
                    AccessActivities.trace_run, self._book.pair, **options.revoking("has an earlier run sent anything?")
                )
            except (ActivityError, SignatureRefusedError) as error:
                workflow.logger.warning("this run could not be traced and is asked about again: %s", cause_of(error))
            else:
                word = self._book.believe(traced.observation, asked_at)
                if word is not None:
                    self._disclaimer = None if word.own else traced.observation
                    return not word.own
            await workflow.sleep(pause_before_turn(turns), summary="ask again")
            turns += 1

    async def _write_down(self) -> None:
        await self._book.paper.finish()
        self._book.advance(LeaseEvent.RECORDED)

    def _outcome(self) -> LeaseOutcome:
        status, removal, forgetting = self._book.status, self._removal, self._forgetter.forgetting
        return LeaseOutcome(
            lease_id=self._book.lease_id,
            run_id=workflow.info().run_id,
            reason=EndReason.FORGOTTEN if forgetting is not None else status.reason or EndReason.FAULT,
            sent=status.sent,
            proof=removal.proof,
            disclaimer=self._disclaimer,
            removed_at=removal.looks[0].observed_at if removal.looks else None,
            proved_at=removal.looks[1].observed_at if removal.looks else None,
            sessions=removal.sessions,
            note=self._book.note,
            unheard=self._prolonging.unheard(),
            forgetting=forgetting,
        )
