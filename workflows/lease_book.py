"""What every part of a lease shares: its order, its status and how that is shown, its paper, its fence."""

from collections import deque
from contextlib import suppress
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.engine import MEMO_WARRANT
from domain.errors import NightlatchError, SignatureRefusedError
from domain.evidence import RecordKind
from domain.lease import EndReason, LeaseEvent, LeaseState, Sent, advance, must_revoke, open_lease
from domain.lease_messages import LeaseNews, LeaseOrder, PairInput
from domain.search import EXPIRES_AT, STATE
from domain.signed import Signed
from domain.warrant import Warrant
from domain.witness import Observation, Receipt, read_observation
from workflows import options, words
from workflows.failures import LeaseEnds, cause_of
from workflows.paper import Paper

SHOWN_STATES = frozenset(
    {
        LeaseState.ACTIVE,
        LeaseState.REVOKING,
        LeaseState.STUCK,
        LeaseState.RECORDING,
        LeaseState.FORGETTING,
        LeaseState.FORGOTTEN,
    }
)
"""States worth a search-attribute upsert each: what operators filter by. That a lease is closed, its run's own status says."""


class LeaseBook:
    """`stop` is set by whoever wants the lease to end; the main path of the lease obeys it.

    An end is *quiet* when it comes at the instant that ticket and list name, and no write of the lease can still be open: then
    neither is told anew of each step, until something goes otherwise than that.
    """

    def __init__(self, order: LeaseOrder) -> None:
        self.order = order
        self.lease_id = str(order.grantee.lease_id)
        self.brief = order.without_keys()
        self.pair = PairInput(order=self.brief)
        self.status = open_lease(order.expires_at)
        self.paper = Paper(order.ticket, self.lease_id, order.keys)
        self.stop: EndReason | None = None
        self.note = ""
        self._mail: deque[LeaseNews] = deque()
        self._recorded: set[str] = set()
        self._fenced_until: datetime | None = None
        self._quiet = False
        self._shown: LeaseState | None = None

    def advance(
        self, event: LeaseEvent, *, reason: EndReason | None = None, expires_at: datetime | None = None
    ) -> None:
        before = self.status
        self.status = advance(before, event, reason=reason, expires_at=expires_at)
        if self.status != before:
            self._show()
        if expires_at is not None:
            end_key = SearchAttributeKey.for_datetime(EXPIRES_AT)
            workflow.upsert_search_attributes([end_key.value_set(expires_at)])

    def end(self, reason: EndReason, note: str = "") -> None:
        """The lease ends for `reason`. One that takes away what others added fences from now: its own start."""
        self.note = (note or self.note)[:300]
        if self.status.sent is Sent.NOTHING and (self.order.end_only or reason is EndReason.RESET):
            self.status = must_revoke(self.status, reason)
            self.write_closed_uncleanly()
            return
        self._quiet = reason is EndReason.EXPIRED and self.status.sent is Sent.GRANTED and self._fenced_until is None
        if self._quiet:
            self.paper.hold()
        else:
            self.paper.release()
        self.advance(LeaseEvent.ENDED, reason=reason)

    def speak_up(self) -> None:
        """It does not go as everybody was told it would: from now on ticket and list hear of each step at once."""
        self._quiet = False
        self.paper.release()
        self._show()

    def go_on(self) -> None:
        """Called after every step: one that finished in spite of a stop must not lead to the next.

        Raises:
            LeaseEnds: the lease is to stop.
        """
        if self.stop is not None:
            raise LeaseEnds(self.stop)

    def failed(self, reason: EndReason, error: ActivityError | NightlatchError) -> LeaseEnds:
        """Why a step failed; a step that was cancelled failed for the reason of the cancel."""
        if is_cancelled_exception(error):
            return LeaseEnds(self.stop or EndReason.CANCELLED)
        return LeaseEnds(reason, cause_of(error))

    def record(
        self,
        name: str,
        kind: RecordKind,
        *,
        facts: dict[str, object] | None = None,
        witness: tuple[Signed, ...] = (),
        comment: str = "",
    ) -> None:
        """Note a fact of this run on the ticket, once.

        Its id is that of the witness's word, or drawn: a reset replays the same draws up to its point and others beyond it.
        So the new run tells nothing anew that the run before it has told, and all that it does itself.
        """
        if name in self._recorded:
            return
        self._recorded.add(name)
        its_own = witness[0].signature.value[:32] if witness else workflow.uuid4()
        told = {"run": workflow.info().run_id, **(facts or {})}
        self.paper.note(f"{name}/{its_own}", kind, facts=told, witness=witness, comment=comment)

    def believe(self, sealed: Signed, asked_at: datetime) -> Observation | None:
        """The observation, if a witness signed it for this lease after `asked_at`; anything else moves nothing."""
        try:
            return read_observation(sealed, self.order.keys, lease_id=self.lease_id, not_before=asked_at)
        except SignatureRefusedError:
            return None

    def is_witnessed(self, sealed: Signed, action: str, asked_at: datetime) -> bool:
        """Whether a witness signed that this was done for this lease after `asked_at`; a receipt for anything else is none."""
        try:
            receipt = sealed.open(Receipt, self.order.keys)
        except SignatureRefusedError:
            return False
        return (receipt.lease_id, receipt.action) == (self.lease_id, action) and receipt.acknowledged_at >= asked_at

    def show_warrant(self, sealed: Signed) -> None:
        """Bear the judge's word for the end that is in force, for the reconciler: without it a lease shields nobody."""
        with suppress(SignatureRefusedError):
            sealed.open(Warrant, self.order.keys)
            workflow.upsert_memo({MEMO_WARRANT: sealed})

    def write_closed(self, receipt: Signed | None) -> None:
        """A write has closed: only one that a witness says succeeded at its first attempt needs no fence."""
        try:
            if receipt is not None and receipt.open(Receipt, self.order.keys).attempt == 1:
                return
        except SignatureRefusedError:
            pass
        self.write_closed_uncleanly()

    def write_closed_uncleanly(self) -> None:
        self._fenced_until = workflow.now() + options.fence(self.order.surface.landing_lag)
        self.speak_up()

    def until_second_look(self) -> timedelta:
        """How long to wait from now, so that nothing sent before can land after the second look."""
        wait = self.order.surface.read_lag
        if self._fenced_until is not None:
            wait = max(wait, self._fenced_until - workflow.now())
        return wait

    def tell_request(
        self,
        wish_id: str = "",
        *,
        prolonged: bool = False,
        note: str = "",
        receipt: Signed | None = None,
        ending: str = "",
    ) -> None:
        """Tell the parent what is true now. Nobody waits for it: `post` sends it in its turn."""
        news = LeaseNews(
            lease_id=self.lease_id,
            run_id=workflow.info().run_id,
            state=self.status.state,
            at=workflow.now(),
            expires_at=self.status.expires_at,
            wish_id=wish_id,
            prolonged=prolonged,
            note=note[:300],
            receipt=receipt,
            ending=ending[:300],
        )
        self._mail.append(news)

    async def post(self) -> None:
        """Send the news in order until cancelled. A parent that is gone needs to know nothing."""
        parent = workflow.info().parent
        while parent is not None:
            await workflow.wait_condition(lambda: bool(self._mail))
            news = self._mail.popleft()
            try:
                await workflow.get_external_workflow_handle(parent.workflow_id).signal("lease_news", news)
            except Exception as error:  # noqa: BLE001 - a request that cannot be told changes nothing about the access
                workflow.logger.info("the request was not told: %s", error)
                self.paper.release()

    def _show(self) -> None:
        workflow.set_current_details(words.lease_details(self.order, self.status, self.note))
        if not self._quiet and self.status.state in SHOWN_STATES and self.status.state is not self._shown:
            self._shown = self.status.state
            workflow.upsert_search_attributes([SearchAttributeKey.for_keyword(STATE).value_set(self.status.state)])
