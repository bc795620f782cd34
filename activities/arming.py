"""The judge's hand: the only code that issues warrants. It re-reads ticket, approval, catalogue and freeze when it is asked."""

from datetime import datetime

from temporalio import activity

from activities.approvals import Approvals
from activities.callers import calling_lease, refuse_unless_it_will_revoke
from activities.engine_time import EngineClock, skew_refusal
from activities.failures import told_to_temporal
from activities.freeze import FreezeGate
from activities.gone import GoneTickets
from activities.heartbeats import beating
from activities.ports import Catalogues, RunInspector, TicketSystem
from activities.records import TicketRecords, find, judge_writer
from domain.approval import ApprovalOutcome, ApprovalVerdict
from domain.canonical import SigningKey
from domain.catalogue import Catalogue
from domain.errors import GRANT_NEVER_RETRIED, NotFoundError, SignatureRefusedError
from domain.evidence import Record, RecordKind
from domain.extension import find_wishes, judge_extension, latest_end
from domain.lease_messages import ArmExtensionInput, ArmInput, ArmResult, LeaseOrder, VoidExtensionInput
from domain.ledger import ends_in_force
from domain.paper import EvidenceResult, Fact
from domain.signed import Signed
from domain.terms import Refused, RequestTerms, resolve_terms
from domain.ticket import TicketView
from domain.values import Instant, parse_instant, render_instant
from domain.warrant import GRANT_WINDOW, Warrant, WarrantKind


