"""What the tickets themselves tell of leases: the judge's records of ends, and the lease's of its ending. Pure reading.

It needs no engine, so that access can be ended when the engine and its data are lost (DESIGN 6).
"""

from collections.abc import Iterable
from datetime import datetime

from domain.catalogue import KIND_OF_SCOPE, TargetKind
from domain.drift import Cover
from domain.evidence import Record, RecordKind
from domain.ids import LeaseId, TicketRef
from domain.lease import LeaseState
from domain.values import Instant, Value, parse_instant


class Claim(Value):
    """One run of a lease, as the verified records of one ticket tell it.

    `ended_at`: when it said that it ends; `is_proved`: it has told that its subject was seen absent twice. `is_whole`: every
    record of it verifies; one of which some do not was granted once, and shields nobody any more.
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
    is_whole: bool = True

    @property
    def due_at(self) -> datetime:
        """From when on its subject is to be no member."""
        return self.until if self.ended_at is None else min(self.until, self.ended_at)

    @property
    def is_open(self) -> bool:
        """Whether it may still cover its subject, or be the one that takes them away."""
        return self.is_whole and not self.is_proved


def read_claim(
    ticket: TicketRef, lease_id: str, judged: tuple[Record, ...], told: tuple[Record, ...], *, is_whole: bool
) -> Claim | None:
    """What the judge's chain and the lease's own say of its newest armed run; None when none was armed."""
    armed = [record for record in judged if record.kind is RecordKind.ARMED]
    if not armed:
        return None
    facts, target = armed[-1].facts, LeaseId.parse(lease_id).target
    run_id = str(facts["run"])
    mine = [record for record in told if record.facts.get("run") == run_id]
    endings = [record.at for record in mine if record.kind is RecordKind.ENDING]
    return Claim(
        ticket=ticket,
        lease_id=lease_id,
        run_id=run_id,
        # Releases before this one did not write what the target is and is called.
        kind=TargetKind(facts.get("kind", KIND_OF_SCOPE[target.scope])),
        target_name=str(facts.get("name", target)),
        armed_at=armed[-1].at,
        until=ends_in_force(judged, run_id)[-1],
        ended_at=min(endings, default=None),
        is_proved=any(record.kind is RecordKind.PROVED for record in mine),
        is_whole=is_whole,
    )


def ends_in_force(chain: tuple[Record, ...], run_id: str) -> list[datetime]:
    """The first end of a run and every end that followed it and was not voided, in order."""
    mine = [record for record in chain if record.facts.get("run") == run_id]
    void = {record.facts["wish"] for record in mine if record.kind is RecordKind.EXTENSION_VOID}
    kept = [
        record
        for record in mine
        if record.kind is RecordKind.ARMED or (record.kind is RecordKind.EXTENDED and record.facts["wish"] not in void)
    ]
    return [parse_instant(record.facts["until"]) for record in kept]


def cover_of(claims: Iterable[Claim], now: datetime) -> Cover | None:
    """What the claims on one pair say, in the terms in which drift is judged; None where there is none.

    A claim covers from its arming to its end. The one that ends last speaks for all: only one lease of a pair runs at once.
    """
    claim = max(claims, key=lambda claim: (claim.is_open, claim.due_at), default=None)
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
