"""The tickets' own account of leases, read from the ticket system alone: what the sweep knows when the engine is gone."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count

from activities.crowd import each_of
from activities.persisting import persist
from activities.ports import TicketSystem
from activities.records import PREFIX, TicketRecords, judge_writer, sweep_writer
from domain.catalogue import KIND_OF_SCOPE
from domain.durations import LONGEST
from domain.errors import InvalidInputError, NotFoundError, VendorError
from domain.evidence import Record
from domain.ids import LeaseId, TicketRef
from domain.ledger import Claim, broken_claim, granted_to, read_claim
from domain.watch import WATCH_FOR

AT_ONCE = 8
GENERATION = re.compile(r"~\d+$")
"""What the scribe adds to a writer's name when it begins a chain anew beside one that somebody has broken."""
INDEX_LAG = timedelta(minutes=10)
"""How far a search for changed tickets may lag behind the tickets."""


class Ledger:
    """Every claim that may still be open, and of those that are over the ones of the last 90 days.

    `remembered`: lease id -> the ticket on which an earlier run found an open claim. One that is gone from there since was
    ours, and nothing covers it. `unread`: why a ticket could not be read; of its pairs nothing is known.
    """

    def __init__(
        self,
        tickets: TicketSystem,
        records: TicketRecords,
        control: TicketRef,
        patience: timedelta,
        *,
        remembered: Mapping[str, TicketRef],
    ) -> None:
        self._tickets = tickets
        self._records = records
        self._control = control
        self._patience = patience
        self._claims: dict[TicketRef, tuple[Claim, ...]] = {}
        self._by_lease: dict[str, list[Claim]] = {}
        self._read_at: datetime | None = None
        self._reading = asyncio.Lock()
        self._numbers = count(1)
        self._begun = 0
        self._remembered = remembered
        self.unread: dict[TicketRef, str] = {}

    @property
    def by_lease(self) -> Mapping[str, Sequence[Claim]]:
        """The claims of every lease id that a ticket tells of."""
        return self._by_lease

    def about(self, lease_id: str) -> Sequence[Claim]:
        return self._by_lease.get(lease_id, ())

    async def read(self, now: datetime) -> None:
        """Bring it up to date, unless somebody else has begun to since this was called.

        Raises:
            VendorError: the ticket system could not be asked; what was known before stays as it was.
        """
        number = next(self._numbers)
        async with self._reading:
            if self._begun < number:
                self._begun = next(self._numbers)
                await self._read(now)

    async def _read(self, now: datetime) -> None:
        # An account that has lost its rights is shown an empty search: only beside the control ticket is it believed.
        await persist(lambda: self._tickets.read_properties(self._control, PREFIX), self._patience)
        since = now - LONGEST - WATCH_FOR if self._read_at is None else self._read_at - INDEX_LAG
        changed = await persist(lambda: self._tickets.changed_since(since), self._patience)
        still_open = {
            ticket for ticket, claims in self._claims.items() if not all(claim.is_settled for claim in claims)
        }
        unlisted = set(self._remembered.values()) - set(changed) - self._claims.keys()
        told = await each_of({*changed, *still_open, *unlisted, *self.unread}, self._claims_on, at_once=AT_ONCE)
        vanished = {ticket for ticket in unlisted if told[ticket] is None}
        self.unread = {
            ticket: f"{ticket.key} cannot be read: {said or 'it is listed, and is not there'}"
            for ticket, said in told.items()
            if not isinstance(said, tuple) and ticket not in vanished
        }
        self._claims |= {ticket: said for ticket, said in told.items() if isinstance(said, tuple)}
        self._read_at = now
        self._order(now - WATCH_FOR)

    def _order(self, oldest: datetime) -> None:
        self._by_lease = {}
        for claim in (claim for claims in self._claims.values() for claim in claims):
            if not claim.is_proved or claim.due_at > oldest:
                self._by_lease.setdefault(claim.lease_id, []).append(claim)
        for lease_id, ticket in self._remembered.items():
            if lease_id not in self._by_lease and ticket not in self.unread:
                self._by_lease[lease_id] = [broken_claim(ticket, lease_id)]

    async def _claims_on(self, ticket: TicketRef) -> tuple[Claim, ...] | str | None:
        """What a ticket claims, or why it cannot be read; None when there is none of that id."""
        try:
            chains = await persist(lambda: self._records.read_all(ticket), self._patience)
            return tuple(self._claims_of(ticket, chains))
        except NotFoundError:
            return None
        except (VendorError, ValueError, KeyError) as error:
            return f"{type(error).__name__}: {error}"[:200]

    def _claims_of(self, ticket: TicketRef, chains: Mapping[str, tuple[tuple[Record, ...], bool]]) -> list[Claim]:
        claims = []
        granted: dict[str, list[Record]] = {}
        for record in (record for chain, _ in chains.values() for record in chain):
            granted.setdefault(granted_to(record), []).append(record)
        names = {writer.removeprefix(judge_writer("")) for writer in chains} | granted.keys()
        for lease_id in sorted(filter(_is_lease_id, names)):
            judged, judged_whole = chains.get(judge_writer(lease_id), ((), True))
            _, told_whole = chains.get(lease_id, ((), True))
            about = {lease_id, sweep_writer(lease_id), judge_writer(lease_id)}
            tellers = (writer for writer in chains if GENERATION.sub("", writer) in about)
            told = [record for writer in tellers for record in chains[writer][0]] + granted.get(lease_id, [])
            claims.append(read_claim(ticket, lease_id, judged, told, is_whole=judged_whole and told_whole))
        return [claim for claim in claims if claim is not None]


def _is_lease_id(name: str) -> bool:
    try:
        return LeaseId.parse(name).target.scope in KIND_OF_SCOPE
    except InvalidInputError:
        return False
