"""Observations and proofs: unsigned, old, single or doubtful looks prove nothing."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.canonical import KeyRole
from domain.errors import SignatureRefusedError
from domain.signed import Signed
from domain.witness import Observation, Presence, Proof, Receipt, read_observation, verify_proof
from tests.domain.examples import JUDGE, KEYS, LEASE_ID, NOW, RUN_ID, STRANGER_KEYS, WITNESS

TICK = timedelta(microseconds=1)
APART = timedelta(seconds=10)


def look(at: datetime, presence: Presence = Presence.ABSENT, **fields: Any) -> Signed:
    plain = {"lease_id": LEASE_ID, "run_id": RUN_ID, "presence": presence, "observed_at": at} | fields
    return Signed.seal(Observation.model_validate(plain), WITNESS)


def verify(first: Signed, second: Signed, apart: timedelta = APART) -> tuple[Observation, Observation]:
    return verify_proof(Proof(first=first, second=second), KEYS, lease_id=LEASE_ID, not_before=NOW, apart=apart)


def test_proves_by_two_absent_looks_exactly_the_lag_apart() -> None:
    """The good case: both looks come back, in order."""
    looks = verify(look(NOW), look(NOW + APART))
    assert [seen.observed_at for seen in looks] == [NOW, NOW + APART]


@pytest.mark.parametrize("presence", [Presence.PRESENT, Presence.UNKNOWN])
@pytest.mark.parametrize("place", [0, 1])
def test_refuses_a_proof_with_a_look_that_does_not_say_absent(presence: Presence, place: int) -> None:
    """Unknown is not absent, in neither look."""
    presences = [Presence.ABSENT, Presence.ABSENT]
    presences[place] = presence
    with pytest.raises(SignatureRefusedError, match="two looks that say absent"):
        verify(look(NOW, presences[0]), look(NOW + APART, presences[1]))


@pytest.mark.parametrize("gap", [APART - TICK, timedelta(0), -APART])
def test_refuses_looks_that_are_too_close_or_in_the_wrong_order(gap: timedelta) -> None:
    """A second look within the read lag may still show the old state."""
    with pytest.raises(SignatureRefusedError, match="must come"):
        verify(look(NOW + APART), look(NOW + APART + gap, vendor_request_id="2"))


@pytest.mark.parametrize("apart", [timedelta(0), APART])
def test_refuses_one_look_shown_twice(apart: timedelta) -> None:
    """Twice is two looks, also where the vendor needs no time between them."""
    with pytest.raises(SignatureRefusedError, match="one look twice"):
        verify(look(NOW), look(NOW), apart)


def test_proves_by_two_looks_in_one_second_where_no_lag_is_needed() -> None:
    """A vendor's clock may be coarse; its own request ids then tell two looks apart."""
    assert verify(look(NOW, vendor_request_id="1"), look(NOW, vendor_request_id="2"), timedelta(0))


@pytest.mark.parametrize("place", [0, 1])
def test_refuses_a_proof_with_a_look_from_before_the_end(place: int) -> None:
    """The absence seen before the grant cannot prove a removal."""
    looks = [look(NOW), look(NOW + APART)]
    looks[place] = look(NOW - TICK)
    with pytest.raises(SignatureRefusedError, match="older than"):
        verify(looks[0], looks[1])


def test_reads_a_look_at_the_earliest_instant_and_of_an_earlier_run() -> None:
    """`not_before` itself counts; the looks of the run before a reset are replayed with its history."""
    sealed = look(NOW, run_id="run-0")
    assert read_observation(sealed, KEYS, lease_id=LEASE_ID, not_before=NOW).run_id == "run-0"


@pytest.mark.parametrize("lease_id", ["", LEASE_ID + "X", LEASE_ID.replace("lease", "request")])
def test_refuses_a_look_at_another_pair(lease_id: str) -> None:
    """Absence of one pair says nothing about another."""
    with pytest.raises(SignatureRefusedError, match="this observation is of"):
        read_observation(look(NOW), KEYS, lease_id=lease_id, not_before=NOW)


@pytest.mark.parametrize("place", [0, 1])
def test_refuses_a_look_that_no_witness_has_signed(place: int) -> None:
    """An unsigned "absent" moves nothing, and neither does one by the judge or by a stranger."""
    body = look(NOW).open(Observation, KEYS)
    stranger = Signed.seal(body, STRANGER_KEYS[KeyRole.WITNESS])
    judge = Signed(payload=stranger.payload, signature=JUDGE.sign("observation", body))
    for forged in (stranger, judge):
        looks = [look(NOW), look(NOW + APART)]
        looks[place] = forged
        with pytest.raises(SignatureRefusedError, match="not a known witness key"):
            verify(looks[0], looks[1])


def test_refuses_a_receipt_in_place_of_a_look() -> None:
    """ "Expired" or "acknowledged" is not "observed"."""
    receipt = Receipt(lease_id=LEASE_ID, run_id=RUN_ID, action="revoke", acknowledged_at=NOW)
    with pytest.raises(SignatureRefusedError):
        verify(Signed.seal(receipt, WITNESS), look(NOW + APART))