class ArmingActivities:
    """Asked by the running lease itself: its id and run id are taken from the server, not from its words."""

    def __init__(
        self,
        *,
        tickets: TicketSystem,
        records: TicketRecords,
        approvals: Approvals,
        catalogues: Catalogues,
        freeze: FreezeGate,
        runs: RunInspector,
        gone: GoneTickets,
        judge: SigningKey,
    ) -> None:
        self._tickets = tickets
        self._records = records
        self._approvals = approvals
        self._catalogues = catalogues
        self._freeze = freeze
        self._runs = runs
        self._gone = gone
        self._judge = judge

    @activity.defn(name="arm_lease")
    async def arm_lease(self, request: ArmInput) -> ArmResult:
        """Write the `armed` record of the calling lease run, read it back, and issue its one grant warrant.

        Refuses a second arming on the same approval; a retry for the same run finds its own record again.
        """
        clock = EngineClock()
        order = request.order
        async with beating():
            with told_to_temporal(give_up_on=GRANT_NEVER_RETRIED):
                await refuse_unless_it_will_revoke(self._runs, order)
                reasons, answer = await self._may_arm(order, clock)
                if reasons or answer is None:
                    return ArmResult(refused=reasons)
                lease_id, run_id = calling_lease(order)
                chain = await self._records.chain(order.ticket, judge_writer(lease_id))
                fact_id = f"armed/{run_id}"
                facts = {
                    "run": run_id,
                    "until": render_instant(order.expires_at),
                    "never_after": render_instant(order.never_after),
                    "digest": order.terms_digest,
                    "answer": answer.answer_id,
                    "approver": answer.approver,
                    "kind": order.grantee.kind.value,
                    "name": order.grantee.target_name[:60],
                }
                armed = find(chain, RecordKind.ARMED)
                others = [record for record in armed if record.record_id != fact_id]
                if others:
                    return ArmResult(
                        refused=(f"this approval was already used by run {others[0].facts['run']}; open a new request",)
                    )
                if armed and {name: armed[0].facts.get(name) for name in facts} != facts:
                    return ArmResult(refused=("this run was armed before with another end",))
                fact = Fact(fact_id=fact_id, kind=RecordKind.ARMED, at=clock.now(), facts=facts)
                return await self._issue(order, WarrantKind.GRANT, fact, chain, order.expires_at, clock)

    @activity.defn(name="arm_extension")
    async def arm_extension(self, request: ArmExtensionInput) -> ArmResult:
        """Write the `extended` record of the calling lease run, read it back, and issue a prolong warrant.

        The end in force is read from the judge's own records on the ticket, never from the caller.
        """
        clock = EngineClock()
        order = request.order
        async with beating():
            with told_to_temporal(give_up_on=GRANT_NEVER_RETRIED):
                await refuse_unless_it_will_revoke(self._runs, order)
                lease_id, run_id = calling_lease(order)
                view = await self._tickets.read(order.ticket)
                chain = await self._records.chain(order.ticket, judge_writer(lease_id))
                fact_id = f"extended/{run_id}/{request.wish_id}"
                earlier = tuple(record for record in chain if record.record_id != fact_id)
                reason = await self._may_extend(request, view, earlier, run_id, clock)
                if reason:
                    return ArmResult(refused=(reason,))
                facts = {
                    "run": run_id,
                    "wish": request.wish_id,
                    "from": render_instant(request.current_end),
                    "until": render_instant(request.new_end),
                }
                fact = Fact(fact_id=fact_id, kind=RecordKind.EXTENDED, at=clock.now(), facts=facts)
                return await self._issue(order, WarrantKind.PROLONG, fact, chain, request.new_end, clock)

    @activity.defn(name="void_extension")
    async def void_extension(self, request: VoidExtensionInput) -> EvidenceResult:
        """Say on the ticket that an extension did not come about and the old end is in force. It only takes away.

        On a ticket that is gone no extension stands that would have to be voided; nor in evidence that does not verify, for
        which no other record of the lease must wait.
        """
        clock = EngineClock()
        async with beating():
            with told_to_temporal():
                lease_id, run_id = calling_lease(request.order)
                writer = judge_writer(lease_id)
                try:
                    chain = await self._records.chain(request.order.ticket, writer)
                except NotFoundError as error:
                    await self._gone.confirm(request.order.ticket, error)
                    return EvidenceResult(records=0)
                except SignatureRefusedError:
                    return EvidenceResult(records=0)
                if not any(record.facts.get("wish") == request.wish_id for record in find(chain, RecordKind.EXTENDED)):
                    return EvidenceResult(records=len(chain))
                facts = {"run": run_id, "wish": request.wish_id, "until": render_instant(request.end)}
                fact = Fact(
                    fact_id=f"void/{run_id}/{request.wish_id}",
                    kind=RecordKind.EXTENSION_VOID,
                    at=clock.now(),
                    facts=facts,
                )
                grown = await self._records.append(request.order.ticket, writer, (fact,), self._judge, chain)
                return EvidenceResult(records=len(grown), head=grown[-1].hash)

    async def _may_arm(self, order: LeaseOrder, clock: EngineClock) -> tuple[tuple[str, ...], ApprovalVerdict | None]:
        """Every reason against arming this order now (empty: none), and the answer it would be armed on."""
        if order.end_only:
            return ("this lease only ends access",), None
        closed = await self._freeze.why_closed(clock.now())
        if closed:
            return (f"nothing is granted now: {closed}",), None
        view, terms, verdict = await self._approvals.read(order.ticket, order.terms_digest, clock.now())
        if terms is None or verdict.outcome is not ApprovalOutcome.APPROVED or verdict.answered_at is None:
            refused = "; ".join(answer.reason for answer in verdict.refused)
            return (f"the approval does not stand: {verdict.reason or refused or verdict.outcome}",), None
        return _order_faults(order, view, terms, verdict.answered_at, self._catalogues.current(), clock.now()), verdict

    async def _may_extend(
        self, request: ArmExtensionInput, view: TicketView, chain: tuple[Record, ...], run_id: str, clock: EngineClock
    ) -> str:
        """Why this wish must not move the end of the calling run, or empty."""
        now, catalogue = clock.now(), self._catalogues.current()
        armed = [record for record in find(chain, RecordKind.ARMED) if record.facts["run"] == run_id]
        terms = resolve_terms(view, catalogue, self._tickets.rules)
        if not armed or isinstance(terms, Refused) or terms.digest != armed[0].facts["digest"]:
            return "what was approved no longer stands on the ticket; open a new request"
        if view.status in self._tickets.rules.terminal_statuses:
            return f"the ticket is {view.status!r}"
        refusal = await self._freeze.why_closed(now) or skew_refusal(now, view.read_at, "the ticket system")
        if refusal:
            return refusal
        ends = ends_in_force(chain, run_id)
        wish = next((wish for wish in find_wishes(view.comments) if wish.wish_id == request.wish_id), None)
        if wish is None or any(record.facts.get("wish") == request.wish_id for record in chain):
            return "that comment is not an extension wish, or was used before"
        verdict = judge_extension(
            wish,
            terms,
            catalogue,
            own_account=self._tickets.rules.own_account,
            first_end=parse_instant(armed[0].facts["until"]),
            current_end=ends[-1],
            times_extended=len(ends) - 1,
            now=now,
        )
        if not verdict.granted:
            return verdict.reason
        if (ends[-1], verdict.new_end) != (request.current_end, request.new_end):
            return "the ends that were asked for are not those that the ticket's records allow"
        return ""

    async def _issue(
        self,
        order: LeaseOrder,
        kind: WarrantKind,
        fact: Fact,
        chain: tuple[Record, ...],
        expires_at: Instant,
        clock: EngineClock,
    ) -> ArmResult:
        lease_id, run_id = calling_lease(order)
        grown = await self._records.append(order.ticket, judge_writer(lease_id), (fact,), self._judge, chain)
        record = next(record for record in grown if record.record_id == fact.fact_id)
        now = clock.now()
        warrant = Warrant(
            kind=kind,
            ticket=order.ticket,
            lease_id=lease_id,
            run_id=run_id,
            target=order.grantee.target,
            subject=order.grantee.subject,
            expires_at=expires_at,
            issued_at=now,
            grant_before=min(now + GRANT_WINDOW, expires_at),
            terms_digest=order.terms_digest,
            record=record.hash,
        )
        return ArmResult(warrant=Signed.seal(warrant, self._judge))


def _order_faults(
    order: LeaseOrder, view: TicketView, terms: RequestTerms, answered_at: datetime, catalogue: Catalogue, now: datetime
) -> tuple[str, ...]:
    faults = []
    if (
        terms.digest != order.terms_digest
        or order.grantee not in terms.grantees
        or order.entitlement != terms.entitlement
    ):
        faults.append("the order is not what the ticket asks for")
    valid_for = catalogue.entitlements[terms.entitlement].approval.valid_for
    if not now < order.expires_at <= min(now, answered_at + valid_for) + terms.duration:
        faults.append("the end that was asked for is not the approval plus the duration")
    if order.never_after > latest_end(order.expires_at, terms.extension):
        faults.append("the last end that was asked for is beyond the extension terms")
    skew = skew_refusal(now, view.read_at, "the ticket system")
    return (*faults, *([skew] if skew else []))
