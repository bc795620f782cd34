"""Activities that hold the vendor credential: look, grant, prolong, take away. What they did and saw they sign as witness."""

import asyncio
from datetime import timedelta

from temporalio import activity

from activities.engine_time import EngineClock, skew_refusal
from activities.failures import told_to_temporal
from activities.freeze import FreezeGate
from activities.heartbeats import beating
from activities.ports import AccessProvider, AccessProviders, Answered, Look, RunInspector, SessionsReceipt
from activities.records import TicketRecords, find, judge_writer
from activities.send_window import SendWindow
from domain.canonical import KeyRing, SigningKey
from domain.errors import GRANT_NEVER_RETRIED, ForbiddenError, RetryableError, SignatureRefusedError, VendorError
from domain.evidence import RecordKind
from domain.messages import GrantInput, GrantResult, LeaseOrder, LookResult, PairInput, RevokeResult, SessionsResult
from domain.signed import Signed
from domain.warrant import FREEZE_RECHECK_AGE, Warrant, WarrantKind, admit
from domain.witness import Observation, Presence, Receipt, SessionsEnded

MAX_REQUEST_ID, MAX_NOTE = 64, 60
"""A witness's words go whole into a record of the ticket, which is small (domain/evidence.py)."""


class AccessActivities:
    """Every provider call of a lease. Safe to repeat; one attempt each, Temporal retries."""

    def __init__(
        self,
        *,
        providers: AccessProviders,
        records: TicketRecords,
        freeze: FreezeGate,
        runs: RunInspector,
        keys: KeyRing,
        witness: SigningKey,
    ) -> None:
        self._providers = providers
        self._records = records
        self._freeze = freeze
        self._runs = runs
        self._keys = keys
        self._witness = witness

    @activity.defn(name="look_before_grant")
    async def look_before_grant(self, request: PairInput) -> LookResult:
        """Is the pair free, and may it be granted at all? `own` marks access that an earlier run of this lease added."""
        clock = EngineClock()
        order = request.order
        async with beating():
            with told_to_temporal(give_up_on=GRANT_NEVER_RETRIED):
                provider = self._providers.for_grantee(order.grantee)
                refusals = await provider.preflight(order.grantee.target, order.grantee.subject)
                look = await provider.verify(order.grantee.target, order.grantee.subject)
                skew = skew_refusal(clock.now(), look.vendor_at, order.grantee.target.instance)
                own = look.presence is not Presence.ABSENT and await self._is_own(order)
                observation = self._observe(clock, look, own=own)
        return LookResult(observation=observation, refusals=(*refusals, *([skew] if skew else [])))

    @activity.defn(name="grant_access")
    async def grant_access(self, request: GrantInput) -> GrantResult:
        """Add the pair by a warrant made for this very run, and read it back."""
        return await self._add(request, WarrantKind.GRANT)

    @activity.defn(name="prolong_access")
    async def prolong_access(self, request: GrantInput) -> GrantResult:
        """Move the provider's own deadline by a warrant made for this very run, and read the pair back."""
        return await self._add(request, WarrantKind.PROLONG)

    @activity.defn(name="revoke_access")
    async def revoke_access(self, request: PairInput) -> RevokeResult:
        """Take the pair away and end its sessions side by side, then look. Returns only when the look says absent.

        Needs nothing but the frozen order (DESIGN law 6). Every failure is retried for ever.
        """
        clock = EngineClock()
        grantee = request.order.grantee
        async with beating():
            with told_to_temporal():
                provider = self._providers.for_grantee(grantee)
                window = _send_window(provider)
                sessions = asyncio.create_task(_end_sessions(provider, request.order, window))
                try:
                    answered = await provider.revoke(grantee.target, grantee.subject, window)
                finally:
                    ended = await sessions
                receipt = self._receipt(clock, "revoke", answered)
                look = await provider.verify(grantee.target, grantee.subject)
                if look.presence is not Presence.ABSENT:
                    raise RetryableError(
                        f"{grantee.target}: read back {look.presence} after the removal ({look.note or 'no note'})"
                    )
                return RevokeResult(
                    observation=self._observe(clock, look),
                    receipt=receipt,
                    sessions=ended.achieved,
                    sessions_note=ended.note,
                )

    @activity.defn(name="observe_access")
    async def observe_access(self, request: PairInput) -> LookResult:
        """One more look at the pair, signed. Retried for ever until there is a readable, complete answer."""
        clock = EngineClock()
        grantee = request.order.grantee
        async with beating():
            with told_to_temporal():
                look = await self._providers.for_grantee(grantee).verify(grantee.target, grantee.subject)
                return LookResult(observation=self._observe(clock, look))

    @activity.defn(name="end_sessions")
    async def end_sessions(self, request: PairInput) -> SessionsResult:
        """End what the provider has issued to the subject. Retried for ever; `UNSUPPORTED` is an answer, a failure is not."""
        async with beating():
            with told_to_temporal():
                grantee = request.order.grantee
                provider = self._providers.for_grantee(grantee)
                receipt = await provider.end_sessions(grantee.target, grantee.subject, _send_window(provider))
                if receipt.achieved is SessionsEnded.FAILED:
                    raise RetryableError(
                        f"{grantee.target}: the sessions of {grantee.subject.user_id} were not ended: {receipt.note}"
                    )
                return SessionsResult(sessions=receipt.achieved, note=receipt.note)

    async def _add(self, request: GrantInput, kind: WarrantKind) -> GrantResult:
        clock = EngineClock()
        grantee = request.order.grantee
        async with beating():
            with told_to_temporal(give_up_on=GRANT_NEVER_RETRIED):
                provider = self._providers.for_grantee(grantee)
                window = _send_window(provider)
                warrant = await self._admitted(request, kind, clock)
                add = provider.grant if kind is WarrantKind.GRANT else provider.prolong
                receipt = self._receipt(clock, kind.value, await add(warrant, window))
                look = await provider.verify(warrant.target, warrant.subject)
                if look.presence is not Presence.PRESENT:
                    raise RetryableError(
                        f"{warrant.target}: read back {look.presence} after {kind} ({look.note or 'no note'})"
                    )
                return GrantResult(receipt=receipt, observation=self._observe(clock, look))

    async def _admitted(self, request: GrantInput, kind: WarrantKind, clock: EngineClock) -> Warrant:
        """The warrant, verified here and now, for the lease run that is calling, whose ticket does not say it has ended."""
        lease_id, run_id = _calling_run()
        warrant = admit(request.warrant, kind, lease_id=lease_id, run_id=run_id, keys=self._keys, now=clock.now())
        target, subject = request.order.grantee.target, request.order.grantee.subject
        if (warrant.target, warrant.subject) != (target, subject):
            raise SignatureRefusedError(f"this warrant is for {warrant.target}, not for {target}")
        await self._refuse_if_over(warrant)
        if clock.now() - warrant.issued_at > FREEZE_RECHECK_AGE:
            closed = await self._freeze.why_closed(clock.now())
            if closed:
                raise ForbiddenError(f"nothing is granted now: {closed}")
        return warrant

    async def _refuse_if_over(self, warrant: Warrant) -> None:
        judged = await self._records.chain(warrant.ticket, judge_writer(warrant.lease_id))
        if warrant.record not in {record.hash for record in judged}:
            raise SignatureRefusedError(f"the record that stands for this warrant is not on {warrant.ticket.key}")
        told = await self._records.chain(warrant.ticket, warrant.lease_id)
        if any(record.facts.get("run") == warrant.run_id for record in find(told, RecordKind.ENDING)):
            raise SignatureRefusedError(f"{warrant.ticket.key} says that this lease run has ended")

    async def _is_own(self, order: LeaseOrder) -> bool:
        lease_id, run_id = _calling_run()
        if await self._runs.first_run_id(lease_id, run_id) != run_id:
            return True
        return bool(find(await self._records.chain(order.ticket, lease_id), RecordKind.GRANTED))

    def _observe(self, clock: EngineClock, look: Look, *, own: bool = False) -> Signed:
        lease_id, run_id = _calling_run()
        observation = Observation(
            lease_id=lease_id,
            run_id=run_id,
            presence=look.presence,
            observed_at=clock.now(),
            vendor_request_id=look.vendor_request_id[:MAX_REQUEST_ID],
            own=own,
            note=look.note[:MAX_NOTE],
        )
        return Signed.seal(observation, self._witness)

    def _receipt(self, clock: EngineClock, action: str, answered: Answered) -> Signed:
        lease_id, run_id = _calling_run()
        receipt = Receipt(
            lease_id=lease_id,
            run_id=run_id,
            action=action,
            acknowledged_at=clock.now(),
            vendor_request_id=answered.vendor_request_id[:MAX_REQUEST_ID],
            attempt=activity.info().attempt,
        )
        return Signed.seal(receipt, self._witness)


def _calling_run() -> tuple[str, str]:
    """The workflow id and run id that the server says this activity belongs to.

    Raises:
        SignatureRefusedError: it was started on its own, outside any workflow.
    """
    info = activity.info()
    if not info.workflow_id or not info.workflow_run_id:
        raise SignatureRefusedError("this activity serves a lease only; it was started outside a workflow")
    return info.workflow_id, info.workflow_run_id


def _send_window(provider: AccessProvider) -> SendWindow:
    """Open for start-to-close less the client timeout (DESIGN 4, zombie writes)."""
    start_to_close = activity.info().start_to_close_timeout or timedelta(0)
    return SendWindow(start_to_close - provider.capabilities.client_timeout)


async def _end_sessions(provider: AccessProvider, order: LeaseOrder, window: SendWindow) -> SessionsReceipt:
    """A first try beside the removal: its failure is told, and the second try after the proof is retried for ever."""
    try:
        return await provider.end_sessions(order.grantee.target, order.grantee.subject, window)
    except VendorError as error:
        return SessionsReceipt(achieved=SessionsEnded.FAILED, note=f"{error.kind.value}: {error}"[:160])
