"""The error family: what a caller can read from each."""

from datetime import timedelta

import pytest

from domain.errors import (
    GRANT_NEVER_RETRIED,
    AuthFailedError,
    ForbiddenError,
    InvalidError,
    MalformedError,
    NightlatchError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    RetryableError,
    VendorError,
    VendorErrorKind,
)

PLAIN = [RetryableError, OutcomeUnknownError, AuthFailedError, ForbiddenError, InvalidError, MalformedError]
FAMILY: list[VendorError] = [
    *(kind("GET /x: 500", vendor_request_id="req-1") for kind in PLAIN),
    RateLimitedError("GET /x: 429", delay=timedelta(seconds=5), vendor_request_id="req-1"),
    NotFoundError("GET /x: 404", thing="membership", vendor_request_id="req-1"),
]


def test_has_one_error_for_each_kind() -> None:
    """Raiser and handler share the names, and no kind is left without its error."""
    assert sorted(error.kind for error in FAMILY) == sorted(VendorErrorKind)


@pytest.mark.parametrize("error", FAMILY, ids=lambda error: error.kind)
def test_carries_the_vendors_own_request_id(error: VendorError) -> None:
    """The vendor's support finds the call by it; it is never part of a guess."""
    assert isinstance(error, NightlatchError)
    assert error.vendor_request_id == "req-1"
    assert "GET /x" in str(error)


def test_says_what_was_not_found_and_how_long_to_wait() -> None:
    """A missing group is not a missing membership, and no delay given is not a delay of nothing."""
    assert NotFoundError("gone", thing="group").thing == "group"
    assert RateLimitedError("slow down", delay=None).delay is None
    assert RetryableError("again").vendor_request_id is None


def test_retries_a_grant_whose_outcome_is_open() -> None:
    """Only a plain no ends the trying; an unknown outcome never reads as a no."""
    assert VendorErrorKind.OUTCOME_UNKNOWN not in GRANT_NEVER_RETRIED
    assert VendorErrorKind.RETRYABLE not in GRANT_NEVER_RETRIED
    assert VendorErrorKind.FORBIDDEN in GRANT_NEVER_RETRIED
