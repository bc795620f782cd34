"""The envelope: what was signed is the text, and nothing else is read from it."""

import json
from typing import ClassVar

import pytest

from domain.canonical import KeyRole, Signature, SigningKey, canonical_bytes
from domain.errors import SignatureRefusedError
from domain.signed import Signed, SignedBody
from tests.domain.examples import JUDGE, KEYS, SCRIBE, STRANGER_KEYS, WITNESS


class Word(SignedBody):
    purpose: ClassVar[str] = "word"
    role: ClassVar[KeyRole] = KeyRole.JUDGE

    text: str
    count: int = 0


class OtherWord(Word):
    purpose: ClassVar[str] = "other-word"


class LongerWord(Word):
    """The same kind of word by a newer release."""

    newer: str = "caveat"


WORD = Word(text="Zoë", count=3)
SEALED = Signed.seal(WORD, JUDGE)


def test_opens_what_was_sealed() -> None:
    """The body comes back as it went in, also through JSON."""
    assert SEALED.open(Word, KEYS) == WORD
    assert Signed.model_validate_json(SEALED.model_dump_json()).open(Word, KEYS) == WORD


def test_opens_a_word_that_a_newer_release_has_sealed() -> None:
    """Unknown fields are under the signature and are ignored; the text itself travels on unchanged."""
    sealed = Signed.seal(LongerWord(text="a"), JUDGE)
    assert sealed.open(Word, KEYS) == Word(text="a")
    assert "newer" in sealed.payload


@pytest.mark.parametrize("key", [WITNESS, SCRIBE])
def test_refuses_to_seal_with_a_key_of_another_role(key: SigningKey) -> None:
    """A wiring mistake shows where it is made."""
    with pytest.raises(SignatureRefusedError, match="needs a judge key"):
        Signed.seal(WORD, key)


def test_refuses_a_word_of_another_kind() -> None:
    """Equal fields do not make equal kinds: the purpose is under the signature."""
    with pytest.raises(SignatureRefusedError):
        SEALED.open(OtherWord, KEYS)


@pytest.mark.parametrize(
    "payload",
    [
        SEALED.payload.replace("3", "4"),
        SEALED.payload.replace("Zoë", "Zoe\u0308"),
        SEALED.payload[:-1] + ',"more":1}',
        SEALED.payload[:-1],
        "",
        "null",
        "[]",
        '"word"',
        "[" * 100_000,
        '{"text":"\\ud800"}',
        '{"text":NaN}',
        '{"count":' + "9" * 5000 + "}",
    ],
)
def test_refuses_a_text_that_was_altered_or_cannot_be_read(payload: str) -> None:
    """Every unreadable or altered text is one kind of refusal, however deep, large or odd it is."""
    with pytest.raises(SignatureRefusedError):
        Signed(payload=payload, signature=SEALED.signature).open(Word, KEYS)


@pytest.mark.parametrize(
    "payload",
    [
        SEALED.payload + " ",
        SEALED.payload.replace("ë", "\\u00eb"),
        SEALED.payload.replace("3", "3.0"),
        '{"text":"Zoë","count":3}',
        '{"count":9,' + SEALED.payload[1:],
    ],
)
def test_refuses_another_spelling_of_the_signed_text(payload: str) -> None:
    """Two readers could see different fields in a text that is not canonical, doubled keys above all."""
    with pytest.raises(SignatureRefusedError):
        Signed(payload=payload, signature=SEALED.signature).open(Word, KEYS)


def test_refuses_a_signed_text_that_is_not_a_word() -> None:
    """Even a good signature does not make a body of what lacks its fields."""
    payload = canonical_bytes({"count": "many"}).decode()
    with pytest.raises(SignatureRefusedError, match="cannot be read"):
        Signed(payload=payload, signature=JUDGE.sign("word", json.loads(payload))).open(Word, KEYS)


@pytest.mark.parametrize(
    "signature",
    [
        Signature(key_id="", value=""),
        Signature(key_id=SEALED.signature.key_id, value=""),
        Signature(key_id=WITNESS.public.key_id, value=SEALED.signature.value),
        STRANGER_KEYS[KeyRole.JUDGE].sign("word", WORD),
    ],
)
def test_refuses_a_word_without_the_judges_signature(signature: Signature) -> None:
    """No signature, another's name and another's key are all refused."""
    with pytest.raises(SignatureRefusedError):
        Signed(payload=SEALED.payload, signature=signature).open(Word, KEYS)
