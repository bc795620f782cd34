"""Reads Okta's answers: which are successes, and what each of the others means. Pure: sends nothing, keeps nothing.

Status and header meanings: https://developer.okta.com/docs/reference/error-codes/ and .../reference/rl-best-practices/.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

import httpx

from activities.ports import Answered
from domain.errors import (
    AuthFailedError,
    ForbiddenError,
    InvalidError,
    MalformedError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    RetryableError,
    VendorError,
)

NO_SUCH_THING = "E0000007"
SHORTEST_DELAY = timedelta(seconds=1)
LONGEST_DELAY = timedelta(minutes=5)
SHORT_DELAY = timedelta(seconds=2)
"""For the concurrent limit, whose reset means nothing, and for a 429 that names no instant."""
MOST_QUOTED_CHARACTERS = 200


@dataclass(frozen=True)
class Answer:
    """One whole HTTP answer, under the attribute names that the SDK expects of a response."""

    status: int
    reason: str
    headers: httpx.Headers
    content: bytes
    next_url: str | None

    @classmethod
    def of(cls, response: httpx.Response) -> "Answer":
        next_url = response.links.get("next", {}).get("url")
        return cls(response.status_code, response.reason_phrase, response.headers, response.content, next_url)

    @property
    def content_type(self) -> str:
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()

    @cached_property
    def document(self) -> Any:
        """The body as JSON, or None where it is no JSON."""
        if self.content_type != "application/json":
            return None
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None

    @property
    def answered(self) -> Answered:
        return Answered(vendor_at=self.vendor_at, vendor_request_id=self.vendor_request_id)

    @property
    def vendor_at(self) -> datetime | None:
        try:
            instant = parsedate_to_datetime(self.headers["date"])
        except (KeyError, ValueError):
            return None
        return instant.astimezone(UTC) if instant.tzinfo else None

    @property
    def vendor_request_id(self) -> str:
        return str(self.headers.get("x-okta-request-id", ""))

    @property
    def error_code(self) -> str:
        document = self.document
        return str(document.get("errorCode", "")) if isinstance(document, dict) else ""


def failure(answer: Answer, call: str, *, expected: int, write: bool) -> VendorError | None:
    """Why `answer` is no success of `call`, or None for the one status expected with the body that belongs to it.

    After a write, whatever does not say clearly that nothing was done is an unknown outcome: a 502 proves nothing.
    """
    if answer.status == expected and (expected == httpx.codes.NO_CONTENT or answer.document is not None):
        return None
    request_id = answer.vendor_request_id or None
    said = f"{call}: Okta answered {_described(answer)}"
    match answer.status:
        case 400 | 422 | 501:
            return InvalidError(f"{said}; it will never take this call as it stands", vendor_request_id=request_id)
        case 401:
            return AuthFailedError(
                f"{said}; check the token, or the key and its service app", vendor_request_id=request_id
            )
        case 403:
            remedy = "check the scopes, the admin role with its resource set, and the user's status"
            return ForbiddenError(f"{said}; {remedy}", vendor_request_id=request_id)
        case 404 if answer.error_code == NO_SUCH_THING:
            return NotFoundError(said, thing="unknown", vendor_request_id=request_id)
        case 429:
            return RateLimitedError(said, delay=_delay(answer), vendor_request_id=request_id)
        case status if not write and (status in (408, 425) or status >= 500):  # noqa: PLR2004
            return RetryableError(said, vendor_request_id=request_id)
    if write:
        return OutcomeUnknownError(f"{said}, which tells nothing of the write", vendor_request_id=request_id)
    return MalformedError(f"{said}, which is no answer of this API", vendor_request_id=request_id)


def sign_in_failure(answer: Answer, call: str) -> VendorError | None:
    """The same for the token endpoint: RFC 6749 section 5.2 says 400 where the API says 401."""
    if answer.status == httpx.codes.BAD_REQUEST:
        return AuthFailedError(f"{call}: Okta answered {_described(answer)}; check client_id, key_id, key and scopes")
    return failure(answer, call, expected=httpx.codes.OK, write=False)


def _described(answer: Answer) -> str:
    document = answer.document
    if not isinstance(document, dict):
        return f"{answer.status} with {len(answer.content)} bytes of {answer.content_type or 'no content type'}"
    words = (document.get("errorCode") or document.get("error"), document.get("errorSummary"))
    return " ".join([str(answer.status), *(str(word) for word in words if word)])[:MOST_QUOTED_CHARACTERS]


def _delay(answer: Answer) -> timedelta:
    """X-Rate-Limit-Reset (epoch seconds) less the vendor's own Date, and a second for their rounding."""
    limit, remaining, reset = (_number(answer, f"x-rate-limit-{name}") for name in ("limit", "remaining", "reset"))
    if reset is None or answer.vendor_at is None or (limit == 0 and remaining == 0):
        return SHORT_DELAY
    seconds = reset - int(answer.vendor_at.timestamp()) + 1
    return min(max(timedelta(seconds=seconds), SHORTEST_DELAY), LONGEST_DELAY)


def _number(answer: Answer, header: str) -> int | None:
    text = answer.headers.get(header, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None  # noqa: PLR2004 - year 33658
