"""Reads an approval back from the ticket: the terms today, the question as it was posted, and the verdict on the two."""

from datetime import datetime

from activities.ports import Catalogues, TicketSystem
from activities.records import TicketRecords, find, judge_writer
from domain.approval import ApprovalOutcome, ApprovalVerdict, AskedRound, judge_approval
from domain.evidence import RecordKind
from domain.ids import TicketRef, request_workflow_id
from domain.terms import Refused, RequestTerms, resolve_terms
from domain.ticket import TicketView


class Approvals:
    """Shared by everyone who must know whether a request stands approved at this moment."""

    def __init__(self, *, tickets: TicketSystem, records: TicketRecords, catalogues: Catalogues) -> None:
        self._tickets = tickets
        self._records = records
        self._catalogues = catalogues

    async def read(
        self, ticket: TicketRef, shown: str, now: datetime
    ) -> tuple[TicketView, RequestTerms | None, ApprovalVerdict]:
        """The ticket, its terms (None: they cannot be resolved any more) and the verdict on the question with digest `shown`.

        Raises:
            VendorError: the ticket cannot be read.
            SignatureRefusedError: its records do not verify.
        """
        view = await self._tickets.read(ticket)
        rules, catalogue = self._tickets.rules, self._catalogues.current()
        terms = resolve_terms(view, catalogue, rules)
        if isinstance(terms, Refused):
            outcome = ApprovalOutcome.DENIED if view.status in rules.terminal_statuses else ApprovalOutcome.CHANGED
            return view, None, ApprovalVerdict(outcome=outcome, reason="; ".join(terms.reasons))
        asked = await self._asked(view, shown)
        if asked is None:
            return (
                view,
                terms,
                ApprovalVerdict(outcome=ApprovalOutcome.CHANGED, reason="the posted question is not on the ticket"),
            )
        return view, terms, judge_approval(view, terms, asked, catalogue, rules, now)

    async def _asked(self, view: TicketView, shown: str) -> AskedRound | None:
        """The round posted last, by the judge's own record and our own unedited comment; None if they do not agree."""
        rounds = find(
            await self._records.chain(view.ref, judge_writer(request_workflow_id(view.ref))), RecordKind.ASKED
        )
        if not rounds or rounds[-1].facts["digest"] != shown:
            return None
        for comment in view.comments:
            ours = comment.author == self._tickets.rules.own_account and not comment.edited
            if ours and comment.comment_id == rounds[-1].facts["comment"]:
                return AskedRound(number=int(rounds[-1].facts["round"]), digest=shown, posted_at=comment.at)
        return None
