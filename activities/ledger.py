"""The tickets' own account of leases, read from the ticket system alone: what the sweep knows when the engine is gone."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from activities.crowd import each_of
from activities.ports import TicketSystem
from activities.records import TicketRecords
from domain.errors import NotFoundError
from domain.ids import TicketRef
from domain.ledger import Claim, read_claim
from domain.watch import WATCH_FOR

JUDGE = "judge/"
AT_ONCE = 8
INDEX_LAG = timedelta(minutes=10)
"""How far a search for changed tickets may lag behind the tickets."""


class Ledger:
    """Every claim of the last 90 days. Read again it asks for what has changed since, and for what was still open."""

    def __init__(self, tickets: TicketSystem, records: TicketRecords) -> None:
        self._tickets = tickets
        self._records = records
        self._claims: dict[TicketRef, tuple[Claim, ...]] = {}
        self._by_lease: dict[str, list[Claim]] = {}
        self._read_at: datetime | None = None

    @property
    def by_lease(self) -> Mapping[str, Sequence[Claim]]:
        """The claims of every lease id that a ticket tells of."""
        return self._by_lease

    def about(self, lease_id: str) -> Sequence[Claim]:
        return self._by_lease.get(lease_id, ())

    async def read(self, now: datetime) -> None:
        """Bring it up to date.

        Raises:
            VendorError: the ticket system could not be read to the end; what was known before stays as it was.
        """
        since = now - WATCH_FOR if self._read_at is None else self._read_at - INDEX_LAG
        changed = await self._tickets.changed_since(since)
        still_open = [ticket for ticket, claims in self._claims.items() if not all(claim.is_proved for claim in claims)]
        self._claims |= await each_of({*changed, *still_open}, self._claims_on, at_once=AT_ONCE)
        self._by_lease = {}
        for claim in (claim for claims in self._claims.values() for claim in claims):
            self._by_lease.setdefault(claim.lease_id, []).append(claim)
        self._read_at = now

    async def _claims_on(self, ticket: TicketRef) -> tuple[Claim, ...]:
        """A ticket that is gone claims nothing."""
        try:
            chains = await self._records.read_all(ticket)
        except NotFoundError:
            return ()
        claims = []
        for writer, (judged, is_whole) in chains.items():
            if not writer.startswith(JUDGE):
                continue
            lease_id = writer.removeprefix(JUDGE)
            told, told_whole = chains.get(lease_id, ((), True))
            claim = read_claim(ticket, lease_id, judged, told, is_whole=is_whole and told_whole)
            if claim is not None:
                claims.append(claim)
        return tuple(claims)
