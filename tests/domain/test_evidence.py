"""Evidence: a chain that verifies is exactly what was written, and fits the ticket."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.canonical import KeyRing, KeyRole, canonical_bytes
from domain.errors import SignatureRefusedError
from domain.evidence import (
    JUDGE_KINDS,
    MAX_RECORD_BYTES,
    MAX_SEGMENT_BYTES,
    PURPOSE,
    Record,
    RecordKind,
    genesis,
    property_key,
    read_chain,
    signing_role,
    to_segments,
    write_record,
)
from domain.ids import TicketRef
from tests.domain.examples import JUDGE, KEYS, LEASE_ID, NOW, OTHER_TICKET, SCRIBE, STRANGER_KEYS, TICKET, WITNESS

JIRA_PROPERTY_CHARACTERS = 32_768


def append(chain: tuple[Record, ...], kind: RecordKind = RecordKind.ENDING, **facts: Any) -> tuple[Record, ...]:
    record = write_record(
        ticket=TICKET,
        writer=LEASE_ID,
        record_id=f"fact-{len(chain)}",
        kind=kind,
        at=NOW + timedelta(seconds=len(chain)),
        facts=facts,
        chain=chain,
        key=JUDGE if kind in JUDGE_KINDS else SCRIBE,
    )
    return (*chain, record)


def chain_of(*texts: str) -> tuple[Record, ...]:
    chain: tuple[Record, ...] = ()
    for text in texts:
        chain = append(chain, note=text)
    return chain


def read(
    *segments: str, ticket: TicketRef = TICKET, writer: str = LEASE_ID, keys: KeyRing = KEYS
) -> tuple[Record, ...]:
    return read_chain(segments, ticket, writer, keys)


def text_of(*records: dict[str, Any]) -> str:
    return json.dumps({"records": records})


CHAIN = append(append(chain_of("a", "b"), RecordKind.ARMED, until=1), RecordKind.CLOSED)
RAWS: list[dict[str, Any]] = [dict(record.raw) for record in CHAIN]


def test_reads_back_what_was_written() -> None:
    """The good case, without which every refusal below would be hollow; an empty chain is empty."""
    assert read(*to_segments(CHAIN)) == CHAIN
    assert read(*to_segments(())) == ()


def test_links_each_record_to_its_predecessor_and_the_first_to_its_ticket() -> None:
    """The chain begins at one ticket and writer, and each link is the hash of the whole record before."""
    assert [record.prev for record in CHAIN] == [genesis(TICKET, LEASE_ID), *(record.hash for record in CHAIN[:-1])]
    assert [record.seq for record in CHAIN] == [0, 1, 2, 3]
    assert len({genesis(TICKET, LEASE_ID), genesis(OTHER_TICKET, LEASE_ID), genesis(TICKET, "other")}) == 3


@pytest.mark.parametrize("position", [0, 1, 3])
@pytest.mark.parametrize("field", sorted(RAWS[0]))
def test_refuses_a_record_with_any_field_altered_or_removed(position: int, field: str) -> None:
    """No word of a record can change, its signature and key included."""
    altered, removed = [dict(raw) for raw in RAWS], [dict(raw) for raw in RAWS]
    old = altered[position][field]
    altered[position][field] = (
        old + 1 if isinstance(old, int) else {"note": "z"} if isinstance(old, dict) else old + "A"
    )
    del removed[position][field]
    for raws in (altered, removed):
        with pytest.raises(SignatureRefusedError):
            read(text_of(*raws))


@pytest.mark.parametrize(
    "order",
    [(1, 2, 3), (0, 2, 3), (0, 1, 3), (1, 0, 2, 3), (0, 1, 3, 2), (0, 0, 1, 2, 3), (0, 1, 2, 3, 3), (3, 2, 1, 0), (3,)],
)
def test_refuses_records_that_were_removed_reordered_or_doubled(order: tuple[int, ...]) -> None:
    """Each record names its place and its predecessor."""
    with pytest.raises(SignatureRefusedError, match="does not follow"):
        read(text_of(*(RAWS[position] for position in order)))


def test_reads_a_chain_cut_at_its_end_as_a_shorter_chain_with_another_head() -> None:
    """What is cut off the end leaves no gap: only who remembers the head can notice, so the heads must differ."""
    cut = read(text_of(*RAWS[:-1]))
    assert cut == CHAIN[:-1]
    assert cut[-1].hash != CHAIN[-1].hash


def test_refuses_an_unsigned_field_slipped_into_a_record() -> None:
    """Everything but key and signature is under the signature."""
    with pytest.raises(SignatureRefusedError, match="does not fit"):
        read(text_of(RAWS[0] | {"more": 1}))


def test_keeps_a_signed_field_that_this_release_does_not_know() -> None:
    """A record that grew is read, and its hash covers what is not understood."""
    body = {name: value for name, value in RAWS[0].items() if name not in {"key", "sig"}} | {"newer": "x"}
    signature = SCRIBE.sign(PURPOSE, body)
    (record,) = read(text_of(body | {"key": signature.key_id, "sig": signature.value}))
    assert record.hash != CHAIN[0].hash
    assert record.facts == CHAIN[0].facts


@pytest.mark.parametrize("forged", [{"seq": 3}, {"seq": -1}, {"prev": RAWS[0]["prev"]}, {"prev": ""}])
def test_refuses_a_well_signed_record_that_does_not_follow(forged: dict[str, Any]) -> None:
    """Place and link are each checked, so that a second record of ours cannot fork a chain or jump in it."""
    body = {name: value for name, value in RAWS[1].items() if name not in {"key", "sig"}} | forged
    signature = SCRIBE.sign(PURPOSE, body)
    with pytest.raises(SignatureRefusedError, match="does not follow"):
        read(text_of(RAWS[0], body | {"key": signature.key_id, "sig": signature.value}))


@pytest.mark.parametrize("form", [0, 2, "1", None])
def test_refuses_a_record_of_a_form_that_this_release_cannot_read(form: object) -> None:
    """A signed record of a later form is not guessed at."""
    body = {name: value for name, value in RAWS[0].items() if name not in {"key", "sig"}} | {"v": form}
    signature = SCRIBE.sign(PURPOSE, body)
    with pytest.raises(SignatureRefusedError, match="which this release cannot read"):
        read(text_of(body | {"key": signature.key_id, "sig": signature.value}))


def test_refuses_a_chain_copied_to_another_ticket_or_writer() -> None:
    """Evidence cannot be moved: it names its ticket, and its first link is made of it."""
    for elsewhere in ({"ticket": OTHER_TICKET}, {"writer": "judge/" + LEASE_ID}):
        with pytest.raises(SignatureRefusedError, match="is of lease:"):
            read(*to_segments(CHAIN), **elsewhere)


def test_reads_the_chain_of_a_ticket_that_was_moved_to_another_key() -> None:
    """The immutable id is what evidence names."""
    assert read(*to_segments(CHAIN), ticket=TicketRef(site="acme", issue_id="10042", key="OPS-1")) == CHAIN


@pytest.mark.parametrize("kind", RecordKind)
def test_refuses_to_sign_a_kind_with_the_key_of_another_role(kind: RecordKind) -> None:
    """Records that authority hangs on are the judge's alone; the witness signs none."""
    for key in (JUDGE, WITNESS, SCRIBE):
        if key.public.role is not signing_role(kind):
            with pytest.raises(SignatureRefusedError, match="is signed by the"):
                write_record(ticket=TICKET, writer="w", record_id="1", kind=kind, at=NOW, facts={}, chain=(), key=key)


