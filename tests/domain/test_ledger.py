"""What a ticket's own records tell of a lease: its end, its ending, its proof."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.canonical import KeyRing, KeyRole, SigningKey
from domain.catalogue import TargetKind
from domain.evidence import Record, RecordKind, read_verified, signing_role, to_segments, write_record
from domain.ids import TicketRef
from domain.ledger import LONG_AGO, Claim, cover_of, granted_to, read_claim
from domain.values import render_instant

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICKET = TicketRef(site="example", issue_id="10042", key="SEC-42")
LEASE = "lease:okta/prod/group/00gadmin/00ualice"
RUN = "0198-run"
KEYS = {role: SigningKey.from_seed(bytes([number]) * 32, role) for number, role in enumerate(KeyRole, 1)}
RING = KeyRing(keys=tuple(key.public for key in KEYS.values()))


def chain(writer: str, *told: tuple[RecordKind, Mapping[str, Any]]) -> tuple[Record, ...]:
    records: tuple[Record, ...] = ()
    for number, (kind, facts) in enumerate(told):
        record = write_record(
            ticket=TICKET,
            writer=writer,
            record_id=str(number),
            kind=kind,
            at=NOW + timedelta(minutes=number),
            facts={"run": RUN, **facts},
            chain=records,
            key=KEYS[signing_role(kind)],
        )
        records = (*records, record)
    return records


def until(hours: int) -> str:
    return render_instant(NOW + timedelta(hours=hours))


ARMED = (RecordKind.ARMED, {"until": until(1), "kind": TargetKind.OKTA_GROUP.value, "name": "admin"})


ACTIVE, ENDING, PROVED = (
    (kind, {"run": "other"}) for kind in (RecordKind.ACTIVE, RecordKind.ENDING, RecordKind.PROVED)
)


def claim(judged: tuple[Record, ...], told: tuple[Record, ...] = ()) -> Claim:
    read = read_claim(TICKET, LEASE, judged, told, is_whole=True)
    assert read is not None
    return read


def test_end_is_that_of_the_last_extension_that_stands() -> None:
    """One that was voided moves nothing."""
    extended = (RecordKind.EXTENDED, {"wish": "w1", "until": until(2)})
    voided = (RecordKind.EXTENDED, {"wish": "w2", "until": until(3)})
    void = (RecordKind.EXTENSION_VOID, {"wish": "w2", "until": until(2)})
    read = claim(chain(f"judge/{LEASE}", ARMED, extended, voided, void))
    assert (read.until, read.armed_at, read.target_name) == (NOW + timedelta(hours=2), NOW, "admin")


def test_ending_and_proof_count_from_the_arming_on_whoever_told_them() -> None:
    """What was told before ends nothing; a run that took the place of the one that was armed ends it like that one."""
    early, late = chain(LEASE, ENDING, PROVED), chain(LEASE, ACTIVE, ACTIVE, ACTIVE, ENDING, PROVED)
    judged = chain(f"judge/{LEASE}", *[(RecordKind.EXTENSION_VOID, {"wish": "none"})] * 2, ARMED)
    assert (claim(judged, early).ended_at, claim(judged, early).is_open) == (None, True)
    assert (claim(judged, late).ended_at, claim(judged, late).is_open) == (NOW + timedelta(minutes=3), False)


def test_claim_is_settled_when_its_sessions_were_ended_or_nothing_was_ever_sent() -> None:
    """Until then somebody has work to do."""
    judged = chain(f"judge/{LEASE}", ARMED)
    told = {
        kinds: claim(judged, chain(LEASE, *[(kind, {"run": "any"}) for kind in kinds])).is_settled
        for kinds in (
            (RecordKind.ENDING,),
            (RecordKind.PROVED,),
            (RecordKind.PROVED, RecordKind.SESSIONS_ENDED),
            (RecordKind.REFUSED,),
        )
    }
    assert list(told.values()) == [False, False, True, True]


def test_claim_that_was_given_up_covers_nobody_and_was_ours() -> None:
    """Nothing is left to do about it, and nothing was proved: whoever is seen as a member by it is not to be one."""
    judged = chain(f"judge/{LEASE}", ARMED, (RecordKind.FORGOTTEN, {"by": "bob and carol"}))
    read = claim(judged, (*chain(LEASE, ENDING), *judged))
    assert (read.is_proved, read.is_forgotten, read.is_settled, read.is_open) == (False, True, True, False)
    cover = cover_of([read], NOW + timedelta(minutes=5))
    assert cover is not None
    assert (cover.running, cover.was_ours) == (False, True)


def test_giving_up_an_earlier_lease_gives_up_none_that_was_armed_since() -> None:
    """A pair may be granted again, on the same ticket or another."""
    judged = chain(f"judge/{LEASE}", ARMED, (RecordKind.FORGOTTEN, {"by": "bob and carol"}), ARMED)
    assert claim(judged, judged).is_open


def test_records_of_earlier_releases_are_read() -> None:
    """They did not say what the target is and is called: its lease's id does."""
    read = claim(chain(f"judge/{LEASE}", (RecordKind.ARMED, {"until": until(1)})))
    assert (read.kind, read.target_name) == (TargetKind.OKTA_GROUP, "okta/prod/group/00gadmin")


def test_what_was_granted_is_ours_though_its_arming_was_cut_out() -> None:
    """The lease's own word says so, and shields nobody."""
    read = claim((), chain(LEASE, (RecordKind.GRANTED, {})))
    assert (read.is_open, read.is_whole, read.kind) == (False, False, TargetKind.OKTA_GROUP)


def test_what_its_request_says_was_granted_is_ours_though_its_arming_was_cut_out() -> None:
    """While access is held, the request's word is the only one besides the judge's: by the witness's word inside it."""
    told = chain("request:example/10042", (RecordKind.ACTIVE, {"witness": [{"body": {"lease_id": LEASE}}]}))
    assert granted_to(told[0]) == LEASE
    read = claim((), told)
    assert (read.is_open, read.is_whole, read.due_at) == (False, False, LONG_AGO)


@pytest.mark.parametrize("witness", [[], [{"body": "sha256:cut"}], [{"body": {"run_id": "r"}}], [{}]])
def test_active_record_without_a_witness_names_no_lease(witness: list[dict[str, Any]]) -> None:
    """One that had to be cut to fit the ticket bears digests in place of words."""
    told = chain("request:example/10042", (RecordKind.ACTIVE, {"witness": witness}))
    assert granted_to(told[0]) == ""
    assert read_claim(TICKET, LEASE, (), told, is_whole=True) is None


def test_nothing_is_claimed_where_nothing_was_armed() -> None:
    assert read_claim(TICKET, LEASE, (), chain(LEASE, (RecordKind.ACTIVE, {})), is_whole=True) is None


def test_chain_is_believed_up_to_the_record_that_does_not_verify() -> None:
    """What was signed before somebody meddled still says what was ours; and why the rest is not believed is told."""
    records = chain(f"judge/{LEASE}", ARMED, (RecordKind.EXTENDED, {"wish": "w1", "until": until(2)}))
    (segment,) = to_segments(records)
    broken = segment.replace(until(2), until(9))
    assert read_verified([segment], TICKET, f"judge/{LEASE}", RING) == (records, None)
    kept, fault = read_verified([broken], TICKET, f"judge/{LEASE}", RING)
    assert (kept, fault is None) == (records[:1], False)
    kept, fault = read_verified([segment, "nonsense"], TICKET, f"judge/{LEASE}", RING)
    assert (kept, str(fault)) == (records, f"the evidence of judge/{LEASE} on example/10042 cannot be read")
