"""Whether a lease may be forgotten: a witness looks whether its target is gone, and the judge whether two people want it.

Neither is retried for ever: what cannot be told is a refusal, and the removal goes on beside it.
"""

from datetime import datetime

from temporalio import activity

from activities.callers import calling_lease, is_lease
from activities.engine_time import EngineClock, skew_refusal
from activities.failures import told_to_temporal
from activities.gone import GoneTickets
from activities.heartbeats import beating
from activities.ports import AccessProviders, Catalogues, RunInspector, TicketSystem
from activities.records import TicketRecords, judge_writer
from domain.canonical import KeyRing, SigningKey
from domain.catalogue import SURFACES
from domain.errors import NotFoundError, SignatureRefusedError
from domain.evidence import Record, RecordKind
from domain.forgetting import COMMAND, ForgetWord, GoneWord, judge_forgetting, verify_gone
from domain.ids import TargetRef
from domain.lease_messages import ForgetInput, ForgetResult, GoneResult, LeaseOrder, PairInput
from domain.paper import Fact
from domain.signed import Signed
from domain.ticket import TicketView
from domain.two_people import TwoPeopleVerdict
from domain.values import render_instant
from domain.witness import Presence

MOST_ASKED = 3
"""Other targets of an instance that are asked for, until one stands: all of it within one attempt."""

MAX_REASON, MAX_NOTE = 160, 60


class GoneActivities:
    """Holds the vendor credential. It signs that a target is gone only beside another of the same instance that stands."""

    def __init__(self, *, providers: AccessProviders, catalogues: Catalogues, witness: SigningKey) -> None:
        self._providers = providers
        self._catalogues = catalogues
        self._witness = witness

    @activity.defn(name="confirm_gone")
    async def confirm_gone(self, request: PairInput) -> GoneResult:
        """One look. Whatever is no well-formed answer of the vendor's is a failure, and never "gone"."""
        clock = EngineClock()
        grantee = request.order.grantee
        async with beating():
            with told_to_temporal():
                lease_id, run_id = calling_lease(request.order)
                provider = self._providers.for_target(grantee.kind, grantee.target)
                look = await provider.verify(grantee.target, grantee.subject)
                if look.presence is not Presence.UNKNOWN:
                    return GoneResult(
                        why_not=f"{grantee.target_name} is there, and the account is {look.presence} in it"
                    )
                found = await provider.find_target(grantee.target)
                if found.presence is not Presence.ABSENT:
                    return GoneResult(why_not=f"{grantee.target_name} is there")
                beside = await self._standing_beside(grantee.target)
                if beside is None:
                    return GoneResult(
                        why_not=f"no other target of {grantee.target.instance} is seen either, so that not {grantee.target_name}"
                        " may be gone but our sight of it; name one that stands in the catalogue, or mend the credential"
                    )
                word = GoneWord(
                    lease_id=lease_id,
                    run_id=run_id,
                    beside=beside,
                    observed_at=clock.now(),
                    vendor_request_id=found.vendor_request_id[:64],
                    note=found.note[:MAX_NOTE],
                )
                return GoneResult(word=Signed.seal(word, self._witness))

    async def _standing_beside(self, target: TargetRef) -> TargetRef | None:
        """Another target that the catalogue names there, and that is read right now."""
        others = [
            each
            for _, each in sorted(self._catalogues.current().targets.items())
            if each.instance == target.instance and each.ref != target
        ]
        for other in others[:MOST_ASKED]:
            found = await self._providers.for_target(other.kind, other.ref).find_target(other.ref)
            if found.presence is Presence.PRESENT:
                return other.ref
        return None


