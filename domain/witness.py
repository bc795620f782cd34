"""What an activity that holds a vendor credential says it did or saw. Unsigned words move nothing (DESIGN law 7)."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from domain.canonical import KeyRing, KeyRole
from domain.errors import SignatureRefusedError
from domain.signed import Signed, SignedBody
from domain.values import Instant, Value


class Presence(StrEnum):
    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class SessionsEnded(StrEnum):
    """What ending sessions achieved: all that the vendor can, not yet (it failed and is tried again), or it cannot."""

    ENDED = "ended"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"


def sessions_action(achieved: SessionsEnded) -> str:
    """How a receipt names that sessions were ended, and with what success."""
    return f"end sessions: {achieved}"


SUSPEND = "suspend the account"
"""How a receipt names that the subject's account was suspended."""


class Observation(SignedBody):
    """One look at one pair, by one lease run. `observed_at` is the vendor's clock where it tells, `vendor_request_id` its id."""

    purpose: ClassVar[str] = "observation"
    role: ClassVar[KeyRole] = KeyRole.WITNESS

    lease_id: str
    run_id: str
    presence: Presence
    observed_at: Instant
    vendor_request_id: str = ""
    own: bool = False
    note: str = ""


class Receipt(SignedBody):
    """A write that the vendor acknowledged. `attempt` counts from 1: an earlier attempt may still land (DESIGN 4, zombies).

    `until` is the end that was granted, where something was added.
    """

    purpose: ClassVar[str] = "receipt"
    role: ClassVar[KeyRole] = KeyRole.WITNESS

    lease_id: str
    run_id: str
    action: str
    acknowledged_at: Instant
    vendor_request_id: str = ""
    attempt: int = 1
    until: Instant | None = None


class Proof(Value):
    """Access observed absent twice by one lease run: `removed_at` is the first such look, `proved_at` the second."""

    first: Signed
    second: Signed


def read_observation(sealed: Signed, keys: KeyRing, *, lease_id: str, not_before: datetime) -> Observation:
    """The observation, if a witness signed it for this lease, of a look no older than `not_before`.

    A run is not compared: the history of a reset run holds the looks of the run before it, and replays them.

    Raises:
        SignatureRefusedError: otherwise.
    """
    observation = sealed.open(Observation, keys)
    if observation.lease_id != lease_id:
        raise SignatureRefusedError(f"this observation is of {observation.lease_id}, not of {lease_id}")
    if observation.observed_at < not_before:
        raise SignatureRefusedError(f"this observation is of {observation.observed_at}, older than {not_before}")
    return observation


def verify_proof(
    proof: Proof, keys: KeyRing, *, lease_id: str, not_before: datetime, apart: timedelta
) -> tuple[Observation, Observation]:
    """Both looks, if each says absent and the second came at least `apart` after the first.

    Raises:
        SignatureRefusedError: it proves nothing.
    """
    first, second = (
        read_observation(sealed, keys, lease_id=lease_id, not_before=not_before)
        for sealed in (proof.first, proof.second)
    )
    if (first.presence, second.presence) != (Presence.ABSENT, Presence.ABSENT):
        raise SignatureRefusedError("a proof needs two looks that say absent")
    if proof.first.payload == proof.second.payload:
        raise SignatureRefusedError("a proof needs two looks, and this is one look twice")
    if second.observed_at - first.observed_at < apart:
        raise SignatureRefusedError(f"the second look must come {apart} after the first")
    return first, second
