"""Judgements for the request: open it, has it been answered, what do people wish. Nothing here issues a warrant."""

from temporalio import activity

from activities.approvals import Approvals
from activities.engine import JUDGE_REQUEST
from activities.engine_time import EngineClock
from activities.failures import told_to_temporal
from activities.gone import GoneTickets
from activities.heartbeats import beating
from activities.ports import Catalogues, TicketSystem
from activities.questions import question_text
from activities.records import TicketRecords, find, judge_writer
from activities.turns import Turns
from domain.approval import ApprovalOutcome, ApprovalVerdict, AskedRound
from domain.canonical import KeyRing, SigningKey
from domain.catalogue import TargetKind
from domain.errors import NotFoundError, SignatureRefusedError
from domain.evidence import Record, RecordKind
from domain.extension import find_wishes, judge_extension, wants_revoke
from domain.ids import TicketRef, request_workflow_id
from domain.messages import (
    ArmedInput,
    ArmedLease,
    ArmedResult,
    JudgeInput,
    JudgeResult,
    OpenInput,
    OpenResult,
    WishesInput,
    WishesResult,
)
from domain.paper import Fact
from domain.terms import Refused, RequestTerms, resolve_terms
from domain.ticket import TicketView
from domain.values import parse_instant, render_instant


class JudgeActivities:
    """Judgements over the ticket. Every result is a value with reasons; a failure to read is a failure, never a yes."""

    def __init__(
        self,
        *,
        tickets: TicketSystem,
        records: TicketRecords,
        approvals: Approvals,
        catalogues: Catalogues,
        gone: GoneTickets,
        turns: Turns,
        judge: SigningKey,
        keys: KeyRing,
    ) -> None:
        self._tickets = tickets
        self._records = records
        self._gone = gone
        self._turns = turns
        self._approvals = approvals
        self._catalogues = catalogues
        self._judge = judge
        self._keys = keys

    @activity.defn(name="open_request")
    async def open_request(self, request: OpenInput) -> OpenResult:
        """Resolve what the ticket asks for and post it as round `round_number`, or say why it cannot be asked.

        The round is judged at once: of a run that was reset it may have been answered, and even used, before.
        Safe to repeat, also by a run that was reset: a round that stands on the ticket is found again.
        """
        clock = EngineClock()
        async with beating():
            with told_to_temporal():
                view = await self._tickets.read(request.ticket)
                writer = judge_writer(request_workflow_id(view.ref))
                chain = await self._chain_or_none(request.ticket, writer)
                if chain is None or (not chain and await self._records.any_on(request.ticket)):
                    return OpenResult(
                        refused=("this ticket already bears records that are not of this request; open a new one",)
                    )
                told = await self._chain_or_none(request.ticket, request_workflow_id(view.ref))
                if told is None or find(told, RecordKind.CLOSED):
                    return OpenResult(refused=("the request of this ticket was closed; open a new one",))
                if view.status in self._tickets.rules.terminal_statuses:
                    return OpenResult(refused=(f"the ticket is {view.status!r}; open a new one",))
                catalogue = self._catalogues.current()
                terms = resolve_terms(view, catalogue, self._tickets.rules)
                if isinstance(terms, Refused):
                    return OpenResult(refused=terms.reasons)
                asked = await self._ask(request, view, terms, chain, writer, clock)
                route = catalogue.entitlements[terms.entitlement].approval
                judged = await self._judged(request.ticket, terms.digest, clock)
                return OpenResult(
                    terms=terms, asked=asked, lapse_after=route.lapse_after, keys=self._keys, judged=judged
                )

    @activity.defn(name=JUDGE_REQUEST)
    async def judge_request(self, request: JudgeInput) -> JudgeResult:
        """Has the question been answered? `armed_until` tells a reset run that this approval has already been used."""
        clock = EngineClock()
        async with beating():
            await self._turns.wait(request.ticket)
            with told_to_temporal():
                judged = await self._judged(request.ticket, request.asked.digest, clock)
            if judged.verdict.outcome is ApprovalOutcome.APPROVED:
                self._turns.note(request.ticket)
            return judged

    @activity.defn(name="find_armed")
    async def find_armed(self, request: ArmedInput) -> ArmedResult:
        """Every lease that was armed on this ticket and is not over, proved or forgotten: a request that was reset must end them too.

        None on a ticket that is gone: what was armed on it ends in its time, or as soon as the bridge finds the ticket gone.
        """
        async with beating():
            with told_to_temporal():
                try:
                    chains = await self._records.all_chains(request.ticket)
                except NotFoundError as error:
                    await self._gone.confirm(request.ticket, error)
                    chains = {}
                leases = []
                for writer, chain in sorted(chains.items()):
                    if not writer.startswith(judge_writer("lease:")):
                        continue
                    lease_id = writer.removeprefix(judge_writer(""))
                    proved = {record.facts.get("run") for record in find(chains.get(lease_id, ()), RecordKind.PROVED)}
                    leases += [
                        ArmedLease(
                            lease_id=lease_id,
                            kind=TargetKind(record.facts["kind"]),
                            target_name=str(record.facts["name"]),
                            until=parse_instant(record.facts["until"]),
                            terms_digest=str(record.facts["digest"]),
                        )
                        for record in find(chain, RecordKind.ARMED)
                        if record.facts.get("run") not in proved and not find(chain[record.seq :], RecordKind.FORGOTTEN)
                    ]
                return ArmedResult(leases=tuple(leases), keys=self._keys)

    @activity.defn(name="judge_wishes")
    async def judge_wishes(self, request: WishesInput) -> WishesResult:
        """Judge every extension wish on the ticket that is not in `seen`, and find a wish to revoke. For people and planning.

        On a ticket that is gone nobody wishes for anything any more.
        """
        clock = EngineClock()
        async with beating():
            with told_to_temporal():
                try:
                    view = await self._tickets.read(request.ticket)
                except NotFoundError as error:
                    await self._gone.confirm(request.ticket, error)
                    return WishesResult()
                catalogue = self._catalogues.current()
                stop = wants_revoke(view.comments)
                verdicts, end, times = [], request.current_end, request.times_extended
                for wish in find_wishes(view.comments):
                    if wish.wish_id in request.seen:
                        continue
                    verdict = judge_extension(
                        wish,
                        request.terms,
                        catalogue,
                        own_account=self._tickets.rules.own_account,
                        first_end=request.first_end,
                        current_end=end,
                        times_extended=times,
                        now=clock.now(),
                    )
                    verdicts.append(verdict)
                    if verdict.granted and verdict.new_end is not None:
                        end, times = verdict.new_end, times + 1
                return WishesResult(
                    verdicts=tuple(verdicts), revoke_asked_by=(stop.author or "somebody") if stop else ""
                )

    async def _judged(self, ticket: TicketRef, shown: str, clock: EngineClock) -> JudgeResult:
        view, terms, verdict = await self._approvals.read(ticket, shown, clock.now())
        if terms is None:
            return JudgeResult(verdict=verdict)
        armed = [record for grantee in terms.grantees for record in await self._armed(view, str(grantee.lease_id))]
        ends = [parse_instant(record.facts["until"]) for record in armed if record.facts["digest"] == shown]
        if not ends or verdict.outcome is ApprovalOutcome.DENIED:
            return JudgeResult(verdict=verdict)
        used = ApprovalVerdict(
            outcome=ApprovalOutcome.APPROVED,
            answer_id=str(armed[0].facts["answer"]),
            approver=str(armed[0].facts["approver"]),
        )
        return JudgeResult(verdict=used, armed_until=max(ends))

    async def _ask(
        self,
        request: OpenInput,
        view: TicketView,
        terms: RequestTerms,
        chain: tuple[Record, ...],
        writer: str,
        clock: EngineClock,
    ) -> AskedRound:
        number = request.round_number
        marker = f"nl-{terms.digest[7:19]}-{number}"
        catalogue = self._catalogues.current()
        comment = await self._tickets.comment(request.ticket, question_text(view, terms, catalogue), marker)
        facts = {
            "round": number,
            "digest": terms.digest,
            "comment": comment.comment_id,
            "posted": render_instant(comment.at),
        }
        fact = Fact(fact_id=f"asked/{marker}", kind=RecordKind.ASKED, at=clock.now(), facts=facts)
        await self._records.append(request.ticket, writer, (fact,), self._judge, chain)
        return AskedRound(number=number, digest=terms.digest, posted_at=comment.at)

    async def _armed(self, view: TicketView, lease_id: str) -> tuple[Record, ...]:
        return find(await self._records.chain(view.ref, judge_writer(lease_id)), RecordKind.ARMED)

    async def _chain_or_none(self, ticket: TicketRef, writer: str) -> tuple[Record, ...] | None:
        try:
            return await self._records.chain(ticket, writer)
        except SignatureRefusedError:
            return None
