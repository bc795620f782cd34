"""Extensions inside a lease: the provider's deadline first, then the commit, then the lease's own end; or nothing at all."""

from collections import deque
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.access import AccessActivities
from activities.arming import ArmingActivities
from domain.durations import is_live, remaining
from domain.errors import SignatureRefusedError
from domain.lease import EndReason, LeaseEvent
from domain.lease_messages import ArmExtensionInput, ExtensionCommit, ExtensionOffer, GrantInput, VoidExtensionInput
from domain.signed import Signed
from domain.witness import Presence, read_observation
from workflows import options, words
from workflows.asking import ask
from workflows.failures import LeaseEnds, cause_of
from workflows.lease_book import LeaseBook

MAX_WAITING = 16
"""Offers or commits kept at once; a request sends one at a time."""

ARM_BUDGET = timedelta(seconds=30)
TOO_LATE = "the access had already ended"


class Prolonging:
    """The inbox of offers and commits, and the judging of one offer at a time. The inbox appends and cannot raise."""

    def __init__(self, book: LeaseBook) -> None:
        self._book = book
        self._offers: deque[ExtensionOffer] = deque()
        self._commit: ExtensionCommit | None = None
        self._receipt: Signed | None = None
        self._warrant: Signed
        self._asked_provider = False
        self._voids_due = 0

    @property
    def waiting(self) -> bool:
        return bool(self._offers)

    def unheard(self) -> tuple[str, ...]:
        """Wishes that arrived and got no verdict."""
        return tuple(offer.wish_id for offer in self._offers)

    def take_offer(self, offer: ExtensionOffer | None) -> None:
        if offer is not None and len(self._offers) < MAX_WAITING:
            self._offers.append(offer)

    def take_commit(self, commit: ExtensionCommit | None) -> None:
        """Kept only for the offer that is being judged."""
        if commit is not None and self._offers and commit.wish_id == self._offers[0].wish_id:
            self._commit = commit

    async def judge_next(self) -> None:
        """Take the next offer to its verdict and tell the request.

        Raises:
            LeaseEnds: the lease is to stop; or a provider that holds the deadline itself may hold the new one, and nobody knows.
        """
        book, offer = self._book, self._offers[0]
        self._commit = self._receipt = None
        self._asked_provider = False
        await workflow.wait_condition(lambda: self._voids_due == 0)
        refusal = await self._take_through(offer)
        self._offers.popleft()
        if not refusal:
            book.tell_request(offer.wish_id, prolonged=True, receipt=self._receipt)
            return
        book.tell_request(offer.wish_id, note=refusal)
        if book.order.surface.native_expiry and self._asked_provider:
            raise LeaseEnds(EndReason.EXTENSION_UNCERTAIN, refusal)

    async def _take_through(self, offer: ExtensionOffer) -> str:
        """Prolong, wait for the commit, move the end. Returns why it did not come about, or empty when it did."""
        book, old_end = self._book, self._book.status.expires_at
        if not old_end < offer.new_end <= book.order.never_after:
            return "the new end is not within the limits of this lease"
        book.advance(LeaseEvent.EXTENSION_OFFERED)
        committed = False
        try:
            refusal = await self._prolong(offer, old_end)
            book.go_on()
            if not refusal:
                book.tell_request(offer.wish_id, prolonged=True, receipt=self._receipt)
                refusal = await self._await_commit(old_end)
                book.go_on()
            if not refusal and is_live(workflow.now(), old_end):
                book.advance(LeaseEvent.EXTENSION_COMMITTED, expires_at=offer.new_end)
                book.show_warrant(self._warrant)
                committed = True
                return ""
            book.advance(LeaseEvent.EXTENSION_DROPPED)
            return refusal or TOO_LATE
        finally:
            if not committed:
                self._voids_due += 1
                book.paper.do(partial(self._void, offer.wish_id, old_end))

    async def _prolong(self, offer: ExtensionOffer, old_end: datetime) -> str:
        """Arm and prolong within the time that is left. Returns why it did not come about, or empty."""
        book = self._book
        request = ArmExtensionInput(order=book.brief, wish_id=offer.wish_id, current_end=old_end, new_end=offer.new_end)
        try:
            armed = await ask(
                ArmingActivities.arm_extension,
                request,
                **options.judging("judge and record the extension", _left(old_end, ARM_BUDGET)),
            )
            if armed.warrant is None:
                return "; ".join(armed.refused)
            asked_at = workflow.now()
            if not is_live(asked_at, old_end):
                return TOO_LATE
            self._asked_provider, self._warrant = True, armed.warrant
            prolonged = await ask(
                AccessActivities.prolong_access,
                GrantInput(order=book.brief, warrant=armed.warrant),
                **options.granting(f"move the end to {words.minute(offer.new_end)}"),
            )
            look = read_observation(prolonged.observation, book.order.keys, lease_id=book.lease_id, not_before=asked_at)
        except (ActivityError, SignatureRefusedError) as error:
            if self._asked_provider:
                book.write_closed_uncleanly()
            if is_cancelled_exception(error):
                raise
            return cause_of(error)
        self._receipt = prolonged.receipt
        book.write_closed(prolonged.receipt)
        return "" if look.presence is Presence.PRESENT else f"read back {look.presence}"

    async def _await_commit(self, old_end: datetime) -> str:
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._commit is not None or self._book.stop is not None,
                timeout=remaining(workflow.now(), old_end) or timedelta(milliseconds=1),
                timeout_summary="have all targets been prolonged?",
            )
        committed = self._commit is not None and self._commit.commit
        return "" if committed else "another target of this request was not prolonged"

    async def _void(self, wish_id: str, end: datetime) -> None:
        request = VoidExtensionInput(order=self._book.brief, wish_id=wish_id, end=end)
        await ask(ArmingActivities.void_extension, request, **options.writing("the old end is in force"))
        self._voids_due -= 1


def _left(end: datetime, budget: timedelta) -> timedelta:
    """The smaller of `budget` and what is left before `end`, and never nothing: zero would mean no limit to the engine."""
    return max(min(remaining(workflow.now(), end), budget), timedelta(milliseconds=1))
