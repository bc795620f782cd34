"""The scribe: makes a ticket hold every fact once and in order, and tells people of the milestones."""

from collections.abc import Mapping

from temporalio import activity

from activities.failures import told_to_temporal
from activities.gone import GoneTickets
from activities.heartbeats import beating
from activities.ports import TicketSystem
from activities.records import TicketRecords
from domain.canonical import KeyRing, SigningKey, digest
from domain.errors import InvalidError, NotFoundError, SignatureRefusedError
from domain.evidence import JUDGE_KINDS, WITNESSED_KINDS, Record, RecordKind
from domain.extension import find_wishes
from domain.forgetting import GoneWord
from domain.ids import TicketRef
from domain.paper import WRITTEN, EvidenceInput, EvidenceResult, Fact, TicketFields, what_is_written
from domain.witness import Observation, Presence, Receipt

ACTIVE = "active"
CLOSED = "closed"
"""What a status is for; the ticket system's rules know what it is called."""

_TOLD_BY: Mapping[RecordKind, type[Receipt | Observation | GoneWord]] = {
    RecordKind.GRANTED: Receipt,
    RecordKind.ACTIVE: Receipt,
    RecordKind.SESSIONS_ENDED: Receipt,
    RecordKind.SUSPENDED: Receipt,
    RecordKind.TARGET_GONE: GoneWord,
}
"""What a witness's word for a kind of record is; for all others it is an observation of absence."""

GONE = "{key} was deleted, or is hidden from Nightlatch."
"""How the comment begins that announces records on the control ticket; by it they are found again."""


class EvidenceActivities:
    """Safe to repeat: a fact that the ticket holds already is not written again, a posted comment is found by its marker."""

    def __init__(
        self, *, tickets: TicketSystem, records: TicketRecords, gone: GoneTickets, scribe: SigningKey, keys: KeyRing
    ) -> None:
        self._tickets = tickets
        self._records = records
        self._gone = gone
        self._scribe = scribe
        self._keys = keys

    @activity.defn(name="record_evidence")
    async def record_evidence(self, request: EvidenceInput) -> EvidenceResult:
        """Write records, then comments, then fields. Waits for nothing and is waited for by no removal.

        What belongs on a ticket that is gone is kept on the control ticket, once, when its writer has told everything.
        """
        async with beating():
            with told_to_temporal():
                if request.writer != activity.info().workflow_id:
                    raise SignatureRefusedError(f"{activity.info().workflow_id} wrote in the name of {request.writer}")
                for fact in request.facts:
                    self._check(fact, request.writer)
                try:
                    unanswered = await self._unanswered(request)
                    if unanswered:
                        return EvidenceResult(records=0, unanswered=unanswered)
                    chain = await self._put(request)
                except NotFoundError as error:
                    await self._gone.confirm(request.ticket, error)
                    chain = await self._keep_aside(request) if request.final else ()
                written = self._scribe.sign(WRITTEN, what_is_written(request))
                return EvidenceResult(records=len(chain), head=chain[-1].hash if chain else "", written=written)

    async def _unanswered(self, request: EvidenceInput) -> int:
        """How many wishes nobody has judged; none are looked for where nobody asks."""
        if request.judged_wishes is None:
            return 0
        view = await self._tickets.read(request.ticket)
        return len({wish.wish_id for wish in find_wishes(view.comments)} - set(request.judged_wishes))

    async def _put(self, request: EvidenceInput) -> tuple[Record, ...]:
        chain = await self._records.append_newest(request.ticket, request.writer, request.facts, self._scribe)
        for fact in request.facts:
            if fact.comment:
                await self._tickets.comment(request.ticket, fact.comment, marker_of(request.writer, fact.fact_id))
        await self._set_fields(request.ticket, request.fields)
        return chain

    async def _keep_aside(self, request: EvidenceInput) -> tuple[Record, ...]:
        control, key = self._gone.control, request.ticket.key
        chain = await self._records.append_newest(request.ticket, request.writer, request.facts, self._scribe, control)
        marker = marker_of(request.writer, f"gone/{request.ticket.issue_id}")
        told = f"{GONE.format(key=key)} Its records by {request.writer} are kept on this ticket."
        await self._tickets.comment(control, told, marker)
        return chain

    async def _set_fields(self, ticket: TicketRef, fields: TicketFields) -> None:
        if fields.state or fields.active_from or fields.active_until:
            await self._tickets.set_fields(
                ticket, state=fields.state, active_from=fields.active_from, active_until=fields.active_until
            )
        rules = self._tickets.rules
        status = {ACTIVE: rules.active_status, CLOSED: rules.closed_status}.get(fields.transition_to)
        if status is not None:
            try:
                await self._tickets.transition(ticket, status)
            except InvalidError as error:
                activity.logger.warning("the ticket keeps its status: %s", error)

    def _check(self, fact: Fact, writer: str) -> None:
        """Refuse to sign what only the judge may say, and what no witness has said.

        Raises:
            SignatureRefusedError: the fact is not the scribe's to sign.
        """
        if fact.kind in JUDGE_KINDS:
            raise SignatureRefusedError(f"{fact.kind} is for the judge to write")
        bodies = [sealed.open(_TOLD_BY.get(fact.kind, Observation), self._keys) for sealed in fact.witness]
        if fact.kind not in WITNESSED_KINDS:
            return
        if not bodies:
            raise SignatureRefusedError(f"{fact.kind} needs the signed word of whoever saw it")
        for body in bodies:
            if body.lease_id != writer:
                raise SignatureRefusedError(
                    f"{fact.kind} of {writer} came with the word of a witness of {body.lease_id}"
                )
            if isinstance(body, Observation) and body.presence is not Presence.ABSENT:
                raise SignatureRefusedError(f"{fact.kind} came with an observation that says {body.presence}")


def marker_of(writer: str, fact_id: str) -> str:
    """The reference that a comment bears, by which a retry finds it."""
    return "nl-" + digest({"writer": writer, "fact": fact_id})[7:19]
