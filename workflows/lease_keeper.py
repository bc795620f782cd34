"""Stays with one lease of a request, from its start to a signed end. Starts an `end_only` lease when a lease ends without one."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from enum import Enum
from typing import Any

from temporalio import workflow
from temporalio.common import (
    RawValue,
    SearchAttributePair,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ActivityError, ChildWorkflowError, WorkflowAlreadyStartedError

from activities.callers import LEASE_TYPE
from activities.engine import EXPIRES_AT_KEY, STATE_KEY, EngineActivities, attributes_of, memo_of
from domain.errors import SignatureRefusedError
from domain.forgetting import verify_forgetting
from domain.lease import LeaseState, Sent
from domain.lease_messages import ExtensionCommit, ExtensionOffer, LeaseNews, LeaseOrder, LeaseOutcome
from domain.messages import Hint, HolderInput, HolderResult, LeaseLine
from domain.queues import Queue
from domain.signed import Signed
from domain.warrant import WarrantKind
from domain.witness import Receipt, read_observation, verify_proof
from workflows import options, words
from workflows.asking import ask, read
from workflows.failures import cause_of

ENDING_STATES = frozenset(
    {LeaseState.REVOKING, LeaseState.STUCK, LeaseState.RECORDING, LeaseState.CLOSED, LeaseState.FORGETTING}
)


class Turn(Enum):
    """What came of asking for an id, when it was neither got nor refused."""

    AGAIN = "again"


PAUSE = timedelta(seconds=1)
"""Before asking again for an id that somebody else held a moment ago."""


class LeaseKeeper:
    """One target of a request. `keep` runs as a task of its own, which no cancel of the request reaches.

    `armed`: a lease of this pair was armed on this ticket before, by a run of the request that was reset; only a proof ends it.
    `delayed` is called when its lease cannot begin yet, because something else holds the id.
    """

    def __init__(
        self, order: LeaseOrder, subject: str, *, armed: bool = False, delayed: Callable[[], None] = lambda: None
    ) -> None:
        self.order = order
        self.lease_id = str(order.grantee.lease_id)
        self.expires_at = order.expires_at
        self.granted = False
        self.receipt: Signed | None = None
        self.followed = False
        self.ending = ""
        self.outcome: LeaseOutcome | None = None
        self.refusal = ""
        self._subject = subject
        self._armed = armed
        self._delayed = delayed
        self._began_at = workflow.now()
        self._begun = False
        self._reachable = False
        self._unwanted: str | None = None
        self._offer: ExtensionOffer | None = None
        self._answers: dict[str, LeaseNews] = {}

    @property
    def over(self) -> bool:
        """Whether the lease has ended with a signed outcome, or never came to be."""
        return self.outcome is not None or bool(self.refusal)

    @property
    def forgotten(self) -> str | None:
        """By whom the lease was given up, and why; None where it was not."""
        return self.outcome.note if self.outcome is not None and self.outcome.forgetting is not None else None

    def hear(self, news: LeaseNews) -> None:
        """Take news of this lease. That something was added is believed on a witness's word only, that it ends on anybody's."""
        if news.ending:
            self.ending = news.ending[:300]
        receipt = self._receipt_of(news)
        if news.state is LeaseState.ACTIVE and receipt is not None:
            self.granted = True
            self.receipt = self.receipt or news.receipt
            self.expires_at = min(news.expires_at, self.order.never_after)
        if self._offer is None or news.wish_id != self._offer.wish_id:
            return
        prolonged = receipt is not None and (receipt.action, receipt.until) == (
            WarrantKind.PROLONG,
            self._offer.new_end,
        )
        if prolonged or not news.prolonged:
            self._answers[news.wish_id] = news

    def answer_to(self, wish_id: str) -> LeaseNews | None:
        return self._answers.get(wish_id)

    async def keep(self) -> None:
        """Return when the lease is over. An end without a signed outcome begins an `end_only` lease, for as long as it takes."""
        order = self.order
        while not self.over:
            if self._unwanted is not None and not order.end_only:
                if not self._begun and not self._armed:
                    self.refusal = f"it was never started: {self._unwanted}"
                    return
                order = self.order.model_copy(update={"end_only": True})
            outcome = await self._guarded(order)
            self._reachable = False
            if outcome is Turn.AGAIN:
                await workflow.sleep(PAUSE, summary="before asking for the id again")
            elif outcome is not None and self._is_signed(outcome, proof_needed=order.end_only):
                self.outcome = outcome
            elif not self.refusal:
                order = self.order.model_copy(update={"end_only": True})
                await workflow.sleep(PAUSE, summary="before the access is ended anew")

    async def offer(self, offer: ExtensionOffer) -> None:
        """Offer a new end; news about another one is no answer to it."""
        self._offer = offer
        await self.send("offer_extension", offer)

    async def send(self, signal: str, message: ExtensionOffer | ExtensionCommit | Hint) -> bool:
        """Whether the lease, by its id, was told; one that is gone hears nothing, and its keeper sees to the rest."""
        try:
            await workflow.get_external_workflow_handle(self.lease_id).signal(signal, message)
        except Exception as error:  # noqa: BLE001 - what the lease did not hear, it does not do: nothing is added by silence
            workflow.logger.info("the lease was not told %s: %s", signal, error)
            return False
        return True

    async def end(self, why: str) -> None:
        """Have the lease end. From now on nothing is started here but an `end_only` lease.

        The lease is told to revoke and cancelled too, by id and without run id: a first run id would miss one that was
        reset. Start and cancel of one child in the same workflow task would be refused by the server for ever, so this
        waits until the start is acknowledged, and does nothing once the lease has ended.
        """
        self._unwanted = why
        await workflow.wait_condition(lambda: self._reachable or self.over)
        if not self._reachable:
            return
        heard = await self.send("revoke", Hint(note=why[:120]))
        if self._reachable:
            await self._cancel()
        if not heard:
            await self._end_anew()

    def line(self) -> LeaseLine:
        state = LeaseState.ACTIVE if self.granted else LeaseState.LOOKING
        if self.ending or self._unwanted is not None:
            state = LeaseState.REVOKING
        if self.over:
            state = LeaseState.CLOSED if self.forgotten is None else LeaseState.FORGOTTEN
        note = self.refusal or (words.ending(self.outcome.reason, self.outcome.note) if self.outcome else self.ending)
        return LeaseLine(
            lease_id=self.lease_id,
            target_name=self.order.grantee.target_name,
            state=state,
            expires_at=self.expires_at,
            note=note,
        )

    async def _guarded(self, order: LeaseOrder) -> LeaseOutcome | Turn | None:
        """As `_live`, but an error of our own is an end without an outcome, not the end of this task."""
        try:
            return await self._live(order)
        except Exception as error:  # noqa: BLE001 - nobody else would see to this lease
            workflow.logger.warning("keeping the lease failed and begins again: %s", error)
            return None if self._begun or self._armed else Turn.AGAIN

    async def _live(self, order: LeaseOrder) -> LeaseOutcome | Turn | None:
        """Start the lease and see it to its end; None when it ended without an outcome."""
        try:
            child: workflow.ChildWorkflowHandle[Any, RawValue] = await workflow.start_child_workflow(
                LEASE_TYPE,
                order,
                result_type=RawValue,
                id=self.lease_id,
                task_queue=options.sibling(Queue.LEASES),
                parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
                cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                static_summary=words.lease_summary(order, self._subject),
                memo=memo_of(order),
                search_attributes=attributes_of(
                    order,
                    self._subject,
                    SearchAttributePair(STATE_KEY, LeaseState.LOOKING),
                    SearchAttributePair(EXPIRES_AT_KEY, order.expires_at),
                ),
            )
        except WorkflowAlreadyStartedError:
            return await self._with_the_holder(order)
        self._begun = self._reachable = True
        try:
            return read(await child, LeaseOutcome)
        except ChildWorkflowError as error:
            workflow.logger.warning("the lease ended without an outcome: %s", cause_of(error))
            return None

    async def _with_the_holder(self, order: LeaseOrder) -> LeaseOutcome | Turn | None:
        """Somebody holds the id: follow a lease of our own, wait for one that is on its way out, or refuse and name it."""
        self._delayed()
        holder = await self._describe()
        if holder is None or not holder.running:
            return Turn.AGAIN
        if not holder.is_lease:
            return await self._oust(order)
        ours = holder.issue_id == order.ticket.issue_id
        if ours and (order.end_only or holder.terms_digest == order.terms_digest):
            self.followed = self._reachable = True
            self.granted = self.granted or holder.state == LeaseState.ACTIVE
            return await self._follow()
        if order.end_only:
            return await self._follow()
        if ours:
            await self._cancel()
        elif not _is_leaving(holder):
            self.refusal = f"{holder.ticket_key} holds this access already; extend it there, or wait until it ends"
            return None
        await self._follow()
        return Turn.AGAIN

    async def _oust(self, order: LeaseOrder) -> LeaseOutcome | Turn | None:
        """Something that is no lease holds the id. What must be taken away takes its place; what would be added is refused."""
        if not order.end_only:
            self.refusal = "something that is no lease holds the id of this access; look at it in the Temporal UI"
            return None
        await workflow.execute_activity(
            EngineActivities.replace_holder.__name__,
            order,
            result_type=RawValue,
            **options.writing("take the place of what is no lease"),
        )
        return await self._follow()

    async def _cancel(self) -> None:
        try:
            await workflow.get_external_workflow_handle(self.lease_id).cancel()
        except Exception as error:  # noqa: BLE001 - a lease that is gone needs no cancel, and its keeper sees to the rest
            workflow.logger.info("the lease was not cancelled: %s", error)

    async def _end_anew(self) -> None:
        """Nobody holds the id: its end is on its way to `keep`, unless a reset of this request has cut that off for ever."""
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: not self._reachable, timeout=3 * PAUSE, timeout_summary="the end of the lease is heard of"
            )
        if self._reachable:
            await self.keep()

    async def _describe(self) -> HolderResult | None:
        try:
            return await ask(
                EngineActivities.describe_holder,
                HolderInput(lease_id=self.lease_id),
                **options.judging("who holds this lease id?", options.LOOK_BUDGET),
            )
        except (ActivityError, SignatureRefusedError):
            return None

    async def _follow(self) -> LeaseOutcome | None:
        try:
            followed = await ask(
                EngineActivities.follow_lease,
                HolderInput(lease_id=self.lease_id),
                **options.following("until that lease has ended"),
            )
        except (ActivityError, SignatureRefusedError):
            return None
        return followed.outcome

    def _is_signed(self, outcome: LeaseOutcome, *, proof_needed: bool) -> bool:
        """Whether an outcome is believed: a proof; a forgetting by two people; or, of a lease that sent nothing, a witness's
        word that nobody had.
        """
        keys, apart = self.order.keys, self.order.surface.read_lag
        try:
            if outcome.forgetting is not None:
                verify_forgetting(
                    outcome.forgetting, keys, lease_id=self.lease_id, not_before=self._began_at, apart=apart
                )
                return True
            if outcome.proof is not None:
                verify_proof(outcome.proof, keys, lease_id=self.lease_id, not_before=self._began_at, apart=apart)
                return True
            if proof_needed or self._armed or self.granted or self.followed:
                return False
            if outcome.sent is not Sent.NOTHING or outcome.disclaimer is None:
                return False
            word = read_observation(outcome.disclaimer, keys, lease_id=self.lease_id, not_before=self._began_at)
        except SignatureRefusedError:
            return False
        return not word.own

    def _receipt_of(self, news: LeaseNews) -> Receipt | None:
        """The witness's receipt for what the news says was added, if it is of this lease, and not of one before it."""
        try:
            receipt = news.receipt.open(Receipt, self.order.keys) if news.receipt is not None else None
        except SignatureRefusedError:
            return None
        if receipt is None or not receipt.lease_id == self.lease_id == news.lease_id:
            return None
        is_new = self.followed or receipt.acknowledged_at >= self._began_at
        return receipt if is_new and receipt.action in set(WarrantKind) else None


def _is_leaving(holder: HolderResult) -> bool:
    """Whether it is on its way out. One that ends at its time says so only when that does not go well."""
    return holder.state in ENDING_STATES or (holder.expires_at is not None and holder.expires_at <= workflow.now())
