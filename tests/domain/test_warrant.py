"""The warrant: every way in which it does not permit, and the one in which it does."""

import json
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest

from domain.canonical import KeyRing, KeyRole, Signature
from domain.errors import SignatureRefusedError
from domain.ids import SubjectRef, TargetRef
from domain.signed import Signed, SignedBody
from domain.warrant import GRANT_WINDOW, Warrant, WarrantKind, admit
from tests.domain.examples import JUDGE, KEYS, LEASE_ID, NOW, RUN_ID, STRANGER_KEYS, SUBJECT, TARGET, TICKET, WITNESS

TICK = timedelta(microseconds=1)
SKEW = timedelta(seconds=30)
EXPIRES_AT = NOW + timedelta(hours=2)


def warrant(**fields: Any) -> Warrant:
    plain = {
        "kind": WarrantKind.GRANT,
        "ticket": TICKET,
        "lease_id": LEASE_ID,
        "run_id": RUN_ID,
        "target": TARGET,
        "subject": SUBJECT,
        "expires_at": EXPIRES_AT,
        "issued_at": NOW,
        "grant_before": NOW + GRANT_WINDOW,
        "terms_digest": "sha256:terms",
        "record": "sha256:record",
    }
    return Warrant.model_validate(plain | fields)


def use(
    sealed: Signed,
    kind: WarrantKind = WarrantKind.GRANT,
    *,
    lease_id: str = LEASE_ID,
    run_id: str = RUN_ID,
    keys: KeyRing = KEYS,
    now: datetime = NOW,
) -> Warrant:
    return admit(sealed, kind, lease_id=lease_id, run_id=run_id, keys=keys, now=now)


SEALED = Signed.seal(warrant(), JUDGE)


@pytest.mark.parametrize("kind", WarrantKind)
def test_admits_what_the_judge_has_permitted_to_the_run_that_calls(kind: WarrantKind) -> None:
    """The good case: the body comes back, whole."""
    permitted = warrant(kind=kind)
    assert use(Signed.seal(permitted, JUDGE), kind) == permitted


def test_admits_a_warrant_with_fields_of_a_newer_judge() -> None:
    """Warrants may grow fields: they are under the signature and tolerated."""

    class NewerWarrant(Warrant):
        newer: str = "x"

    assert use(Signed.seal(NewerWarrant.model_validate(warrant().model_dump()), JUDGE)) == warrant()


@pytest.mark.parametrize(
    ("has", "wanted"), [(WarrantKind.GRANT, WarrantKind.PROLONG), (WarrantKind.PROLONG, WarrantKind.GRANT)]
)
def test_refuses_a_warrant_of_the_other_kind(has: WarrantKind, wanted: WarrantKind) -> None:
    """A permission to add is none to prolong, and the reverse."""
    with pytest.raises(SignatureRefusedError, match=f"permits {has}, not {wanted}"):
        use(Signed.seal(warrant(kind=has), JUDGE), wanted)


@pytest.mark.parametrize(
    "caller", [{"run_id": "run-2"}, {"run_id": ""}, {"lease_id": LEASE_ID + "X"}, {"lease_id": ""}]
)
def test_refuses_another_run_and_another_lease(caller: dict[str, Any]) -> None:
    """A warrant is for the very run that asked: neither a reset nor a copy can use it."""
    with pytest.raises(SignatureRefusedError, match="this warrant is for run"):
        use(SEALED, **caller)


@pytest.mark.parametrize(
    "fields",
    [
        {"target": TARGET.model_copy(update={"container_id": "00g2"})},
        {"target": TargetRef(instance="okta/test", scope=TARGET.scope, container_id=TARGET.container_id)},
        {"target": TARGET.model_copy(update={"scope": "role"})},
        {"subject": SUBJECT.model_copy(update={"user_id": "00u2"})},
        {"subject": SubjectRef(instance="okta/test", user_id=SUBJECT.user_id)},
    ],
)
def test_refuses_a_warrant_whose_pair_is_not_that_of_its_lease(fields: dict[str, Any]) -> None:
    """The lease that ends the access must be the lease of exactly this pair."""
    with pytest.raises(SignatureRefusedError, match="not those of its lease"):
        use(Signed.seal(warrant(**fields), JUDGE))


