"""HMAC-SHA256 over what arrived, byte for byte: `sha256=<hex>`. One secret, two purposes that cannot be mistaken for each other."""

import hashlib
import hmac
import re

from pydantic import SecretStr

JIRA_HEADER = "X-Hub-Signature"
CALL_HEADER = "X-Nightlatch-Signature"
_FORM = re.compile(r"sha256=([0-9A-Fa-f]{64})", re.ASCII)


def read_signature(values: list[str]) -> bytes | None:
    """The digest that a header bears; None when it is missing, given twice or not in form."""
    match = _FORM.fullmatch(values[0].strip()) if len(values) == 1 else None
    return bytes.fromhex(match.group(1)) if match else None


def is_by(secret: SecretStr, signature: bytes, message: bytes) -> bool:
    """Whether `signature` is the secret's over `message`, in constant time."""
    return hmac.compare_digest(signature, _digest(secret, message))


def call_message(path: str, body: bytes) -> bytes:
    """What a caller of the bridge signs: the path too, so that one ticket's call is no other ticket's, nor a webhook (JSON).

    A call needs no time or nonce: both calls may be repeated without effect.
    """
    return b"POST " + path.encode() + b"\n" + body


def sign_call(secret: SecretStr, path: str, body: bytes) -> str:
    """The value of the header `X-Nightlatch-Signature` for a call."""
    return f"sha256={_digest(secret, call_message(path, body)).hex()}"


def _digest(secret: SecretStr, message: bytes) -> bytes:
    return hmac.new(secret.get_secret_value().encode(), message, hashlib.sha256).digest()
