"""Errors by what the caller can do about them. Type names are defined once here, so that raiser and handler cannot drift."""

from datetime import timedelta
from enum import StrEnum


class NightlatchError(Exception):
    """Base of every error that Nightlatch raises on purpose."""


class InvalidInputError(NightlatchError):
    """Something a person wrote is wrong: the message names the thing, the cause and the remedy."""


class SignatureRefusedError(NightlatchError):
    """A signed value does not verify: wrong key, wrong role, wrong content, or no signature at all."""


class FrozenError(NightlatchError):
    """Nothing may be granted now: somebody froze the house, or no word that it may could be believed."""


class IllegalTransitionError(NightlatchError):
    """A state machine was asked for a move that its table does not have."""


class VendorErrorKind(StrEnum):
    """The short family of vendor failures; the value is the Temporal failure type."""

    RATE_LIMITED = "RateLimited"
    RETRYABLE = "Retryable"
    OUTCOME_UNKNOWN = "OutcomeUnknown"
    NOT_FOUND = "NotFound"
    AUTH_FAILED = "AuthFailed"
    FORBIDDEN = "Forbidden"
    INVALID = "Invalid"
    MALFORMED = "Malformed"


class VendorError(NightlatchError):
    """A vendor call that did not succeed. `vendor_request_id` is the vendor's own id of the call, where it gave one."""

    kind: VendorErrorKind

    def __init__(self, message: str, *, vendor_request_id: str | None = None) -> None:
        """`message` names the call, what came back and what to do; it never holds a credential."""
        super().__init__(message)
        self.vendor_request_id = vendor_request_id


class RateLimitedError(VendorError):
    """The vendor asks for patience."""

    kind = VendorErrorKind.RATE_LIMITED

    def __init__(self, message: str, *, delay: timedelta | None, vendor_request_id: str | None = None) -> None:
        """`delay` is the vendor's wish, already cleaned to 1 s .. 5 min; None when it gave none."""
        super().__init__(message, vendor_request_id=vendor_request_id)
        self.delay = delay


class RetryableError(VendorError):
    """Nothing was decided; the same call may succeed later."""

    kind = VendorErrorKind.RETRYABLE


class OutcomeUnknownError(VendorError):
    """A write was sent and no readable answer came back: it may or may not have happened."""

    kind = VendorErrorKind.OUTCOME_UNKNOWN


class NotFoundError(VendorError):
    """The vendor says that a thing does not exist. `thing` is `user`, `group`, `membership`, `ticket`, ... or `unknown`."""

    kind = VendorErrorKind.NOT_FOUND

    def __init__(self, message: str, *, thing: str, vendor_request_id: str | None = None) -> None:
        super().__init__(message, vendor_request_id=vendor_request_id)
        self.thing = thing


class AuthFailedError(VendorError):
    """Our credential was refused (401)."""

    kind = VendorErrorKind.AUTH_FAILED


class ForbiddenError(VendorError):
    """Our credential may not do this (403). Never a successful revoke."""

    kind = VendorErrorKind.FORBIDDEN


class InvalidError(VendorError):
    """The vendor will never accept this call as it stands (400, 422, a wrong kind of target)."""

    kind = VendorErrorKind.INVALID


class MalformedError(VendorError):
    """An answer that is not what the vendor documents: wrong body, wrong type, unexpected status. Never a success."""

    kind = VendorErrorKind.MALFORMED


GRANT_NEVER_RETRIED: frozenset[VendorErrorKind] = frozenset(
    {VendorErrorKind.NOT_FOUND, VendorErrorKind.FORBIDDEN, VendorErrorKind.INVALID},
)
"""Failures for which a second grant attempt is pointless. A revoke has no such set: it never gives up (DESIGN law 8)."""
