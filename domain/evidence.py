"""Evidence: signed, chained records on the ticket, in segments that fit an issue property. Writing them is not done here."""

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from domain.canonical import KeyRing, KeyRole, Signature, SigningKey, canonical_bytes, digest
from domain.errors import SignatureRefusedError
from domain.ids import TicketRef
from domain.values import Instant, Value, render_instant

MAX_RECORD_BYTES = 1024
MAX_SEGMENT_BYTES = 28_000
"""Jira holds 32,768 characters in an issue property; the rest is left for the vendor's own escaping."""

PURPOSE = "evidence"


class RecordKind(StrEnum):
    """What a record tells. The judge alone signs the first five: authority to add time, or to stop taking away, hangs on them."""

    ASKED = "asked"
    ARMED = "armed"
    EXTENDED = "extended"
    EXTENSION_VOID = "extension_void"
    FORGOTTEN = "forgotten"
    ANSWERED = "answered"
    REFUSED = "refused"
    GRANTED = "granted"
    ACTIVE = "active"
    EXTENSION_JUDGED = "extension_judged"
    ENDING = "ending"
    REMOVED = "removed"
    PROVED = "proved"
    SESSIONS_ENDED = "sessions_ended"
    STUCK = "stuck"
    SUSPENDED = "suspended"
    TARGET_GONE = "target_gone"
    FORGET_REFUSED = "forget_refused"
    CLOSED = "closed"


JUDGE_KINDS = frozenset(
    {RecordKind.ASKED, RecordKind.ARMED, RecordKind.EXTENDED, RecordKind.EXTENSION_VOID, RecordKind.FORGOTTEN}
)
WITNESSED_KINDS = frozenset(
    {
        RecordKind.GRANTED,
        RecordKind.REMOVED,
        RecordKind.PROVED,
        RecordKind.SESSIONS_ENDED,
        RecordKind.SUSPENDED,
        RecordKind.TARGET_GONE,
    }
)
"""Kinds that say what a vendor did or showed: signed only with the witness's own words inside."""


def signing_role(kind: RecordKind) -> KeyRole:
    return KeyRole.JUDGE if kind in JUDGE_KINDS else KeyRole.SCRIBE


class Record(Value):
    """One verified record. `raw` is the exact object on the ticket; `hash` is what the next record of the chain names."""

    writer: str
    seq: int
    prev: str
    record_id: str
    at: Instant
    kind: RecordKind
    ticket: str
    facts: Mapping[str, Any]
    raw: Mapping[str, Any]

    @property
    def hash(self) -> str:
        return digest(dict(self.raw))


def ticket_name(ticket: TicketRef) -> str:
    return f"{ticket.site}/{ticket.issue_id}"


def genesis(ticket: TicketRef, writer: str) -> str:
    """What the first record of a chain names as its predecessor: the ticket and writer, so that no chain can be moved."""
    return digest({"ticket": ticket_name(ticket), "writer": writer})


def property_key(writer: str, segment: int) -> str:
    """The issue property that holds a segment of a writer's chain: `nightlatch.<hash of writer>.<segment>`."""
    return f"nightlatch.{digest({'writer': writer})[7:23]}.{segment}"


def write_record(
    *,
    ticket: TicketRef,
    writer: str,
    record_id: str,
    kind: RecordKind,
    at: Instant,
    facts: Mapping[str, Any],
    chain: tuple[Record, ...],
    key: SigningKey,
) -> Record:
    """The next record of `chain`.

    Raises:
        SignatureRefusedError: `key` has another role than this kind of record needs.
        ValueError: the record is larger than 1 KB, or `facts` holds what canonical JSON cannot (half a surrogate pair).
    """
    if key.public.role is not signing_role(kind):
        raise SignatureRefusedError(
            f"a record of kind {kind} is signed by the {signing_role(kind)}, not by {key.public.key_id}"
        )
    body: dict[str, Any] = {
        "v": 1,
        "writer": writer,
        "seq": len(chain),
        "prev": chain[-1].hash if chain else genesis(ticket, writer),
        "id": record_id,
        "at": render_instant(at),
        "kind": kind.value,
        "ticket": ticket_name(ticket),
        "facts": dict(facts),
    }
    signature = key.sign(PURPOSE, body)
    raw = body | {"key": signature.key_id, "sig": signature.value}
    text = canonical_bytes(raw)
    if len(text) > MAX_RECORD_BYTES:
        raise ValueError(
            f"record {record_id} of kind {kind} is larger than {MAX_RECORD_BYTES} bytes; shorten its facts"
        )
    return _as_record(json.loads(text))


