"""An envelope that carries a signed value through histories unchanged: what was signed is the text, so it may grow fields."""

import json
from typing import ClassVar, Self, TypeVar

from pydantic import ValidationError

from domain.canonical import KeyRing, KeyRole, Signature, SigningKey, canonical_bytes
from domain.errors import SignatureRefusedError
from domain.values import Value

Body = TypeVar("Body", bound="SignedBody")


class SignedBody(Value):
    """A value that is only ever believed inside a `Signed` envelope. `purpose` and `role` keep kinds of signature apart."""

    purpose: ClassVar[str]
    role: ClassVar[KeyRole]


class Signed(Value):
    """The canonical text of a `SignedBody` and the signature over it."""

    payload: str
    signature: Signature

    @classmethod
    def seal(cls, body: SignedBody, key: SigningKey) -> Self:
        """Sign `body`.

        Raises:
            SignatureRefusedError: `key` is of another role than the body asks for.
        """
        if key.public.role is not body.role:
            raise SignatureRefusedError(f"{body.purpose}: needs a {body.role} key, got {key.public.key_id}")
        payload = canonical_bytes(body)
        return cls(payload=payload.decode(), signature=key.sign(body.purpose, json.loads(payload)))

    def open(self, kind: type[Body], keys: KeyRing) -> Body:
        """The body, if a known key of the right role signed exactly it.

        Raises:
            SignatureRefusedError: in every other case, undecodable text included.
        """
        try:
            plain = json.loads(self.payload)
            if not isinstance(plain, dict):
                raise SignatureRefusedError(f"{kind.purpose}: the signed text is not an object")
            keys.verify(kind.role, kind.purpose, plain, self.signature)
            if canonical_bytes(plain).decode() != self.payload:
                raise SignatureRefusedError(f"{kind.purpose}: the signed text is not in its canonical form")
            return kind.model_validate(plain)
        except (ValueError, RecursionError, ValidationError) as error:
            raise SignatureRefusedError(f"{kind.purpose}: the signed text cannot be read") from error
