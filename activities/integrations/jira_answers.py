"""Which answers of Jira count: every call that may be made, what it must bring, and what each other answer means."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NoReturn

from requests import PreparedRequest, Response
from requests.exceptions import ConnectTimeout, RequestException
from urllib3.exceptions import NewConnectionError

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

API = "/rest/api/3"
SHORTEST_DELAY, DEFAULT_DELAY, LONGEST_DELAY = timedelta(seconds=1), timedelta(seconds=2), timedelta(minutes=5)
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class Expected:
    """A call that is made on purpose: the statuses that mean success, whether a JSON object comes with them, and whether it writes."""

    method: str
    path: str
    statuses: frozenset[int]
    brings_object: bool
    writes: bool = True


_CALLS = (
    Expected(
        "GET",
        r"/issue/\d+(/changelog|/comment|/properties|/transitions)?",
        frozenset({200}),
        brings_object=True,
        writes=False,
    ),
    Expected("GET", r"/search/jql", frozenset({200}), brings_object=True, writes=False),
    Expected("GET", r"/myself", frozenset({200}), brings_object=True, writes=False),
    Expected("POST", r"/issue/bulkfetch", frozenset({200}), brings_object=True, writes=False),
    Expected("POST", r"/issue/\d+/comment", frozenset({201}), brings_object=True),
    Expected("POST", r"/issue/\d+/transitions", frozenset({204}), brings_object=False),
    Expected("PUT", r"/issue/\d+", frozenset({204}), brings_object=False),
    Expected("PUT", r"/issue/\d+/properties/[^/]+", frozenset({200, 201}), brings_object=False),
)


@dataclass(frozen=True)
class Call:
    """One call on its way: its name in messages, what is expected of it, and whether it changes anything."""

    name: str
    expected: Expected

    @classmethod
    def of(cls, request: PreparedRequest) -> "Call":
        """Raises `InvalidError` for a call that is not in the list above: nothing goes out that was not thought of."""
        path = request.path_url.partition("?")[0].rpartition(API)[2]
        for expected in _CALLS:
            if request.method == expected.method and re.fullmatch(expected.path, path):
                return cls(f"Jira {request.method} {path}", expected)
        raise InvalidError(f"Jira {request.method} {path}: not sent, it is none of the calls this adapter makes")


def transport_error(call: Call, error: RequestException) -> VendorError:
    """No whole answer came. A write that may have left us has an unknown outcome."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    was_sent = not isinstance(error, ConnectTimeout) and not isinstance(reason, NewConnectionError)
    kind = OutcomeUnknownError if call.expected.writes and was_sent else RetryableError
    return kind(f"{call.name}: no whole answer ({type(error).__name__}); is Jira reachable?")


def judge(call: Call, response: Response) -> None:
    """Return when the answer is an expected success in the documented form.

    Raises:
        VendorError: in every other case, by what the caller can do about it.
    """
    if response.status_code not in call.expected.statuses:
        _refuse(call, response)
    if not call.expected.brings_object:
        return
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" or not isinstance(_json(response), dict):
        raise MalformedError(
            f"{call.name}: {response.status_code} with {media_type or 'no content type'} where a JSON object is due;"
            " is the address Jira's, or that of a login page or proxy?",
            vendor_request_id=_request_id(response),
        )


def server_time(response: Response) -> datetime:
    """The answer's `Date`, aware and in UTC.

    Raises:
        MalformedError: there is none that can be read: a time that is not known grants nothing.
    """
    at = _http_date(response.headers.get("Date", ""))
    if at is None:
        raise MalformedError("Jira's answer bears no readable Date; a proxy may have dropped it")
    return at


def _refuse(call: Call, response: Response) -> NoReturn:
    status, request_id = response.status_code, _request_id(response)
    said = f"{call.name}: {status}{_words(response)}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        delay = _delay(response)
        raise RateLimitedError(f"{said}; wait {delay}", delay=delay, vendor_request_id=request_id)
    if status == HTTPStatus.NOT_FOUND:
        message = f"{said}; it was deleted, or the account may not see it"
        raise NotFoundError(message, thing="ticket", vendor_request_id=request_id)
    kind, remedy = _meaning(status, is_write=call.expected.writes)
    raise kind(f"{said}; {remedy}", vendor_request_id=request_id)


def _meaning(status: int, *, is_write: bool) -> tuple[type[VendorError], str]:
    """The error for a status that needs nothing more, and what to do. A gateway's 5xx proves nothing about a write."""
    in_trouble = (OutcomeUnknownError if is_write else RetryableError, "Jira is in trouble, try again")
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return AuthFailedError, "check the account's e-mail address and API token, which expires"
        case HTTPStatus.FORBIDDEN:
            return ForbiddenError, "let the account browse, edit, comment on and transition issues of the project"
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.TOO_EARLY:
            return in_trouble
        case HTTPStatus.CONFLICT:
            return RetryableError, "somebody else is changing the ticket, try again"
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return in_trouble
        case _ if status >= HTTPStatus.BAD_REQUEST:
            return InvalidError, "Jira will not take this call as it stands"
        case _:
            return MalformedError, "that is no documented answer; is the address Jira's?"


def _delay(response: Response) -> timedelta:
    """The patience asked for: `Retry-After` in seconds or as a date, else `X-RateLimit-Reset`, in sane bounds."""
    after = response.headers.get("Retry-After", "").strip()
    if after.isascii() and after.isdecimal():
        return _bounded(timedelta(seconds=min(int(after[:9]), LONGEST_DELAY.total_seconds())))
    until = _http_date(after) or _iso_date(response.headers.get("X-RateLimit-Reset", ""))
    sent_at = _http_date(response.headers.get("Date", ""))
    return _bounded(until - sent_at) if until and sent_at else DEFAULT_DELAY


def _bounded(delay: timedelta) -> timedelta:
    return max(SHORTEST_DELAY, min(delay, LONGEST_DELAY))


def _http_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else None


def _iso_date(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else None


def _words(response: Response) -> str:
    """What Jira says is wrong, in short: it names fields and permissions."""
    body = _json(response)
    if not isinstance(body, dict):
        return ""
    messages, errors = body.get("errorMessages"), body.get("errors")
    words = [str(message) for message in messages] if isinstance(messages, list) else []
    words += [f"{name}: {reason}" for name, reason in errors.items()] if isinstance(errors, dict) else []
    return f" ({'; '.join(words)[:_SHOWN_CHARACTERS]})" if words else ""


def _json(response: Response) -> Any:
    """The body as JSON, None when it is none. Numbers that JSON does not have are refused."""
    try:
        return json.loads(response.content, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _request_id(response: Response) -> str | None:
    return response.headers.get("Atl-Traceid") or response.headers.get("X-ARequestId")
