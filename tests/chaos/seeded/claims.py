"""Memberships as the vendor's log has them, and what the signed records on the tickets claim of them. Nothing is judged here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from activities.records import judge_writer
from domain.values import parse_instant
from starter.ticket_evidence import Line
from tests.chaos.seeded.account import Account, Entry, Pair, Told


@dataclass(frozen=True)
class Stay:
    """One membership, as the vendor's log has it. `left_at`: None while it lasts."""

    pair: Pair
    came_at: datetime
    left_at: datetime | None
    came_seq: int


@dataclass(frozen=True)
class Claim:
    """The judge's word for one run of a lease: `until` is the end in force, extensions included, `first` without them."""

    told: Told
    pair: Pair
    run: str
    armed_at: datetime
    first: datetime
    until: datetime
    proved_at: datetime | None


def pairs_of(account: Account) -> list[Pair]:
    return list(dict.fromkeys(pair for told in account.told for pair in told.request.pairs))


def read_stays(log: Iterable[Entry], groups: frozenset[str]) -> Iterator[Stay]:
    """Every membership in those groups, in the order in which they ended; those that last come last."""
    inside: dict[Pair, Entry] = {}
    for entry in log:
        if not entry["event"].startswith("membership.") or not entry["changed"] or entry["group_id"] not in groups:
            continue
        pair = Pair(entry["group_id"], entry["user_id"])
        if entry["event"] == "membership.added":
            inside[pair] = entry
        elif pair in inside:
            came = inside.pop(pair)
            yield Stay(pair, parse_instant(came["at"]), parse_instant(entry["at"]), came["seq"])
    for pair, came in inside.items():
        yield Stay(pair, parse_instant(came["at"]), None, came["seq"])


def read_claims(tickets: Iterable[Told], pair: Pair) -> Iterator[Claim]:
    for told in tickets:
        if pair not in told.request.pairs:
            continue
        judged = [line for line in told.lines if line.verified and line.writer == judge_writer(pair.lease_id)]
        proofs = [parse_instant(line.at) for line in lines_of(told, pair, "proved")]
        for armed in (line for line in judged if line.kind == "armed"):
            run = str(armed.facts["run"])
            mine = [line for line in judged if line.facts.get("run") == run]
            void = {line.facts["wish"] for line in mine if line.kind == "extension_void"}
            ends = [line for line in mine if line.kind == "extended" and line.facts["wish"] not in void]
            until = parse_instant([armed, *ends][-1].facts["until"])
            first = parse_instant(armed.facts["until"])
            yield Claim(told, pair, run, parse_instant(armed.at), first, until, max(proofs, default=None))


def claim_of(stay: Stay, claims: Iterable[Claim]) -> Claim | str:
    """The newest claim on the pair when the member came, or why there is none."""
    before = [claim for claim in claims if claim.armed_at <= stay.came_at]
    if not before:
        return "no armed record stood on any ticket when it was added"
    return max(before, key=lambda claim: claim.armed_at)


def lines_of(told: Told, pair: Pair, kind: str) -> list[Line]:
    """What the leases of a pair, or the sweep in their place, have told of that kind."""
    writers = {pair.lease_id, sweeper(pair)}
    return [line for line in told.lines if line.verified and line.kind == kind and line.writer in writers]


def sweeper(pair: Pair) -> str:
    return f"sweep/{pair.lease_id}"