@pytest.mark.parametrize("now", [NOW - SKEW - TICK, NOW + GRANT_WINDOW, NOW + GRANT_WINDOW + TICK, EXPIRES_AT])
def test_refuses_before_its_issue_and_from_grant_before_on(now: datetime) -> None:
    """`grant_before` itself is too late; before the issue, beyond the skew of two clocks, no time is believed."""
    with pytest.raises(SignatureRefusedError, match="may be used from"):
        use(SEALED, now=now)


@pytest.mark.parametrize("now", [NOW - SKEW, NOW, NOW + GRANT_WINDOW - TICK])
def test_admits_until_the_last_instant_before_grant_before(now: datetime) -> None:
    """The interval is half-open, and allows two clocks to differ by the skew at which grants stop anyway."""
    assert use(SEALED, now=now) == warrant()


@pytest.mark.parametrize("late", [timedelta(0), TICK])
def test_refuses_once_the_access_would_have_ended(late: timedelta) -> None:
    """A grant that begins at its own end is none, although the window is still open."""
    short = Signed.seal(warrant(expires_at=NOW + SKEW), JUDGE)
    assert use(short, now=NOW + SKEW - TICK).expires_at == NOW + SKEW
    with pytest.raises(SignatureRefusedError, match="ended at"):
        use(short, now=NOW + SKEW + late)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("expires_at", "2027-03-02T09:00:00Z"),
        ("grant_before", "2027-03-02T09:00:00Z"),
        ("run_id", "run-2"),
        ("kind", "prolong"),
        ("subject", {"instance": "okta/prod", "user_id": "00u2"}),
        ("record", "sha256:other"),
        ("extra", True),
    ],
)
def test_refuses_a_warrant_whose_text_was_altered(field: str, value: Any) -> None:
    """Nobody but the judge can change a word of it."""
    plain = json.loads(SEALED.payload) | {field: value}
    altered = Signed(payload=json.dumps(plain, sort_keys=True, separators=(",", ":")), signature=SEALED.signature)
    with pytest.raises(SignatureRefusedError, match="does not fit"):
        use(altered)


@pytest.mark.parametrize(
    "signature",
    [
        STRANGER_KEYS[KeyRole.JUDGE].sign("warrant", warrant()),
        WITNESS.sign("warrant", warrant()),
        JUDGE.sign("freeze", warrant()),
        Signature(key_id=JUDGE.public.key_id, value=WITNESS.sign("warrant", warrant()).value),
        Signature(key_id="", value=""),
    ],
    ids=["unknown key", "wrong role", "wrong purpose", "borrowed name", "none"],
)
def test_refuses_a_warrant_that_the_judge_did_not_sign(signature: Signature) -> None:
    """The witness sits beside the vendor credential and still cannot permit itself anything."""
    with pytest.raises(SignatureRefusedError):
        use(Signed(payload=SEALED.payload, signature=signature))


def test_refuses_with_an_empty_key_ring() -> None:
    """Where no key is known, nothing is permitted."""
    with pytest.raises(SignatureRefusedError, match="not a known judge key"):
        use(SEALED, keys=KeyRing())


def test_refuses_another_word_of_the_judge() -> None:
    """A judge's signature on something else with the same fields is no warrant."""

    class Draft(SignedBody):
        purpose: ClassVar[str] = "draft"
        role: ClassVar[KeyRole] = KeyRole.JUDGE

        draft: str

    with pytest.raises(SignatureRefusedError):
        use(Signed.seal(Draft(draft="x"), JUDGE))


@pytest.mark.parametrize("field", sorted(Warrant.model_fields))
def test_refuses_a_warrant_with_a_field_missing(field: str) -> None:
    """Nothing in a warrant has a default."""
    plain = json.loads(SEALED.payload)
    del plain[field]
    payload = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    with pytest.raises(SignatureRefusedError, match="cannot be read"):
        use(Signed(payload=payload, signature=JUDGE.sign("warrant", plain)))
