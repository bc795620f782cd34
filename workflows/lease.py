"""The lease: one subject in one target until an instant. The only code that adds or removes access; seldom changed."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.access import AccessActivities
from activities.arming import ArmingActivities
from domain.durations import is_live, remaining
from domain.errors import SignatureRefusedError
from domain.evidence import RecordKind
from domain.lease import EndReason, LeaseEvent, LeaseState
from domain.messages import (
    ArmInput,
    ExtensionCommit,
    ExtensionOffer,
    GrantInput,
    Hint,
    LeaseLine,
    LeaseOrder,
    LeaseOutcome,
)
from domain.signed import Signed
from domain.values import render_instant
from domain.witness import Presence, Receipt, read_observation
from workflows import options, words
from workflows.asking import ask
from workflows.bounds import history_is_full
from workflows.failures import LeaseEnds
from workflows.lease_book import LeaseBook
from workflows.prolonging import Prolonging
from workflows.removal import Removal
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
        self._first_look: Signed | None = None

    @workflow.run
    async def run(self, order: LeaseOrder) -> LeaseOutcome:  # noqa: ARG002 - `__init__` has taken it
        self._book.paper.begin()
        try:
            await self._while_wanted(self._grant_and_hold())
        finally:
            await run_to_end(self._take_back())
        await run_to_end(self._write_down())
        return self._outcome()

    @workflow.signal
    def revoke(self, hint: Hint) -> None:
        """End the access now. Obeyed from anyone who can send it."""
        self._book.note = self._book.note or hint.note[:120]
        self._book.stop = self._book.stop or EndReason.REVOKED

    @workflow.signal
    def offer_extension(self, offer: ExtensionOffer) -> None:
        self._prolonging.take_offer(offer)

    @workflow.signal
    def commit_extension(self, commit: ExtensionCommit) -> None:
        self._prolonging.take_commit(commit)

    @workflow.query
    def status(self) -> LeaseLine:
        return LeaseLine(
            lease_id=self._book.lease_id,
            target_name=self._order.grantee.target_name,
            state=self._book.status.state,
            expires_at=self._book.status.expires_at,
            note=self._book.note,
        )

    async def _while_wanted(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` until it ends, is told to stop, or the lease is cancelled; then note why it ended. Raises nothing."""
        task = asyncio.create_task(work)
        try:
            await workflow.wait_condition(lambda: task.done() or self._book.stop is not None)
        except asyncio.CancelledError:
            self._book.stop = self._book.stop or EndReason.CANCELLED
        task.cancel()
        try:
            await finish(task)
        except LeaseEnds as end:
            self._book.end(end.reason, end.note)
        except asyncio.CancelledError:
            self._book.end(self._book.stop or EndReason.CANCELLED)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, access ends and the ticket says why
            self._book.end(EndReason.FAULT, f"{type(error).__name__}: {error}")

    async def _grant_and_hold(self) -> None:
        info = workflow.info()
        if info.execution_timeout or info.run_timeout:
            raise LeaseEnds(EndReason.REFUSED, "it was started with a timeout, which would end it without revoking")
        if self._order.end_only:
            raise LeaseEnds(EndReason.END_ONLY)
        await self._look_first()
        warrant = await self._arm()
        await self._grant(warrant)
        await self._hold_until_the_end()

    async def _look_first(self) -> None:
        asked_at = workflow.now()
        try:
            looked = await ask(
                AccessActivities.look_before_grant, self._book.pair, **options.looking("is the pair free?")
            )
            look = read_observation(
                looked.observation, self._order.keys, lease_id=self._book.lease_id, not_before=asked_at
            )
        except (ActivityError, SignatureRefusedError) as error:
            raise self._book.failed(EndReason.REFUSED, error) from error
        self._first_look = looked.observation
        if look.presence is not Presence.ABSENT:
            raise LeaseEnds(EndReason.RESET if look.own else EndReason.REFUSED_STANDING, look.note)
        if looked.refusals:
            raise LeaseEnds(EndReason.REFUSED, "; ".join(looked.refusals))
        self._book.advance(LeaseEvent.LOOKED_ABSENT)

    async def _arm(self) -> Signed:
        try:
            armed = await ask(
                ArmingActivities.arm_lease,
                ArmInput(order=self._order),
                **options.judging("re-read the ticket, arm, issue the warrant", options.ARM_BUDGET),
            )
        except (ActivityError, SignatureRefusedError) as error:
            raise self._book.failed(EndReason.REFUSED, error) from error
        if armed.warrant is None:
            raise LeaseEnds(EndReason.REFUSED, "; ".join(armed.refused))
        self._book.advance(LeaseEvent.WARRANTED)
        return armed.warrant

    async def _grant(self, warrant: Signed) -> None:
        self._go_on_only_if_wanted()
        self._book.advance(LeaseEvent.GRANT_SCHEDULED)
        asked_at = workflow.now()
        try:
            granted = await ask(
                AccessActivities.grant_access,
                GrantInput(order=self._order, warrant=warrant),
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
        until = render_instant(self._book.status.expires_at)
        self._book.record("granted", RecordKind.GRANTED, facts={"until": until}, witness=(granted.receipt,))
        await self._book.tell_request(receipt=granted.receipt)

    async def _hold_until_the_end(self) -> None:
        book = self._book
        while is_live(workflow.now(), book.status.expires_at):
            self._go_on_only_if_wanted()
            if self._prolonging.waiting:
                await self._prolonging.judge_next()
                continue
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._prolonging.waiting or history_is_full(),
                    timeout=remaining(workflow.now(), book.status.expires_at),
                    timeout_summary=f"{self._order.ticket.key} ends",
                )
        raise LeaseEnds(EndReason.EXPIRED)

    async def _take_back(self) -> None:
        if self._book.status.reason is None:
            self._book.end(EndReason.FAULT, "it ended without saying why")
        if self._book.status.state is not LeaseState.RECORDING:
            await self._removal.run()
            return
        reason, note = self._book.status.reason, self._book.note
        comment = words.refused_comment(self._order, reason, note)
        facts: dict[str, object] = {"reason": str(reason), "note": note[:200]}
        self._book.record("refused", RecordKind.REFUSED, facts=facts, comment=comment)

    async def _write_down(self) -> None:
        await self._book.paper.finish()
        self._book.advance(LeaseEvent.RECORDED)

    def _go_on_only_if_wanted(self) -> None:
        """A step that finished in spite of a stop must not lead to the next one.

        Raises:
            LeaseEnds: the lease was told to stop, or has received more than it can carry.
        """
        if self._book.stop is not None:
            raise LeaseEnds(self._book.stop)
        if history_is_full():
            raise LeaseEnds(EndReason.HISTORY_FULL)

    def _outcome(self) -> LeaseOutcome:
        status, removal = self._book.status, self._removal
        return LeaseOutcome(
            lease_id=self._book.lease_id,
            run_id=workflow.info().run_id,
            reason=status.reason or EndReason.FAULT,
            sent=status.sent,
            proof=removal.proof,
            first_look=self._first_look,
            removed_at=removal.looks[0].observed_at if removal.looks else None,
            proved_at=removal.looks[1].observed_at if removal.looks else None,
            sessions=removal.sessions,
            note=self._book.note,
            unheard=self._prolonging.unheard(),
        )
