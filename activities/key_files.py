"""Ed25519 keys as files: seeds in URL-safe base64, readable by their owner alone, and the list of public keys that are believed."""

import base64
import json
import os
import secrets
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from domain.canonical import KeyRing, KeyRole, PublicKey, SigningKey
from domain.errors import InvalidInputError

TRUSTED = "trusted.json"
_SEED_BYTES = 32
_PUBLIC_KEYS = TypeAdapter(tuple[PublicKey, ...])


def seed_file(folder: Path, role: KeyRole) -> Path:
    return folder / f"{role}.seed"


def write_new_keys(folder: Path) -> KeyRing:
    """One new key for each role in `folder`, which is made if need be, and the list that believes exactly these.

    Raises:
        InvalidInputError: one of the files exists, or cannot be written. Nothing new is left behind then.
    """
    written: list[Path] = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = []
        for role in KeyRole:
            seed = secrets.token_bytes(_SEED_BYTES)
            _create(seed_file(folder, role), base64.urlsafe_b64encode(seed).decode(), 0o600, written)
            keys.append(SigningKey.from_seed(seed, role).public)
        text = json.dumps([key.model_dump(mode="json") for key in keys], indent=2)
        _create(folder / TRUSTED, text, 0o644, written)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise InvalidInputError(
            f"no keys were made in {folder}: {error.strerror} ({error.filename});"
            " name another folder, an existing key is never overwritten"
        ) from error
    return KeyRing(keys=tuple(keys))


def read_signing_key(path: Path, role: KeyRole) -> SigningKey:
    """The key of that role.

    Raises:
        InvalidInputError: it cannot be read, others can read it too, or it is no seed. The message holds none of it.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise InvalidInputError(f"others may read the {role} key {path}: chmod 600 it, or make a new one")
        seed = base64.b64decode(path.read_text().strip(), altchars=b"-_", validate=True)
        return SigningKey.from_seed(seed, role)
    except OSError as error:
        raise InvalidInputError(
            f"the {role} key {path} cannot be read ({error.strerror}); check keys.{role}"
        ) from error
    except ValueError:
        raise InvalidInputError(
            f"{path} is no {role} key: 32 bytes in URL-safe base64 are due, as `nightlatch keys new` writes them"
        ) from None


def read_trusted(path: Path) -> KeyRing:
    """The public keys that are believed.

    Raises:
        InvalidInputError: the list cannot be read, is none, or is empty.
    """
    try:
        keys = _PUBLIC_KEYS.validate_json(path.read_text())
    except OSError as error:
        raise InvalidInputError(
            f"the trusted keys {path} cannot be read ({error.strerror}); check keys.trusted"
        ) from error
    except (ValidationError, ValueError):
        raise InvalidInputError(f"{path} is no JSON list of public keys, as `nightlatch keys new` writes it") from None
    if not keys:
        raise InvalidInputError(
            f"{path} trusts no key, so that nothing could ever be believed; put the public keys in it"
        )
    return KeyRing(keys=keys)


def _create(path: Path, text: str, mode: int, written: list[Path]) -> None:
    """Make a file that was not there, with its mode from the first instant."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    written.append(path)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