def read_chain(segments: Iterable[str], ticket: TicketRef, writer: str, keys: KeyRing) -> tuple[Record, ...]:
    """Verify a writer's chain from its segments in order.

    Raises:
        SignatureRefusedError: a record is unreadable, unsigned, of another ticket or writer, out of order or not linked.
    """
    chain, fault = read_verified(segments, ticket, writer, keys)
    if fault is not None:
        raise fault
    return chain


def read_verified(
    segments: Iterable[str], ticket: TicketRef, writer: str, keys: KeyRing
) -> tuple[tuple[Record, ...], SignatureRefusedError | None]:
    """The records of a writer's chain up to the first that does not verify, and why that one does not; None where all do."""
    chain: list[Record] = []
    try:
        for segment in segments:
            for raw in _records_of(segment):
                chain.append(_next_of(chain, _verified(raw, keys), ticket, writer))
    except SignatureRefusedError as fault:
        return tuple(chain), fault
    except (ValueError, KeyError, TypeError, RecursionError):
        return tuple(chain), SignatureRefusedError(f"the evidence of {writer} on {ticket_name(ticket)} cannot be read")
    return tuple(chain), None


def to_segments(chain: tuple[Record, ...]) -> tuple[str, ...]:
    """The chain as the texts of its segments, each under the limit. Earlier segments never change when the chain grows."""
    segments: list[list[bytes]] = []
    size = MAX_SEGMENT_BYTES
    for record in chain:
        text = canonical_bytes(dict(record.raw))
        if size + len(text) + 1 > MAX_SEGMENT_BYTES:
            segments.append([])
            size = len(b'{"records":[]}')
        segments[-1].append(text)
        size += len(text) + 1
    return tuple((b'{"records":[' + b",".join(texts) + b"]}").decode() for texts in segments)


def _next_of(chain: Sequence[Record], record: Record, ticket: TicketRef, writer: str) -> Record:
    if (record.ticket, record.writer) != (ticket_name(ticket), writer):
        raise SignatureRefusedError(f"record {record.record_id} is of {record.writer} on {record.ticket}")
    if record.seq != len(chain) or record.prev != (chain[-1].hash if chain else genesis(ticket, writer)):
        raise SignatureRefusedError(f"record {record.record_id} does not follow its predecessor")
    return record


def _records_of(segment: str) -> list[dict[str, Any]]:
    records = json.loads(segment)["records"]
    if not isinstance(records, list) or not records or not all(isinstance(raw, dict) for raw in records):
        raise ValueError("a segment is a list of at least one record")
    return records


def _verified(raw: dict[str, Any], keys: KeyRing) -> Record:
    if raw["v"] != 1:
        raise SignatureRefusedError(f"record {raw['id']!r} has form {raw['v']!r}, which this release cannot read")
    body = {name: value for name, value in raw.items() if name not in {"key", "sig"}}
    kind = RecordKind(raw["kind"])
    keys.verify(signing_role(kind), PURPOSE, body, Signature(key_id=raw["key"], value=raw["sig"]))
    return _as_record(raw)


def _as_record(raw: dict[str, Any]) -> Record:
    return Record(
        writer=raw["writer"],
        seq=raw["seq"],
        prev=raw["prev"],
        record_id=raw["id"],
        at=raw["at"],
        kind=raw["kind"],
        ticket=raw["ticket"],
        facts=raw["facts"],
        raw=raw,
    )
