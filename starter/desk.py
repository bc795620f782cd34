"""Where news of tickets becomes messages to requests: equal hints merge for a moment, and nothing starts without a look at the ticket."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from temporalio.client import Client

from activities.ports import TicketSystem
from activities.records import PREFIX
from activities.settings import Settings
from domain.errors import NotFoundError
from domain.ids import TicketRef
from domain.ticket import TicketRules, TicketView
from domain.values import Value
from starter.requests import Delivery, HintName, hint, start_or_hint

WINDOW = timedelta(milliseconds=50)
_URGENCY: tuple[HintName | None, ...] = ("revoke", "deny", "extend", "approve", None)
"""What takes away goes first; None only starts."""


class Outcome(StrEnum):
    """ACCEPTED: Temporal has it. CLOSED: the request is over. IGNORED: there is no request, and none was begun."""

    ACCEPTED = "accepted"
    CLOSED = "closed"
    IGNORED = "ignored"


class Told(Value):
    outcome: Outcome
    reason: str = ""


@dataclass
class _Errand:
    """One message to send, and everyone who waits to hear what became of it."""

    ticket: TicketRef
    by: str
    note: str
    waiting: list[asyncio.Future[Told]] = field(default_factory=list)


class Desk:
    """One worker for each ticket that has news: it sends one message after the other, and what came meanwhile merges."""

    def __init__(
        self, settings: Settings, client: Client, tickets: TicketSystem, *, window: timedelta = WINDOW
    ) -> None:
        self._settings = settings
        self._client = client
        self._tickets = tickets
        self._window_seconds = window.total_seconds()
        self._errands: dict[str, dict[HintName | None, _Errand]] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}

    async def tell(self, ticket: TicketRef, hint_name: HintName | None, *, by: str = "", note: str = "") -> Told:
        """Return once Temporal has the news, or once it is certain that it is none of its business.

        Raises:
            TemporalUnavailableError: Temporal did not take it.
            VendorError: whether a request may be started could not be read from the ticket.
        """
        errands = self._errands.setdefault(ticket.issue_id, {})
        errand = errands.setdefault(hint_name, _Errand(ticket, by, note))
        told: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        errand.waiting.append(told)
        if ticket.issue_id not in self._workers:
            work = self._work(ticket.issue_id)
            self._workers[ticket.issue_id] = asyncio.create_task(work, name=f"news of {ticket.key}")
        return await told

    async def _work(self, issue_id: str) -> None:
        try:
            while issue_id in self._errands:
                await asyncio.sleep(self._window_seconds)
                errands = self._errands.pop(issue_id)
                for hint_name in sorted(errands, key=_URGENCY.index):
                    await self._run(errands[hint_name], hint_name)
        finally:
            del self._workers[issue_id]

    async def _run(self, errand: _Errand, hint_name: HintName | None) -> None:
        try:
            told = await self._deliver(errand, hint_name)
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait
            for waiter in errand.waiting:
                if not waiter.done():
                    waiter.set_exception(error)
        else:
            for waiter in errand.waiting:
                if not waiter.done():
                    waiter.set_result(told)

    async def _deliver(self, errand: _Errand, hint_name: HintName | None) -> Told:
        ticket, by, note = errand.ticket, errand.by, errand.note
        if hint_name is not None:
            delivery = await hint(self._client, ticket, hint_name, by=by, note=note)
            if delivery is Delivery.ACCEPTED:
                return Told(outcome=Outcome.ACCEPTED)
        try:
            view = await self._tickets.read(ticket)
            why_not = why_no_request(view, self._tickets.rules) or await self._why_not_again(ticket)
        except NotFoundError as error:
            return Told(outcome=Outcome.IGNORED, reason=str(error))
        if why_not:
            return Told(outcome=Outcome.IGNORED, reason=why_not)
        delivery = await start_or_hint(self._client, self._settings, view.ref, hint_name, by=by, note=note)
        return Told(outcome=Outcome.ACCEPTED if delivery is Delivery.ACCEPTED else Outcome.CLOSED)

    async def _why_not_again(self, ticket: TicketRef) -> str:
        """Temporal forgets closed requests after its retention time; tickets do not."""
        if await self._tickets.read_properties(ticket, PREFIX):
            return "the ticket bears Nightlatch's records already: its request has been; open a new ticket"
        return ""


def why_no_request(view: TicketView, rules: TicketRules) -> str:
    """Why no request is begun for this ticket; empty when one may be."""
    if view.project != rules.project or view.request_type != rules.request_type:
        return f"it is a {view.request_type!r} in {view.project}, not a {rules.request_type!r} in {rules.project}"
    if view.status in rules.terminal_statuses:
        return f"its status is {view.status!r}"
    return ""
