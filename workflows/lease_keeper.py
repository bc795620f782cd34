"""Stays with one lease of a request, from its start to a signed end. Starts an `end_only` lease when a lease ends without one."""

from datetime import datetime, timedelta
from enum import Enum

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ChildWorkflowError, WorkflowAlreadyStartedError

from activities.engine import MEMO_ISSUE_ID, MEMO_TERMS_DIGEST, MEMO_TICKET_KEY, EngineActivities
from domain.errors import SignatureRefusedError
from domain.lease import LeaseState, Sent
from domain.messages import (
    ExtensionCommit,
    ExtensionOffer,
    Hint,
    HolderInput,
    HolderResult,
    LeaseLine,
    LeaseNews,
    LeaseOrder,
    LeaseOutcome,
)
from domain.queues import Queue
from domain.search import EXPIRES_AT, STATE, SUBJECT, TARGET, TICKET
from domain.witness import Observation, Presence, Receipt, verify_proof
from workflows import options, words
from workflows.failures import cause_of
from workflows.lease import LeaseWorkflow

ENDING_STATES = frozenset({LeaseState.REVOKING, LeaseState.STUCK, LeaseState.RECORDING, LeaseState.CLOSED})


MAX_ANSWERS = 256
"""More than any entitlement lets a lease be extended; what is beyond it is not heard."""


class Turn(Enum):
    """What came of asking for an id, when it was neither got nor refused."""

    AGAIN = "again"


PAUSE = timedelta(seconds=1)
"""Before asking again for an id that somebody else held a moment ago."""


