"""What a request remembers and shows: its status, its timeline, its paper."""

from datetime import datetime
from types import MappingProxyType

from temporalio import workflow

from activities.evidence import ACTIVE, CLOSED
from domain.approval import ApprovalVerdict
from domain.evidence import RecordKind
from domain.extension import ExtensionVerdict
from domain.ids import TicketRef, request_workflow_id
from domain.lease_messages import LeaseOutcome
from domain.messages import RequestResult, StatusView, TimelineEntry
from domain.paper import Fact, TicketFields
from domain.request import RequestEvent, RequestOutcome, RequestState, RequestStatus, advance
from domain.terms import RequestTerms
from domain.values import render_instant
from workflows import words
from workflows.lease_keeper import LeaseKeeper
from workflows.paper import Paper

MAX_ENTRIES = 200
"""A timeline for people: what is beyond it stands on the ticket."""

MAX_ENTRIES_WITH_HINTS = 100
"""Beyond it no hint is told: a flood of them costs nothing, and leaves room for what the request does."""

_UNDECIDED = frozenset({RequestState.OPENING, RequestState.PENDING})
_OPEN = frozenset(RequestState) - {RequestState.CLOSING, RequestState.CLOSED}
_HEEDED = MappingProxyType(
    {"approve": _UNDECIDED, "deny": _OPEN, "extend": frozenset({RequestState.ACTIVE}), "revoke": _OPEN}
)

ANSWER_AGAIN = (
    "Nothing is granted. For another answer, send the ticket back to waiting and have an entitled approver decide."
)


