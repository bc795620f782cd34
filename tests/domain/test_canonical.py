"""Canonical bytes, digests, and signatures bound to a role and a purpose."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.canonical import KeyRing, KeyRole, PublicKey, Signature, SigningKey, canonical_bytes, digest
from domain.errors import SignatureRefusedError
from tests.domain.examples import JUDGE, KEYS, STRANGER_KEYS, WITNESS

BODY = {"who": "ada", "until": 1}
SIGNED = JUDGE.sign("warrant", BODY)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_gives_one_text_whatever_the_order_of_fields(value: dict[str, Any]) -> None:
    """The order in which a dictionary was filled changes nothing."""
    assert canonical_bytes(dict(reversed(value.items()))) == canonical_bytes(value)


def test_takes_a_model_by_its_json_form() -> None:
    """A model and what was read back of it have one digest."""
    assert digest(JUDGE.public) == digest(JUDGE.public.model_dump(mode="json"))


def test_keeps_apart_text_that_only_looks_equal() -> None:
    """No normalisation: composed and decomposed letters, and zero-width characters, are different bytes."""
    texts = ["\u00e9", "e\u0301", "e", "e\u200b", "\N{CYRILLIC SMALL LETTER IE}"]
    assert len({digest({"reason": text}) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    "value", [2**53, -(2**53), float("nan"), float("inf"), "\ud800", object(), {1: "x"}, {"\ud800": 1}]
)
def test_refuses_what_canonical_json_cannot_say(value: object) -> None:
    """Numbers that another reader would round, half surrogate pairs and foreign objects have no digest: `ValueError`."""
    with pytest.raises(ValueError, match=r"."):
        digest({"value": value})


@pytest.mark.parametrize(("key", "role"), [(JUDGE, KeyRole.JUDGE), (WITNESS, KeyRole.WITNESS)])
def test_believes_a_known_key_in_its_own_role(key: SigningKey, role: KeyRole) -> None:
    """The good case, without which every refusal below would be hollow."""
    KEYS.verify(role, "warrant", BODY, key.sign("warrant", BODY))


@pytest.mark.parametrize(
    ("role", "purpose", "body"),
    [
        (KeyRole.WITNESS, "warrant", BODY),
        (KeyRole.SCRIBE, "warrant", BODY),
        (KeyRole.JUDGE, "freeze", BODY),
        (KeyRole.JUDGE, "", BODY),
        (KeyRole.JUDGE, "warrant", BODY | {"until": 2}),
        (KeyRole.JUDGE, "warrant", BODY | {"more": None}),
        (KeyRole.JUDGE, "warrant", {"who": "ada"}),
        (KeyRole.JUDGE, "warrant", {}),
        (KeyRole.JUDGE, "warrant", {"who": "\ud800"}),
    ],
)
def test_refuses_a_signature_for_anything_but_what_was_signed(
    role: KeyRole, purpose: str, body: dict[str, Any]
) -> None:
    """Role, purpose and every field are under the signature; what cannot be encoded was never signed."""
    with pytest.raises(SignatureRefusedError):
        KEYS.verify(role, purpose, body, SIGNED)


def test_refuses_a_key_that_is_not_in_the_ring() -> None:
    """Anyone can make a key of any role; only known ones count, and an empty ring believes nothing."""
    stranger = STRANGER_KEYS[KeyRole.JUDGE]
    with pytest.raises(SignatureRefusedError, match="not a known judge key"):
        KEYS.verify(KeyRole.JUDGE, "warrant", BODY, stranger.sign("warrant", BODY))
    with pytest.raises(SignatureRefusedError, match="not a known judge key"):
        KeyRing().verify(KeyRole.JUDGE, "warrant", BODY, SIGNED)


def test_refuses_a_stranger_who_uses_the_name_of_a_known_key() -> None:
    """The key id only finds the key; the signature must still fit."""
    forged = STRANGER_KEYS[KeyRole.JUDGE].sign("warrant", BODY)
    with pytest.raises(SignatureRefusedError, match="does not fit"):
        KEYS.verify(KeyRole.JUDGE, "warrant", BODY, Signature(key_id=SIGNED.key_id, value=forged.value))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=",
        "é",
        SIGNED.value[:-4],
        SIGNED.value + "AAAA",
        SIGNED.value + "\n",
        "!" + SIGNED.value,
        SIGNED.value.rstrip("="),
        SIGNED.value[:-3] + chr(ord(SIGNED.value[-3]) + 1) + "==",
        base64.b64encode(base64.urlsafe_b64decode(SIGNED.value)).decode().replace("-", "+") + " ",
    ],
)
def test_refuses_every_other_spelling_of_a_signature(text: str) -> None:
    """One signature has one text: a second spelling would give a record a second hash."""
    with pytest.raises(SignatureRefusedError, match="does not fit"):
        KEYS.verify(KeyRole.JUDGE, "warrant", BODY, Signature(key_id=SIGNED.key_id, value=text))


@pytest.mark.parametrize("raw", ["", "AAAA", "é", "!" + JUDGE.public.raw])
def test_refuses_by_a_ring_whose_key_cannot_be_read(raw: str) -> None:
    """A damaged ring verifies nothing, and says so like any other refusal."""
    ring = KeyRing(keys=(PublicKey(key_id=SIGNED.key_id, role=KeyRole.JUDGE, raw=raw),))
    with pytest.raises(SignatureRefusedError, match="does not fit"):
        ring.verify(KeyRole.JUDGE, "warrant", BODY, SIGNED)


def test_shows_a_signing_key_by_its_id_only() -> None:
    """No secret is ever printed."""
    shown = repr(JUDGE) + str(JUDGE) + f"{JUDGE}"
    assert JUDGE.public.key_id in shown
    assert base64.urlsafe_b64encode(b"j" * 32).decode() not in shown
    assert "jjjj" not in shown


@pytest.mark.parametrize("seed", [b"", b"x" * 31, b"x" * 33])
def test_refuses_a_seed_that_is_not_32_bytes(seed: bytes) -> None:
    """A short secret is not stretched."""
    with pytest.raises(ValueError, match="32 bytes"):
        SigningKey.from_seed(seed, KeyRole.JUDGE)


def test_names_a_key_by_role_and_content() -> None:
    """Keys of one seed in two roles are two names, so that a ring cannot mix them up."""
    assert len({key.public.key_id for key in STRANGER_KEYS.values()}) == len(KeyRole)