def test_leaves_to_the_judge_what_stands_for_a_live_lease() -> None:
    """A scribe's key in the wrong hands can shield no access."""
    assert {RecordKind.ARMED, RecordKind.EXTENDED} <= JUDGE_KINDS


@pytest.mark.parametrize("kind", sorted(JUDGE_KINDS))
def test_refuses_a_judges_record_signed_by_the_scribe(kind: RecordKind) -> None:
    """The role is taken from the kind when reading, not from the record's own word."""
    body = {name: value for name, value in RAWS[0].items() if name not in {"key", "sig"}} | {"kind": kind.value}
    signature = SCRIBE.sign(PURPOSE, body)
    with pytest.raises(SignatureRefusedError, match="not a known judge key"):
        read(text_of(body | {"key": signature.key_id, "sig": signature.value}))


def test_refuses_a_chain_of_unknown_keys() -> None:
    """A stranger can write on the ticket, and an empty ring believes nobody."""
    body = {name: value for name, value in RAWS[0].items() if name not in {"key", "sig"}}
    signature = STRANGER_KEYS[KeyRole.SCRIBE].sign(PURPOSE, body)
    with pytest.raises(SignatureRefusedError, match="not a known scribe key"):
        read(text_of(body | {"key": signature.key_id, "sig": signature.value}))
    with pytest.raises(SignatureRefusedError, match="not a known scribe key"):
        read(*to_segments(CHAIN), keys=KeyRing())


