"""The warrant: a signed, short-lived, single-purpose permission to add exactly this access until exactly this instant."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from domain.canonical import KeyRing, KeyRole
from domain.errors import SignatureRefusedError
from domain.ids import SubjectRef, TargetRef, TicketRef
from domain.signed import Signed, SignedBody
from domain.values import Instant

GRANT_WINDOW = timedelta(minutes=2)
"""How long after its issue a warrant may be used: longer than a grant's whole retry budget, shorter than a coffee."""

FREEZE_RECHECK_AGE = timedelta(seconds=30)
"""A warrant older than this is used only after the freeze has been read once more (DESIGN 6)."""


class WarrantKind(StrEnum):
    GRANT = "grant"
    PROLONG = "prolong"


class Warrant(SignedBody):
    """Names everything that it permits. `record` is the digest of the `armed` or `extended` record that stands for it."""

    purpose: ClassVar[str] = "warrant"
    role: ClassVar[KeyRole] = KeyRole.JUDGE

    kind: WarrantKind
    ticket: TicketRef
    lease_id: str
    run_id: str
    target: TargetRef
    subject: SubjectRef
    expires_at: Instant
    issued_at: Instant
    grant_before: Instant
    terms_digest: str
    record: str


def admit(
    sealed: Signed,
    kind: WarrantKind,
    *,
    lease_id: str,
    run_id: str,
    keys: KeyRing,
    now: datetime,
) -> Warrant:
    """The warrant, if it permits `kind` to the lease run that is calling, now.

    Raises:
        SignatureRefusedError: it was not issued by the judge, is for something else, for another run, or too old.
    """
    warrant = sealed.open(Warrant, keys)
    if warrant.kind is not kind:
        raise SignatureRefusedError(f"this warrant permits {warrant.kind}, not {kind}")
    if (warrant.lease_id, warrant.run_id) != (lease_id, run_id):
        raise SignatureRefusedError(
            f"this warrant is for run {warrant.run_id} of {warrant.lease_id}, not for {run_id} of {lease_id}"
        )
    is_one_instance = warrant.subject.instance == warrant.target.instance
    if not is_one_instance or warrant.lease_id != f"lease:{warrant.target}/{warrant.subject.user_id}":
        raise SignatureRefusedError("this warrant names a target and subject that are not those of its lease")
    if not warrant.issued_at - timedelta(seconds=30) <= now < warrant.grant_before:
        raise SignatureRefusedError(
            f"this warrant may be used from {warrant.issued_at} until {warrant.grant_before}, and it is {now}"
        )
    if now >= warrant.expires_at:
        raise SignatureRefusedError(f"the access this warrant permits ended at {warrant.expires_at}")
    return warrant
