"""What the tickets themselves tell of leases: the judge's records of ends, and the lease's of its ending. Pure reading.

It needs no engine, so that access can be ended when the engine and its data are lost (DESIGN 6).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from domain.catalogue import KIND_OF_SCOPE, TargetKind
from domain.drift import Cover
from domain.evidence import Record, RecordKind
from domain.ids import LeaseId, TicketRef
from domain.lease import LeaseState
from domain.values import Instant, Value, parse_instant

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

ENDS = frozenset({RecordKind.ENDING, RecordKind.REFUSED, RecordKind.PROVED})
"""Whatever of these is told after the arming, by whichever run: from then on nobody is to be a member by it."""


class Claim(Value):
    """The newest armed run of a lease, as the verified records of one ticket tell it.

    `ended_at`: since when it ends, or is over. `is_proved`: its subject was seen absent twice. `is_settled`: its sessions were
    ended after that, too, or nothing had ever been sent. `is_forgotten`: two people gave it up, and nobody works on it; it
    shields nobody. `is_whole`: every record of it verifies; a claim of which some do not, or are missing, was granted once,
    and shields nobody any more.
    """

    ticket: TicketRef
    lease_id: str
    run_id: str
    kind: TargetKind
    target_name: str
    armed_at: Instant
    until: Instant
    ended_at: Instant | None = None
    is_proved: bool = False
    is_settled: bool = False
    is_whole: bool = True
    is_forgotten: bool = False

    @property
    def due_at(self) -> datetime:
        """From when on its subject is to be no member."""
        return self.until if self.ended_at is None else min(self.until, self.ended_at)

    @property
    def is_open(self) -> bool:
        """Whether it may still cover its subject, or be the one that takes them away."""
        return self.is_whole and not self.is_over

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do about it, unless its subject is seen as a member again."""
        return self.is_proved or self.is_forgotten


def read_claim(
    ticket: TicketRef,
    lease_id: str,
    judged: Sequence[Record],
    told: Sequence[Record],
    *,
    is_whole: bool,
) -> Claim | None:
    """What the judge's chain and whatever else was told of a lease claim; None when it was never armed.

    Where its arming was cut out, that it was granted is known from the lease's own word or its request's, and nothing else is.
    """
    armed = [record for record in judged if record.kind is RecordKind.ARMED]
    if not armed:
        is_ours = any(record.kind is RecordKind.GRANTED or granted_to(record) == lease_id for record in told)
        return broken_claim(ticket, lease_id) if is_ours else None
    facts, target = armed[-1].facts, LeaseId.parse(lease_id).target
    run_id = str(facts["run"])
    since = [record for record in told if record.at >= armed[-1].at]
    kinds = {record.kind for record in since}
    is_forgotten = RecordKind.FORGOTTEN in kinds
    return Claim(
        ticket=ticket,
        lease_id=lease_id,
        run_id=run_id,
        # Releases before this one did not write what the target is and is called.
        kind=TargetKind(facts.get("kind", KIND_OF_SCOPE[target.scope])),
        target_name=str(facts.get("name", target)),
        armed_at=armed[-1].at,
        until=ends_in_force(judged, run_id)[-1],
        ended_at=min((record.at for record in since if record.kind in ENDS), default=None),
        is_proved=RecordKind.PROVED in kinds,
        is_settled={RecordKind.PROVED, RecordKind.SESSIONS_ENDED} <= kinds
        or RecordKind.REFUSED in kinds
        or is_forgotten,
        is_whole=is_whole,
        is_forgotten=is_forgotten,
    )


def granted_to(record: Record) -> str:
    """The lease that a request's `active` record tells of, by the witness's word in it; empty for any other record."""
    if record.kind is not RecordKind.ACTIVE:
        return ""
    bodies = [word.get("body") for word in record.facts.get("witness", ())]
    return next((str(body["lease_id"]) for body in bodies if isinstance(body, dict) and "lease_id" in body), "")


def broken_claim(ticket: TicketRef, lease_id: str) -> Claim:
    """Of a lease of which nothing is known but that it was granted."""
    target = LeaseId.parse(lease_id).target
    return Claim(
        ticket=ticket,
        lease_id=lease_id,
        run_id="",
        kind=KIND_OF_SCOPE[target.scope],
        target_name=str(target),
        armed_at=LONG_AGO,
        until=LONG_AGO,
        is_whole=False,
    )


def ends_in_force(chain: Sequence[Record], run_id: str) -> list[datetime]:
    """The first end of a run and every end that followed it and was not voided, in order."""
    mine = [record for record in chain if record.facts.get("run") == run_id]
    void = {record.facts["wish"] for record in mine if record.kind is RecordKind.EXTENSION_VOID}
    kept = [
        record
        for record in mine
        if record.kind is RecordKind.ARMED or (record.kind is RecordKind.EXTENDED and record.facts["wish"] not in void)
    ]
    return [parse_instant(record.facts["until"]) for record in kept]


def speaking_for(claims: Iterable[Claim]) -> Claim | None:
    """The claim that speaks for a pair: of those that may still cover it the one that ends last, since only one runs at once."""
    return max(claims, key=lambda claim: (claim.is_open, claim.due_at), default=None)


def cover_of(claims: Iterable[Claim], now: datetime) -> Cover | None:
    """What the claims on one pair say, in the terms in which drift is judged; None where there is none."""
    claim = speaking_for(claims)
    if claim is None:
        return None
    return Cover(
        run_id=claim.run_id,
        running=claim.is_open,
        is_lease=True,
        state=LeaseState.ACTIVE if claim.ended_at is None else LeaseState.REVOKING,
        until=claim.due_at if claim.is_open else None,
        was_ours=True,
        began_at=claim.armed_at,
        moved_at=min(claim.due_at, now) if claim.is_open else claim.armed_at,
    )