@pytest.mark.parametrize(
    "segment",
    [
        "",
        "null",
        "[]",
        "{}",
        '"records"',
        '{"records":null}',
        '{"records":[]}',
        '{"records":{}}',
        '{"records":"abc"}',
        '{"records":[null]}',
        '{"records":["abc"]}',
        '{"records":[[]]}',
        '{"records":[{}]}',
        "[" * 100_000,
        text_of(RAWS[0])[:-1],
        text_of(RAWS[0] | {"kind": "praised"}),
        text_of(RAWS[0] | {"kind": []}),
        text_of(RAWS[0] | {"sig": 1}),
        text_of(RAWS[0] | {"facts": {"note": "\ud800"}}),
        text_of(RAWS[0] | {"facts": {"note": float("nan")}}),
    ],
)
def test_refuses_a_segment_that_cannot_be_read(segment: str) -> None:
    """A record that does not verify is no record, and a segment that says nothing was emptied by somebody."""
    with pytest.raises(SignatureRefusedError):
        read(segment)
    with pytest.raises(SignatureRefusedError):
        read(*to_segments(CHAIN), segment)


def test_refuses_a_segment_twice_or_in_the_wrong_order() -> None:
    """Segments are read as one chain."""
    first, second = text_of(*RAWS[:2]), text_of(*RAWS[2:])
    assert read(first, second) == CHAIN
    for order in ((second, first), (first, first, second), (second,)):
        with pytest.raises(SignatureRefusedError, match="does not follow"):
            read(*order)


def test_writes_a_record_of_exactly_the_limit_and_none_larger() -> None:
    """1 KB holds, one byte more is refused with the remedy."""
    padding = MAX_RECORD_BYTES - len(canonical_bytes(dict(chain_of("")[0].raw)))
    assert len(canonical_bytes(dict(chain_of("x" * padding)[0].raw))) == MAX_RECORD_BYTES
    with pytest.raises(ValueError, match="larger than 1024 bytes; shorten its facts"):
        chain_of("x" * (padding + 1))


@pytest.mark.parametrize("text", ["\U0001f510" * 40, "\u202e\u200b\x00\n\x7f", "e\u0301 \u00e9", '"\\', "\ufffe\uffff"])
def test_keeps_odd_text_exactly(text: str) -> None:
    """What a vendor or a person wrote stands on the ticket as it was, counted in bytes."""
    chain = chain_of(text)
    assert read(*to_segments(chain)) == chain
    assert chain[0].facts == {"note": text}


@pytest.mark.parametrize(
    "facts",
    [{"note": "\ud800"}, {"note": "\udfff tail"}, {"\ud800": 1}, {"n": 2**53}, {"n": float("nan")}, {"at": NOW}],
)
def test_refuses_facts_that_canonical_json_cannot_say(facts: dict[str, Any]) -> None:
    """Half a surrogate pair, a number that rounds, an object: refused before anything is signed, as a `ValueError`."""
    with pytest.raises(ValueError, match=r"."):
        append((), **facts)


def test_holds_what_it_wrote_as_it_will_be_read() -> None:
    """Tuples and whole floats become what JSON makes of them at once, so that reading back compares equal."""
    chain = append((), leases=("a", "b"), count=1.0)
    assert read(*to_segments(chain)) == chain
    assert chain[0].facts == {"leases": ["a", "b"], "count": 1}


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.sampled_from([0, 1, 100, 150]), min_size=40, max_size=70),
    st.sampled_from(["x", "\u00e9", "\U0001f510"]),
)
def test_keeps_segments_under_the_limit_and_unchanged_while_the_chain_grows(sizes: list[int], letter: str) -> None:
    """Only the last segment is ever written again, and each fits the ticket's property however it is counted."""
    chain = chain_of(*(letter * size for size in sizes))
    before: tuple[str, ...] = ()
    for length in range(len(chain) + 1):
        segments = to_segments(chain[:length])
        assert segments[: max(len(before) - 1, 0)] == before[:-1]
        assert all(len(segment.encode()) < MAX_SEGMENT_BYTES < JIRA_PROPERTY_CHARACTERS for segment in segments)
        before = segments
    assert read(*before) == chain


def test_begins_a_new_segment_rather_than_pass_the_limit() -> None:
    """Two segments at least, so that the property above was put to the test."""
    segments = to_segments(chain_of(*["x" * 500] * 40))
    assert len(segments) > 1
    assert read(*segments)


def test_names_properties_by_writer_and_segment() -> None:
    """Writers share a ticket without sharing a property, and no writer's name reaches a key."""
    keys = {property_key(writer, segment) for writer in (LEASE_ID, "judge") for segment in (0, 1)}
    assert len(keys) == 4
    assert all(key.startswith("nightlatch.") and LEASE_ID not in key and len(key) < 255 for key in keys)
