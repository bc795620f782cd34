"""Making signing keys: Ed25519 seeds as files for their owner alone, and the list of public keys that are believed.

Reading them is done in `registry.py`.
"""

import base64
import json
import os
import secrets
from pathlib import Path

from domain.canonical import KeyRing, KeyRole, SigningKey
from domain.errors import InvalidInputError

TRUSTED = "trusted.json"
_SEED_BYTES = 32


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


def _create(path: Path, text: str, mode: int, written: list[Path]) -> None:
    """Make a file that was not there, with its mode from the first instant."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    written.append(path)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