class LeaseKeeper:
    """One target of a request. `keep` runs as a task of its own, which no cancel of the request reaches."""

    def __init__(self, order: LeaseOrder, subject: str) -> None:
        self.order = order
        self.lease_id = str(order.grantee.lease_id)
        self.expires_at = order.expires_at
        self.granted = False
        self.ending = ""
        self.outcome: LeaseOutcome | None = None
        self.refusal = ""
        self._subject = subject
        self._reachable = False
        self._asked_to_end = False
        self._answers: dict[str, LeaseNews] = {}

    @property
    def over(self) -> bool:
        """Whether the lease has ended with a signed outcome, or never came to be."""
        return self.outcome is not None or bool(self.refusal)

    def hear(self, news: LeaseNews) -> None:
        """Take news of this lease. That something was added is believed on a witness's word only, that it ends on anybody's."""
        witnessed = self._is_witnessed(news)
        if news.state is LeaseState.REVOKING:
            self.ending = news.note[:300] or "it is being taken back"
        if news.state is LeaseState.ACTIVE and witnessed:
            self.granted = True
            self.expires_at = min(news.expires_at, self.order.never_after)
        if news.wish_id and len(self._answers) < MAX_ANSWERS and (witnessed or not news.prolonged):
            self._answers[news.wish_id] = news

    def answer_to(self, wish_id: str) -> LeaseNews | None:
        return self._answers.get(wish_id)

    async def keep(self) -> None:
        """Return when the lease is over. An end without a signed outcome begins an `end_only` lease, for as long as it takes."""
        order, began_at = self.order, workflow.now()
        while not self.over:
            outcome = await self._live(order)
            if outcome is Turn.AGAIN:
                await workflow.sleep(PAUSE, summary="before asking for the id again")
            elif outcome is not None and self._is_signed(outcome, began_at, proof_needed=order.end_only):
                self.outcome = outcome
            elif not self.refusal:
                order = self.order.model_copy(update={"end_only": True})
                await workflow.sleep(PAUSE, summary="before the access is ended anew")

    async def send(self, signal: str, message: ExtensionOffer | ExtensionCommit | Hint) -> None:
        """Signal the lease by id; one that is gone hears nothing, and its keeper sees to the rest."""
        try:
            await workflow.get_external_workflow_handle(self.lease_id).signal(signal, message)
        except Exception as error:  # noqa: BLE001 - what the lease did not hear, it does not do: nothing is added by silence
            workflow.logger.info("the lease was not told %s: %s", signal, error)

    async def end(self, why: str) -> None:
        """Tell the lease to revoke, and cancel it too, by id and without run id: a first run id would miss one that was reset.

        Start and cancel of one child in the same workflow task would be refused by the server for ever, so this waits
        until the start is acknowledged.
        """
        await workflow.wait_condition(lambda: self._reachable or self.over)
        if self.over or self._asked_to_end:
            return
        self._asked_to_end = True
        await self.send("revoke", Hint(note=why[:120]))
        try:
            await workflow.get_external_workflow_handle(self.lease_id).cancel()
        except Exception as error:  # noqa: BLE001 - a lease that is gone needs no cancel, and its keeper sees to the rest
            workflow.logger.info("the lease was not cancelled: %s", error)

    def line(self) -> LeaseLine:
        state = LeaseState.ACTIVE if self.granted else LeaseState.LOOKING
        if self.ending:
            state = LeaseState.REVOKING
        if self.over:
            state = LeaseState.CLOSED
        note = self.refusal or (words.ending(self.outcome.reason, self.outcome.note) if self.outcome else self.ending)
        return LeaseLine(
            lease_id=self.lease_id,
            target_name=self.order.grantee.target_name,
            state=state,
            expires_at=self.expires_at,
            note=note,
        )

    async def _live(self, order: LeaseOrder) -> LeaseOutcome | Turn | None:
        """Start the lease and see it to its end; None when it ended without an outcome."""
        try:
            child = await workflow.start_child_workflow(
                LeaseWorkflow.run,
                order,
                id=self.lease_id,
                task_queue=options.sibling(Queue.LEASES),
                parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
                cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                static_summary=words.lease_summary(order),
                memo={
                    MEMO_ISSUE_ID: order.ticket.issue_id,
                    MEMO_TICKET_KEY: order.ticket.key,
                    MEMO_TERMS_DIGEST: order.terms_digest,
                },
                search_attributes=self._search_attributes(order),
            )
        except WorkflowAlreadyStartedError:
            return await self._with_the_holder(order)
        self._reachable = True
        try:
            return await child
        except ChildWorkflowError as error:
            workflow.logger.warning("the lease ended without an outcome: %s", cause_of(error))
            return None

    async def _with_the_holder(self, order: LeaseOrder) -> LeaseOutcome | Turn | None:
        """Somebody holds the id: follow a lease of our own, wait for one that is on its way out, or refuse and name it."""
        holder = await self._describe()
        if holder is None or not holder.running:
            return Turn.AGAIN
        ours = holder.issue_id == order.ticket.issue_id
        if order.end_only or (ours and holder.terms_digest == order.terms_digest):
            self._reachable = True
            self.granted = self.granted or not order.end_only
            return await self._follow()
        if ours:
            await workflow.get_external_workflow_handle(self.lease_id).cancel()
        elif holder.state not in ENDING_STATES:
            self.refusal = f"{holder.ticket_key} holds this access already; extend it there, or wait until it ends"
            return None
        await self._follow()
        return Turn.AGAIN

    async def _describe(self) -> HolderResult | None:
        try:
            return await workflow.execute_activity_method(
                EngineActivities.describe_holder,
                HolderInput(lease_id=self.lease_id),
                **options.judging("who holds this lease id?", options.LOOK_BUDGET),
            )
        except ActivityError:
            return None

    async def _follow(self) -> LeaseOutcome | None:
        try:
            followed = await workflow.execute_activity_method(
                EngineActivities.follow_lease,
                HolderInput(lease_id=self.lease_id),
                **options.following("until that lease has ended"),
            )
        except ActivityError:
            return None
        return followed.outcome

    def _is_signed(self, outcome: LeaseOutcome, began_at: datetime, *, proof_needed: bool) -> bool:
        """Whether an outcome is believed: a proof; or, of a lease that sent nothing, a first look that is not our own access."""
        keys = self.order.keys
        try:
            if outcome.proof is not None:
                apart = self.order.surface.read_lag
                verify_proof(outcome.proof, keys, lease_id=self.lease_id, not_before=began_at, apart=apart)
                return True
            if proof_needed or outcome.sent is not Sent.NOTHING:
                return False
            if outcome.first_look is None:
                return True
            look = outcome.first_look.open(Observation, keys)
        except SignatureRefusedError:
            return False
        return look.lease_id == self.lease_id and not (look.own and look.presence is not Presence.ABSENT)

    def _is_witnessed(self, news: LeaseNews) -> bool:
        try:
            return news.receipt is not None and (
                news.receipt.open(Receipt, self.order.keys).lease_id == self.lease_id == news.lease_id
            )
        except SignatureRefusedError:
            return False

    def _search_attributes(self, order: LeaseOrder) -> TypedSearchAttributes:
        return TypedSearchAttributes(
            [
                SearchAttributePair(SearchAttributeKey.for_keyword(TICKET), order.ticket.key),
                SearchAttributePair(SearchAttributeKey.for_keyword(SUBJECT), self._subject),
                SearchAttributePair(
                    SearchAttributeKey.for_keyword_list(TARGET),
                    [order.grantee.target_name, str(order.grantee.target)],
                ),
                SearchAttributePair(SearchAttributeKey.for_keyword(STATE), LeaseState.LOOKING),
                SearchAttributePair(SearchAttributeKey.for_datetime(EXPIRES_AT), order.expires_at),
            ]
        )
