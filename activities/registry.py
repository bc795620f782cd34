"""Which adapter serves which target: the choice that worker, sweep, doctor and broker share. A vendor's SDK is loaded on use."""

import asyncio
import base64
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from activities.bundle import Keys
from activities.ports import AccessProvider
from activities.providers.okta_groups import OktaGroups
from activities.settings import KeySettings, Settings
from domain.canonical import KeyRing, KeyRole, PublicKey, SigningKey
from domain.catalogue import SURFACES, TargetKind
from domain.errors import InvalidInputError
from domain.ids import TargetRef

LONGEST_CALL_SECONDS = 6.0
"""No adapter's client may wait longer for one exchange: the kernel's fence is built on it (workflows/options.py)."""


OTHERS_MAY = 0o077
PUBLIC_KEYS = TypeAdapter(tuple[PublicKey, ...])


class Registry:
    """One adapter for each configured instance."""

    def __init__(self, settings: Settings) -> None:
        """Raises `InvalidInputError` when two entries have one name, or an adapter breaks a bound of the kernel."""
        self._okta = [OktaGroups(entry) for entry in settings.okta]
        self._adapters: dict[tuple[TargetKind, str], AccessProvider] = {
            (TargetKind.OKTA_GROUP, entry.instance): adapter
            for entry, adapter in zip(settings.okta, self._okta, strict=True)
        }
        if len(self._adapters) != len(settings.okta):
            raise InvalidInputError(
                "two okta entries in the settings have the same instance; give each a name of its own"
            )
        for (kind, instance), adapter in self._adapters.items():
            _hold_to_the_kernel(instance, kind, adapter)

    def for_target(self, kind: TargetKind, target: TargetRef) -> AccessProvider:
        adapter = self._adapters.get((kind, target.instance))
        if adapter is None:
            raise InvalidInputError(f"no {kind} instance {target.instance} is configured; add it to the settings")
        return adapter

    async def warm_up(self) -> None:
        """Load, in a thread, the SDK of every configured vendor: the first call must not stall the loop for seconds."""
        if self._okta:
            from activities.providers.okta_client import warm_up  # noqa: PLC0415 - loading it is the point

            await asyncio.to_thread(warm_up)

    async def close(self) -> None:
        for adapter in self._okta:
            await adapter.close()


def load_keys(settings: KeySettings) -> Keys:
    """The keys of this process.

    Raises:
        InvalidInputError: a file is missing or is not a key, or a key of ours is not among those that are believed.
    """
    trusted = _trusted(settings.trusted)
    keys = Keys(
        trusted=trusted,
        judge=_signing_key(settings.judge, KeyRole.JUDGE),
        witness=_signing_key(settings.witness, KeyRole.WITNESS),
        scribe=_signing_key(settings.scribe, KeyRole.SCRIBE),
    )
    for key in (keys.judge, keys.witness, keys.scribe):
        if key is not None and key.public not in trusted.keys:
            raise InvalidInputError(
                f"{key.public.key_id} is not in {settings.trusted}; add its public key before it signs"
            )
    return keys


def _trusted(file: Path) -> KeyRing:
    try:
        keys = PUBLIC_KEYS.validate_json(file.read_bytes())
    except OSError as error:
        raise InvalidInputError(
            f"the trusted keys {file} cannot be read ({error.strerror}); check keys.trusted"
        ) from error
    except ValidationError:
        raise InvalidInputError(f"{file} is no JSON list of public keys, as `nightlatch keys new` writes it") from None
    if not keys:
        raise InvalidInputError(f"{file} trusts no key, so that nothing could be believed; put the public keys in it")
    return KeyRing(keys=keys)


def _signing_key(file: Path | None, role: KeyRole) -> SigningKey | None:
    if file is None:
        return None
    try:
        if file.stat().st_mode & OTHERS_MAY:
            raise InvalidInputError(f"others may read the {role} key {file}: chmod 600 it, or make a new one")
        return SigningKey.from_seed(base64.b64decode(file.read_text().strip(), altchars=b"-_", validate=True), role)
    except OSError as error:
        raise InvalidInputError(
            f"the {role} key {file} cannot be read ({error.strerror}); check keys.{role}"
        ) from error
    except ValueError:
        raise InvalidInputError(
            f"{file} is no {role} key: 32 bytes in URL-safe base64 are due, as `nightlatch keys new` writes them"
        ) from None


def _hold_to_the_kernel(instance: str, kind: TargetKind, adapter: AccessProvider) -> None:
    able, surface = adapter.capabilities, SURFACES[kind]
    said = (able.read_lag, able.landing_lag, able.native_expiry, able.suspends)
    if said != (surface.read_lag, surface.landing_lag, surface.native_expiry, surface.suspends):
        raise InvalidInputError(f"the adapter of {instance} does not keep what the kernel expects of {kind}")
    if able.client_timeout.total_seconds() > LONGEST_CALL_SECONDS:
        raise InvalidInputError(
            f"client_timeout of {instance} is above {LONGEST_CALL_SECONDS} s, on which the kernel's fence is built"
        )
