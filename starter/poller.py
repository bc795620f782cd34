"""The catch-up for lost webhooks: asks the ticket system what has changed since a durable mark, and passes it on as hints."""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from activities.ports import TicketSystem
from domain.errors import ForbiddenError, InvalidError, MalformedError, NightlatchError, NotFoundError
from domain.ticket import TicketRules, TicketView
from starter.desk import Desk, Outcome
from starter.high_water import Mark, first_mark, load_mark, save_mark
from starter.requests import HintName
from starter.webhooks import command_of

log = logging.getLogger(__name__)

OVERLAP = timedelta(minutes=2)
"""Each round looks this much further back than the last one reached: searches lag, and clocks differ."""
STALE_AFTER_INTERVALS = 3


class Poller:
    """Polls for ever. A round that fails leaves the mark where it was, so that the next one does it again."""

    def __init__(
        self,
        desk: Desk,
        tickets: TicketSystem,
        *,
        state: Path,
        interval: timedelta,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._desk = desk
        self._tickets = tickets
        self._state = state
        self._interval = interval
        self._clock = clock
        self._mark: Mark | None = None
        self._stored: Mark | None = None
        self._trouble = ""
        self._passed_on: dict[str, str] = {}
        self._done_at: float | None = None

    async def run(self) -> NoReturn:
        while True:
            try:
                await self.poll_once()
                self._trouble = ""
            except OSError as error:
                self._trouble = f"; its mark cannot be kept: {error.strerror}"
                log.warning("polling goes on in memory, until the high-water mark can be kept again: %s", error)
            except NightlatchError as error:
                log.warning("polling failed and will be tried again in %s: %s", self._interval, error)
            except Exception:
                log.exception(
                    "polling failed in a way nobody thought of, and will be tried again in %s", self._interval
                )
            await asyncio.sleep(self._interval.total_seconds())

    def why_stale(self) -> str:
        """Why lost webhooks may go unnoticed; empty while the last whole round is younger than three intervals."""
        if self._done_at is None:
            return f"no poll has been completed yet{self._trouble}"
        age = timedelta(seconds=_monotonic() - self._done_at)
        if age < STALE_AFTER_INTERVALS * self._interval:
            return ""
        return f"the last complete poll was {age.total_seconds():.0f} s ago{self._trouble}"

    async def poll_once(self) -> None:
        """One round: every changed ticket is passed on once for each change by somebody else.

        Raises:
            VendorError: the ticket system could not be asked.
            TemporalUnavailableError: a hint was not taken.
            OSError: the mark could not be read back or written. The hints were passed on all the same.
        """
        if self._mark is None:
            try:
                self._mark = await asyncio.to_thread(load_mark, self._state, self._clock())
            except OSError:
                await self._round(first_mark(self._clock()))
                raise
            with suppress(OSError):  # at once, so that a day back is counted from the first start; else after the round
                await self._store(self._mark)
        self._mark = await self._round(self._mark)
        await self._store(self._mark)
        self._done_at = _monotonic()

    async def _round(self, mark: Mark) -> Mark:
        """Pass on what has changed since `mark`. Returns how far that came."""
        began_at = _monotonic()
        changed = await self._tickets.changed_since(mark.high_water_at - OVERLAP)
        tickets = {ticket.issue_id: ticket for ticket in (*mark.owed, *changed)}
        reached_at, owed = mark.high_water_at, []
        for ticket in tickets.values():
            try:
                view = await self._tickets.read(ticket)
                # The ticket system's own time of the search: what changed after it is for the next round.
                searched_at = view.read_at - timedelta(seconds=_monotonic() - began_at)
                reached_at = max(mark.high_water_at, searched_at)
                await self._pass_on(view)
            except NotFoundError as error:
                log.info("poll: %s is passed over: %s", ticket.key, error)
            except (MalformedError, InvalidError, ForbiddenError) as error:
                log.warning("poll: %s cannot be read and stays owed: %s", ticket.key, error)
                owed.append(ticket)
        self._passed_on = {issue_id: told for issue_id, told in self._passed_on.items() if issue_id in tickets}
        return Mark(high_water_at=reached_at, owed=tuple(owed))

    async def _pass_on(self, view: TicketView) -> None:
        fingerprint = _fingerprint(view, self._tickets.rules)
        if self._passed_on.get(view.ref.issue_id) == fingerprint:
            return
        for hint_name in hints_of(view, self._tickets.rules):
            told = await self._desk.tell(view.ref, hint_name, note="on the ticket, found by polling")
            log.info("poll: %s %s: %s %s", view.ref.key, hint_name, told.outcome, told.reason)
            if told.outcome is not Outcome.ACCEPTED:
                break
        self._passed_on[view.ref.issue_id] = fingerprint

    async def _store(self, mark: Mark) -> None:
        if mark != self._stored:
            await asyncio.to_thread(save_mark, self._state, mark)
            self._stored = mark


def hints_of(view: TicketView, rules: TicketRules) -> tuple[HintName, ...]:
    """What a ticket as it stands may ask for, taking away first. Which wishes are new is for the request to know."""
    commands = {command_of(comment.text) for comment in view.comments}
    look: HintName = "deny" if view.status in rules.terminal_statuses else "approve"
    wished: tuple[HintName, ...] = ("revoke", "extend")
    return (*(hint_name for hint_name in wished if hint_name in commands), look)


def _fingerprint(view: TicketView, rules: TicketRules) -> str:
    """Differs when somebody other than ourselves has done something to the ticket."""
    changes = tuple(change for change in view.changes if change.author != rules.own_account)
    comments = tuple(comment for comment in view.comments if comment.author != rules.own_account)
    told = TicketView.model_copy(view, update={"changes": changes, "comments": comments})
    return hashlib.sha256(told.model_dump_json(exclude={"read_at", "status"}).encode()).hexdigest()


def _monotonic() -> float:
    return asyncio.get_running_loop().time()
