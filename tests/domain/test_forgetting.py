"""Forgetting: only two fresh looks of a witness, and a judge's word, end a lease without a proof."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.canonical import SigningKey
from domain.errors import SignatureRefusedError
from domain.forgetting import Forgetting, ForgetWord, GoneWord, verify_forgetting
from domain.ids import TargetRef
from domain.signed import Signed
from domain.witness import Observation, Presence
from tests.domain.examples import JUDGE, KEYS, LEASE_ID, NOW, RUN_ID, STRANGER_KEYS, TICKET, WITNESS

TICK, APART = timedelta(microseconds=1), timedelta(seconds=10)
BESIDE = TargetRef(instance="okta/prod", scope="group", container_id="00gother")


def look(at: datetime = NOW, key: SigningKey = WITNESS, **fields: Any) -> Signed:
    plain = {"lease_id": LEASE_ID, "run_id": RUN_ID, "beside": BESIDE, "observed_at": at} | fields
    return Signed.seal(GoneWord.model_validate(plain), key)


def word(at: datetime = NOW + APART, key: SigningKey = JUDGE, **fields: Any) -> Signed:
    plain = {"lease_id": LEASE_ID, "run_id": RUN_ID, "ticket": TICKET, "by": "ada and ben", "reason": "gone", "at": at}
    return Signed.seal(ForgetWord.model_validate(plain | {"record": "sha256:record"} | fields), key)


def forgetting(**parts: Signed) -> Forgetting:
    return Forgetting.model_validate({"first": look(), "second": look(NOW + APART), "word": word()} | parts)


def verified(given: Forgetting, apart: timedelta = APART) -> ForgetWord:
    return verify_forgetting(given, KEYS, lease_id=LEASE_ID, not_before=NOW, apart=apart)


def test_holds_by_two_looks_and_the_judges_word() -> None:
    """The good case, without which every refusal below would be hollow."""
    assert verified(forgetting()).by == "ada and ben"


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ({"first": look(NOW - TICK)}, "older than"),
        ({"first": look(lease_id="lease:another")}, "at the target of lease:another"),
        ({"second": look(NOW + APART, lease_id="lease:another")}, "at the target of lease:another"),
        ({"second": look(NOW + APART - TICK)}, "must be another one"),
        ({"second": look()}, "must be another one"),
        ({"first": look(NOW + APART), "second": look()}, "must be another one"),
        ({"word": word(NOW - TICK)}, "what is asked is"),
        ({"word": word(lease_id="lease:another")}, "what is asked is"),
        ({"word": look()}, "is not a known judge key"),
        ({"first": word()}, "is not a known witness key"),
    ],
)
def test_refuses_what_does_not_fit(odd: dict[str, Signed], why: str) -> None:
    """Old, of another lease, too close, in the wrong order, in the wrong role."""
    with pytest.raises(SignatureRefusedError, match=why):
        verified(forgetting(**odd))


def test_refuses_one_look_shown_twice() -> None:
    """Also where the vendor needs no time between two of them."""
    with pytest.raises(SignatureRefusedError, match="must be another one"):
        verified(forgetting(second=look()), timedelta(0))


@pytest.mark.parametrize("part", ["first", "second", "word"])
def test_refuses_a_strangers_signature(part: str) -> None:
    """Whichever of the three they made."""
    witness, judge = (STRANGER_KEYS[key.public.role] for key in (WITNESS, JUDGE))
    forged = {"first": look(key=witness), "second": look(NOW + APART, witness), "word": word(key=judge)}
    with pytest.raises(SignatureRefusedError, match="is not a known"):
        verified(forgetting(**{part: forged[part]}))


def test_no_observation_of_absence_stands_for_a_target_that_is_gone() -> None:
    """And the other way round: each is signed for its own purpose."""
    seen = Observation(lease_id=LEASE_ID, run_id=RUN_ID, presence=Presence.ABSENT, observed_at=NOW)
    with pytest.raises(SignatureRefusedError, match="does not fit"):
        verified(forgetting(first=Signed.seal(seen, WITNESS)))
    with pytest.raises(SignatureRefusedError, match="does not fit"):
        look().open(Observation, KEYS)