class RequestBook:
    """Changes its status by the transition table alone, and keeps the ticket and the Temporal UI in step with it."""

    def __init__(self, ticket: TicketRef) -> None:
        self.ticket = ticket
        self.status = RequestStatus()
        self.paper = Paper(ticket, request_workflow_id(ticket))
        self.entries: list[TimelineEntry] = []
        self._terms: RequestTerms | None = None
        self._approver = ""
        self._until: datetime | None = None

    def heard(self, what: str, by: str) -> None:
        """A hint came. It is told while it can change anything, and once."""
        said = words.hint(what, by)
        repeats = bool(self.entries) and self.entries[-1].what == said
        if self.status.state in _HEEDED[what] and not repeats and len(self.entries) < MAX_ENTRIES_WITH_HINTS:
            self._tell(said)

    def asked(self, terms: RequestTerms, number: int) -> None:
        self._terms = terms
        self.status = advance(self.status, RequestEvent.ASKED)
        self.paper.show(TicketFields(state="Waiting for approval"))
        self._tell(f"asked for {terms.entitlement} for {terms.subject} (round {number})")

    def answers_refused(self, verdict: ApprovalVerdict) -> None:
        for refused in verdict.refused:
            self.paper.note(
                f"answer/{refused.answer_id}/refused",
                RecordKind.ANSWERED,
                facts={"answer": refused.answer_id, "by": refused.by, "counts": False, "reason": refused.reason[:200]},
                comment=f"The approval by {refused.by} does not count: {refused.reason}. {ANSWER_AGAIN}",
            )
            said = f"the approval by {refused.by} does not count: {refused.reason}"
            if said not in (entry.what for entry in self.entries):
                self._tell(said)

    def approved(self, verdict: ApprovalVerdict) -> None:
        self._approver = verdict.approver
        self.status = advance(self.status, RequestEvent.APPROVED)
        facts: dict[str, object] = {"answer": verdict.answer_id, "by": verdict.approver, "counts": True}
        self.paper.hold()  # what comes of it is told in a moment: each lease has little time to be granted or to end
        self.paper.note(f"answer/{verdict.answer_id}", RecordKind.ANSWERED, facts=facts)
        self.paper.show(TicketFields(state="Granting"))
        self._tell(f"approved by {verdict.approver}")

    def active(self, until: datetime, keepers: list[LeaseKeeper]) -> None:
        """Every lease is granted: one record for each, with its witness's word, and one comment."""
        self._until = until
        self.status = advance(self.status, RequestEvent.ALL_GRANTED)
        fields = TicketFields(state="Active", active_from=workflow.now(), active_until=until, transition_to=ACTIVE)
        self.paper.show(fields)
        comment = f"Access is active until {words.minute(until)}, approved by {self._approver}. It ends by itself."
        for number, keeper in enumerate(keepers):
            self.paper.note(
                f"active/{number}" if number else "active",
                RecordKind.ACTIVE,
                facts={"active_until": render_instant(until), "target": keeper.order.grantee.target_name[:60]},
                witness=(keeper.receipt,) if keeper.receipt is not None else (),
                comment="" if number else comment,
            )
        self.paper.release()
        self._tell(f"active until {words.minute(until)}")

    def wish_judged(self, verdict: ExtensionVerdict) -> None:
        """Somebody wished for more time, and this became of it."""
        if verdict.granted and verdict.new_end is not None:
            self._until = verdict.new_end
            self._tell(f"extended until {words.minute(verdict.new_end)}, as {verdict.person} wished")
        else:
            self._tell(f"not extended, as {verdict.person or 'somebody'} wished: {verdict.reason}")

    def decide(self, event: RequestEvent, outcome: RequestOutcome, why: str) -> None:
        """The request ends, as `outcome`, because of `why`."""
        self.paper.release()
        self.status = advance(self.status, event, outcome=outcome, why=why[:300])
        self._tell(f"{words.spelt(outcome)}: {why[:200]}")

    def all_ended(self) -> None:
        self.status = advance(self.status, RequestEvent.ALL_ENDED)
        self._tell("every lease is over")

    async def close(self, keepers: list[LeaseKeeper], judged: tuple[str, ...] | None) -> bool:
        """Put the end on the ticket, after everything else: one comment with a line for each target.

        False, with nothing written, when the ticket bears wishes that are not in `judged`; None looks for none.
        """
        outcome, why = self.status.outcome, self.status.why
        spelt = words.spelt(outcome) if outcome is not None else "ended"
        lines = [f"Closed: {spelt}" + (f" ({why})" if why else "") + "."]
        lines += [_lease_words(keeper) for keeper in keepers]
        answered = outcome is RequestOutcome.DENIED
        transition_to = "" if answered else CLOSED
        until = self._ended_at(keepers)
        forgotten = [keeper.order.grantee.target_name for keeper in keepers if keeper.forgotten is not None]
        state = f"Closed: forgotten, not proved: {', '.join(forgotten)}" if forgotten else f"Closed: {spelt}"
        self.paper.show(TicketFields(state=state[:255], active_until=until, transition_to=transition_to))
        facts: dict[str, object] = {"outcome": str(outcome), "why": why[:200], "leases": len(keepers)}
        end = Fact(fact_id="closed", kind=RecordKind.CLOSED, at=workflow.now(), facts=facts, comment="\n\n".join(lines))
        self._tell("closing the ticket")
        return await self.paper.finish(end, judged)

    def _ended_at(self, keepers: list[LeaseKeeper]) -> datetime | None:
        """When the last access was gone; the end that had been promised, where that is earlier.

        None when it never was active, or nobody knows.
        """
        if any(keeper.forgotten is not None for keeper in keepers):
            return None
        gone = [at for keeper in keepers if keeper.outcome and (at := keeper.outcome.removed_at)]
        return min(self._until, max(gone)) if self._until and gone else None

    def closed(self) -> None:
        self.status = advance(self.status, RequestEvent.CLOSED)
        self._tell("closed")

    def view(self, keepers: list[LeaseKeeper], expires_at: datetime | None) -> StatusView:
        return StatusView(
            ticket=self.ticket,
            state=self.status.state,
            outcome=self.status.outcome,
            why=self.status.why,
            subject=self._terms.subject if self._terms else "",
            entitlement=self._terms.entitlement if self._terms else "",
            approver=self._approver,
            expires_at=expires_at,
            leases=tuple(keeper.line() for keeper in keepers),
        )

    def result(self, keepers: list[LeaseKeeper]) -> RequestResult:
        outcomes: tuple[LeaseOutcome, ...] = tuple(keeper.outcome for keeper in keepers if keeper.outcome is not None)
        return RequestResult(outcome=self.status.outcome or RequestOutcome.ENDED, why=self.status.why, leases=outcomes)

    def _tell(self, what: str) -> None:
        if len(self.entries) < MAX_ENTRIES:
            self.entries.append(TimelineEntry(at=workflow.now(), what=what))
        workflow.set_current_details(words.request_details(self.view([], self._until), self.entries))


def _lease_words(keeper: LeaseKeeper) -> str:
    outcome = keeper.outcome
    name = keeper.order.grantee.target_name
    if outcome is None:
        return f"{name}: {keeper.refusal}."
    if keeper.forgotten is not None:
        return f"{name}: forgotten, not proved: {keeper.forgotten}."
    if outcome.proved_at is None or outcome.removed_at is None:
        return f"{name}: nothing was granted; {words.ending(outcome.reason, outcome.note)}."
    return f"{name}: gone at {words.minute(outcome.removed_at)}, proved at {words.minute(outcome.proved_at)}."
