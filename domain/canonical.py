"""Canonical bytes (RFC 8785) and digests of models, and Ed25519 signatures over them with a declared purpose."""

import base64
import hashlib
from enum import StrEnum
from typing import Any, Self

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel

from domain.errors import SignatureRefusedError
from domain.values import Value


def canonical_bytes(value: BaseModel | dict[str, Any]) -> bytes:
    """The RFC 8785 bytes of `value`; a model is taken by its JSON form. Numbers are integers by convention."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return rfc8785.dumps(plain)


def digest(value: BaseModel | dict[str, Any]) -> str:
    """`sha256:<hex>` of the canonical bytes."""
    return "sha256:" + hashlib.sha256(canonical_bytes(value)).hexdigest()


class KeyRole(StrEnum):
    """What a key may vouch for. A key signs and verifies for its own role only.

    JUDGE: warrants, and the `armed` and `extended` records that stand for live leases.
    WITNESS: what an activity that holds a vendor credential did and saw there.
    SCRIBE: every other record on the ticket.
    """

    JUDGE = "judge"
    WITNESS = "witness"
    SCRIBE = "scribe"


class PublicKey(Value):
    """A verification key: `raw` is the 32 bytes of RFC 8032 in URL-safe base64."""

    key_id: str
    role: KeyRole
    raw: str


class Signature(Value):
    key_id: str
    value: str


class SigningKey:
    """An Ed25519 private key bound to one role. Its representation never shows the key."""

    def __init__(self, private: Ed25519PrivateKey, role: KeyRole) -> None:
        self._private = private
        raw = private.public_key().public_bytes_raw()
        key_id = f"{role}-{hashlib.sha256(raw).hexdigest()[:16]}"
        self.public = PublicKey(key_id=key_id, role=role, raw=base64.urlsafe_b64encode(raw).decode())

    def __repr__(self) -> str:
        return f"SigningKey({self.public.key_id})"

    @classmethod
    def from_seed(cls, seed: bytes, role: KeyRole) -> Self:
        """The key of a 32-byte secret seed (RFC 8032).

        Raises:
            ValueError: `seed` is not 32 bytes.
        """
        return cls(Ed25519PrivateKey.from_private_bytes(seed), role)

    def sign(self, purpose: str, value: BaseModel | dict[str, Any]) -> Signature:
        """Sign the canonical bytes of `value` for `purpose`, so that no signature can serve for another kind of thing."""
        signed = self._private.sign(_message(purpose, value))
        return Signature(key_id=self.public.key_id, value=base64.urlsafe_b64encode(signed).decode())


class KeyRing(Value):
    """The public keys that are believed. An empty ring believes nothing."""

    keys: tuple[PublicKey, ...] = ()

    def verify(self, role: KeyRole, purpose: str, value: BaseModel | dict[str, Any], signature: Signature) -> None:
        """Return if a known key of `role` made `signature` over `value` for `purpose`.

        Raises:
            SignatureRefusedError: in every other case.
        """
        for key in self.keys:
            if key.key_id == signature.key_id and key.role is role:
                try:
                    public = Ed25519PublicKey.from_public_bytes(_decode(key.raw))
                    public.verify(_decode(signature.value), _message(purpose, value))
                except (InvalidSignature, ValueError) as error:
                    raise SignatureRefusedError(
                        f"{purpose}: the signature by {signature.key_id} does not fit"
                    ) from error
                return
        raise SignatureRefusedError(f"{purpose}: {signature.key_id!r} is not a known {role} key")


def _decode(text: str) -> bytes:
    """URL-safe base64 in its one form: the lenient decoder would give one signature many texts, and a record many hashes."""
    raw = base64.urlsafe_b64decode(text)
    if base64.urlsafe_b64encode(raw).decode() != text:
        raise ValueError("not the canonical base64 of its bytes")
    return raw


def _message(purpose: str, value: BaseModel | dict[str, Any]) -> bytes:
    return b"nightlatch/1\n" + purpose.encode() + b"\n" + canonical_bytes(value)