class ForgettingActivities:
    """The judge's part: asked by the running lease, it reads the ticket itself, and writes its record before it says yes."""

    def __init__(
        self,
        *,
        tickets: TicketSystem,
        records: TicketRecords,
        catalogues: Catalogues,
        runs: RunInspector,
        gone: GoneTickets,
        judge: SigningKey,
        keys: KeyRing,
    ) -> None:
        self._tickets = tickets
        self._records = records
        self._catalogues = catalogues
        self._runs = runs
        self._gone = gone
        self._judge = judge
        self._keys = keys

    @activity.defn(name="judge_forgetting")
    async def judge_forgetting(self, request: ForgetInput) -> ForgetResult:
        """Two people's word for the calling run, given after its removal began. A retry finds the record that it has written.

        When the removal began is the caller's word; never before the run itself began, which the engine tells.
        """
        clock = EngineClock()
        async with beating():
            with told_to_temporal():
                lease_id, run_id = calling_lease(request.order)
                since = max(request.ended_at, await self._began_at(lease_id, run_id))
                apart = SURFACES[request.order.grantee.kind].read_lag
                looks = verify_gone(
                    request.first, request.second, self._keys, lease_id=lease_id, not_before=since, apart=apart
                )
                view = await self._tickets.read(request.ticket)
                verdict, refused = self._verdict(view, lease_id, since, clock)
                if refused:
                    return ForgetResult(refused=refused)
                facts = _facts(run_id, view, verdict, looks)
                fact = Fact(fact_id=f"forgotten/{run_id}", kind=RecordKind.FORGOTTEN, at=clock.now(), facts=facts)
                record = await self._write(request.order, fact)
                return ForgetResult(word=self._word(lease_id, run_id, view, record))

    async def _began_at(self, lease_id: str, run_id: str) -> datetime:
        run = await self._runs.inspect(lease_id, run_id)
        if not is_lease(run.workflow_type, run.task_queue):
            raise SignatureRefusedError(f"{lease_id} is held by a {run.workflow_type}, which is no lease of ours")
        return run.began_at

    def _verdict(
        self, view: TicketView, lease_id: str, since: datetime, clock: EngineClock
    ) -> tuple[TwoPeopleVerdict, str]:
        """Who counts, and why that is not enough; empty when it is."""
        rules = self._tickets.rules
        verdict = judge_forgetting(
            view.comments,
            lease_id,
            self._catalogues.current(),
            own_account=rules.own_account,
            since=since,
            now=view.read_at,
        )
        refused = skew_refusal(clock.now(), view.read_at, "the ticket system")
        if view.project != rules.project:
            refused = f"{view.ref.key} is no ticket of project {rules.project}; ask for it on one"
        elif not refused and not verdict.holds:
            refused = f"{view.ref.key}: {verdict.lacking(f'`{COMMAND} {lease_id}`', since)}"
        return verdict, refused

    async def _write(self, order: LeaseOrder, fact: Fact) -> Record:
        """On the lease's own ticket; on the control ticket where that is gone. A chain that was broken holds nothing up."""
        writer = judge_writer(str(order.grantee.lease_id))
        try:
            chain = await self._records.append_newest(order.ticket, writer, (fact,), self._judge)
        except NotFoundError as error:
            await self._gone.confirm(order.ticket, error)
            chain = await self._records.append_newest(order.ticket, writer, (fact,), self._judge, self._gone.control)
        return next(record for record in chain if record.record_id == fact.fact_id)

    def _word(self, lease_id: str, run_id: str, view: TicketView, record: Record) -> Signed:
        """As the record says, which an earlier attempt may have written."""
        word = ForgetWord(
            lease_id=lease_id,
            run_id=run_id,
            ticket=view.ref,
            by=str(record.facts["by"]),
            reason=str(record.facts["reason"]),
            at=record.at,
            record=record.hash,
        )
        return Signed.seal(word, self._judge)


def _facts(
    run_id: str, view: TicketView, verdict: TwoPeopleVerdict, looks: tuple[GoneWord, GoneWord]
) -> dict[str, object]:
    return {
        "run": run_id,
        "by": verdict.by[:100],
        "reason": "; ".join(dict.fromkeys(consent.reason for consent in verdict.consents))[:MAX_REASON],
        "asked_on": view.ref.key,
        "comments": ", ".join(consent.comment_id for consent in verdict.consents)[:60],
        "gone_at": render_instant(looks[0].observed_at),
        "gone_again_at": render_instant(looks[1].observed_at),
    }
