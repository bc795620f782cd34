"""From our errors to Temporal's failures: the one place where a type string and a retry delay are chosen."""

from collections.abc import Iterator
from contextlib import contextmanager

from temporalio.exceptions import ApplicationError

from domain.errors import (
    InvalidInputError,
    RateLimitedError,
    SignatureRefusedError,
    VendorError,
    VendorErrorKind,
)

SIGNATURE_REFUSED = "SignatureRefused"
INVALID_INPUT = "InvalidInput"


@contextmanager
def told_to_temporal(*, give_up_on: frozenset[VendorErrorKind] = frozenset()) -> Iterator[None]:
    """Raise vendor errors of the body as `ApplicationError`s of their kind; a rate limit sets the next retry's delay.

    With an empty `give_up_on` no vendor error ends the retrying: that is what every activity that takes access away uses.
    A refused signature or wrong configuration is final for an activity that adds (`give_up_on` not empty), and only there.
    """
    try:
        yield
    except VendorError as error:
        raise ApplicationError(
            str(error),
            error.vendor_request_id or "",
            type=error.kind.value,
            non_retryable=error.kind in give_up_on,
            next_retry_delay=error.delay if isinstance(error, RateLimitedError) else None,
        ) from error
    except SignatureRefusedError as error:
        raise ApplicationError(str(error), type=SIGNATURE_REFUSED, non_retryable=bool(give_up_on)) from error
    except InvalidInputError as error:
        raise ApplicationError(str(error), type=INVALID_INPUT, non_retryable=bool(give_up_on)) from error
