"""Activities that hold the vendor credential: look, grant, prolong, take away. What they did and saw they sign as witness."""

import asyncio

from temporalio import activity

from activities.attempt import send_window, to_its_end, which_attempt
from activities.callers import calling_lease, refuse_unless_it_will_revoke
from activities.engine_time import EngineClock, skew_refusal
from activities.failures import told_to_temporal
from activities.freeze import FreezeGate
from activities.heartbeats import beating
from activities.ports import AccessProvider, AccessProviders, Answered, Look, RunInspector, SessionsReceipt
from activities.records import TicketRecords, find, judge_writer
from activities.send_window import SendWindow
from domain.canonical import KeyRing, SigningKey
from domain.errors import (
    GRANT_NEVER_RETRIED,
    ForbiddenError,
    NotFoundError,
    RetryableError,
    SignatureRefusedError,
    VendorError,
)
from domain.evidence import RecordKind
from domain.lease_messages import (
    GrantInput,
    GrantResult,
    LeaseOrder,
    LookResult,
    ObserveInput,
    ObserveResult,
    PairInput,
    RevokeResult,
    SessionsResult,
    SuspendResult,
)
from domain.signed import Signed
from domain.values import Instant
from domain.warrant import FREEZE_RECHECK_AGE, Warrant, WarrantKind, admit
from domain.witness import SUSPEND, Observation, Presence, Receipt, SessionsEnded, sessions_action

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
                calling_lease(order)
                provider = self._providers.for_target(order.grantee.kind, order.grantee.target)
                refusals = await provider.preflight(order.grantee.target, order.grantee.subject)
                look = await provider.verify(order.grantee.target, order.grantee.subject)
                skew = skew_refusal(clock.now(), look.vendor_at, order.grantee.target.instance)
                own = look.presence is not Presence.ABSENT and await self._is_own(order)
                observation = self._observe(clock, order, look, own=own)
        return LookResult(observation=observation, refusals=(*refusals, *([skew] if skew else [])))

    @activity.defn(name="grant_access")
    async def grant_access(self, request: GrantInput) -> GrantResult:
        """Add the pair by a warrant made for this very run, and read it back."""
        return await self._add(request, WarrantKind.GRANT)

    @activity.defn(name="prolong_access")
    async def prolong_access(self, request: GrantInput) -> GrantResult:
        """Move the provider's own deadline by a warrant made for this very run, and read the pair back."""
        return await self._add(request, WarrantKind.PROLONG)

    @activity.defn(name="trace_run")
    async def trace_run(self, request: PairInput) -> LookResult:
        """Asked by a run that sent nothing: may there be access of this lease all the same? `own` says so, signed.

        An earlier run may have added it, which the engine tells; or this very run, in a time that the engine has forgotten:
        restored from a backup, or by a replica that lagged. Then the ticket bears an `armed` record, and the pair is there.
        """
        clock = EngineClock()
        async with beating():
            with told_to_temporal():
                lease_id, run_id = calling_lease(request.order)
                run = await self._runs.inspect(lease_id, run_id)
                own = run.follows_another or await self._is_armed_and_there(request.order)
                nobody_looked = Look(presence=Presence.UNKNOWN, note="the run was traced")
                return LookResult(observation=self._observe(clock, request.order, nobody_looked, own=own))

    @activity.defn(name="revoke_access")
    async def revoke_access(self, request: PairInput) -> RevokeResult:
        """Take the pair away and end its sessions side by side, then look. Returns only when the look says absent.

        Needs nothing but the frozen order (DESIGN law 6). Every failure is retried for ever.
        """
        clock = EngineClock()
        grantee = request.order.grantee
        async with beating():
            with told_to_temporal():
                calling_lease(request.order)
                provider = self._providers.for_target(grantee.kind, grantee.target)
                window = send_window(provider)
                sessions = asyncio.create_task(_end_sessions(provider, request.order, window))
                try:
                    answered = await provider.revoke(grantee.target, grantee.subject, window)
                finally:
                    ended = await sessions
                receipt = self._receipt(clock, request.order, "revoke", answered)
                look = await provider.verify(grantee.target, grantee.subject)
                if look.presence is not Presence.ABSENT:
                    raise RetryableError(
                        f"{grantee.target}: read back {look.presence} after the removal ({look.note or 'no note'})"
                    )
                return RevokeResult(
                    observation=self._observe(clock, request.order, look),
                    receipt=receipt,
                    sessions=ended.achieved,
                    sessions_note=ended.note,
                )

    @activity.defn(name="observe_access")
    async def observe_access(self, request: ObserveInput) -> ObserveResult:
        """One more look at the pair, signed. Retried for ever until there is a readable, complete answer.

        Sessions, where they are to be ended, are ended once the pair was seen absent, and tried once: a failure is told in the
        result, fails no look, and never makes this attempt longer than it may be.
        """
        clock = EngineClock()
        order, grantee = request.order, request.order.grantee
        async with beating():
            with told_to_temporal():
                calling_lease(order)
                provider = self._providers.for_target(grantee.kind, grantee.target)
                window = send_window(provider)
                look = await provider.verify(grantee.target, grantee.subject)
                observation = self._observe(clock, order, look)
                if not request.then_end_sessions or look.presence is not Presence.ABSENT:
                    return ObserveResult(observation=observation)
                try:
                    async with asyncio.timeout(window.left.total_seconds()):
                        ended = await _end_sessions(provider, order, window)
                except Exception as error:  # noqa: BLE001 - whatever went wrong with the sessions, the look stands
                    ended = SessionsReceipt(
                        achieved=SessionsEnded.FAILED, note=f"{type(error).__name__}: {error}"[:160]
                    )
                return ObserveResult(observation=observation, sessions=self._sessions_result(clock, order, ended))

    @activity.defn(name="end_sessions")
    async def end_sessions(self, request: PairInput) -> SessionsResult:
        """End what the provider has issued to the subject. Retried for ever; `UNSUPPORTED` is an answer, a failure is not."""
        clock = EngineClock()
        async with beating():
            with told_to_temporal():
                calling_lease(request.order)
                grantee = request.order.grantee
                provider = self._providers.for_target(grantee.kind, grantee.target)
                receipt = await provider.end_sessions(grantee.target, grantee.subject, send_window(provider))
                if receipt.achieved is SessionsEnded.FAILED:
                    raise RetryableError(
                        f"{grantee.target}: the sessions of {grantee.subject.user_id} were not ended: {receipt.note}"
                    )
                return self._sessions_result(clock, request.order, receipt)

    @activity.defn(name="suspend_subject")
    async def suspend_subject(self, request: PairInput) -> SuspendResult:
        """Suspend the whole account, because its access could not be taken away. Retried until that is done or no longer due.

        An attempt that is under way when it is no longer due tells all the same what it did to somebody's account.
        """
        clock = EngineClock()
        async with beating():
            with told_to_temporal():
                calling_lease(request.order)
                grantee = request.order.grantee
                provider = self._providers.for_target(grantee.kind, grantee.target)
                suspending = provider.suspend(grantee.target, grantee.subject, send_window(provider))
                answered = await to_its_end(suspending)
                return SuspendResult(receipt=self._receipt(clock, request.order, SUSPEND, answered))

    async def _add(self, request: GrantInput, kind: WarrantKind) -> GrantResult:
        clock = EngineClock()
        grantee = request.order.grantee
        async with beating():
            with told_to_temporal(give_up_on=GRANT_NEVER_RETRIED):
                provider = self._providers.for_target(grantee.kind, grantee.target)
                window = send_window(provider)
                warrant = await self._admitted(request, kind, clock)
                add = provider.grant if kind is WarrantKind.GRANT else provider.prolong
                answered = await add(warrant, window)
                receipt = self._receipt(clock, request.order, kind.value, answered, until=warrant.expires_at)
                look = await provider.verify(warrant.target, warrant.subject)
                if look.presence is not Presence.PRESENT:
                    raise RetryableError(
                        f"{warrant.target}: read back {look.presence} after {kind} ({look.note or 'no note'})"
                    )
                return GrantResult(receipt=receipt, observation=self._observe(clock, request.order, look))

    async def _admitted(self, request: GrantInput, kind: WarrantKind, clock: EngineClock) -> Warrant:
        """The warrant, verified here and now, for the lease run that is calling, whose ticket does not say it has ended."""
        await refuse_unless_it_will_revoke(self._runs, request.order)
        lease_id, run_id = calling_lease(request.order)
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
        """Access that an earlier lease of this ticket added: only behind its `armed` record, and only where none was before."""
        lease_id, run_id = calling_lease(order)
        if (await self._runs.inspect(lease_id, run_id)).follows_another:
            return True
        return bool(find(await self._records.chain(order.ticket, judge_writer(lease_id)), RecordKind.ARMED))

    async def _is_armed_and_there(self, order: LeaseOrder) -> bool:
        """Whether this lease was ever armed, and its pair is not seen absent. Evidence that does not verify may be of an arming."""
        try:
            if not find(
                await self._records.chain(order.ticket, judge_writer(str(order.grantee.lease_id))), RecordKind.ARMED
            ):
                return False
        except NotFoundError:
            return False
        except SignatureRefusedError:
            pass
        provider = self._providers.for_target(order.grantee.kind, order.grantee.target)
        try:
            look = await provider.verify(order.grantee.target, order.grantee.subject)
        except VendorError:
            return True
        return look.presence is not Presence.ABSENT

    def _sessions_result(self, clock: EngineClock, order: LeaseOrder, ended: SessionsReceipt) -> SessionsResult:
        """What was achieved, signed; a failure needs no witness."""
        sealed = None
        if ended.achieved is not SessionsEnded.FAILED:
            sealed = self._receipt(clock, order, sessions_action(ended.achieved), Answered())
        return SessionsResult(sessions=ended.achieved, note=ended.note, receipt=sealed)

    def _observe(self, clock: EngineClock, order: LeaseOrder, look: Look, *, own: bool = False) -> Signed:
        lease_id, run_id = calling_lease(order)
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

    def _receipt(
        self, clock: EngineClock, order: LeaseOrder, action: str, answered: Answered, *, until: Instant | None = None
    ) -> Signed:
        lease_id, run_id = calling_lease(order)
        receipt = Receipt(
            lease_id=lease_id,
            run_id=run_id,
            action=action,
            acknowledged_at=clock.now(),
            vendor_request_id=answered.vendor_request_id[:MAX_REQUEST_ID],
            attempt=which_attempt(),
            until=until,
        )
        return Signed.seal(receipt, self._witness)


async def _end_sessions(provider: AccessProvider, order: LeaseOrder, window: SendWindow) -> SessionsReceipt:
    """A first try beside the removal: its failure is told, and the second try after the proof is retried for ever."""
    try:
        return await provider.end_sessions(order.grantee.target, order.grantee.subject, window)
    except VendorError as error:
        return SessionsReceipt(achieved=SessionsEnded.FAILED, note=f"{error.kind.value}: {error}"[:160])
