"""The HTTP client that the okta SDK is given in place of its own, which waits for ever and loses errors.

It sends each request once, bounds it in time, raises our own errors for all but the expected answer, and knows whether
a write was on its way when something broke. What an answer means is in `okta_answers`.
"""

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from activities.heartbeats import check_pulse
from activities.providers.okta_answers import Answer, failure, sign_in_failure
from activities.providers.okta_assertion import TOKEN_PATH, OktaTime
from activities.send_window import SendWindow
from domain.errors import MalformedError, OutcomeUnknownError, RetryableError, VendorError

CONNECT_TIMEOUT = timedelta(seconds=3)
MOST_CONNECTIONS = 60
"""Below the 75 calls at a time that Okta allows an org, so that others keep some."""


@dataclass
class Call:
    """What the caller of the SDK expects of the one API request that the SDK will make; a write bears a window.

    `sent` and `answer` are filled in on the way.
    """

    name: str
    expected: int
    window: SendWindow | None = None
    sent: bool = False
    answer: Answer | None = None

    @property
    def is_write(self) -> bool:
        return self.window is not None


CURRENT_CALL: ContextVar[Call] = ContextVar("okta_call")


class OktaHttp:
    """The methods that the SDK's request executor calls.

    `http_config` holds the credential headers. The rest of it is ignored: proxy, TLS context and timeout may be ambient.
    """

    def __init__(
        self, http: httpx.AsyncClient, timeout: timedelta, time: OktaTime, http_config: Mapping[str, Any]
    ) -> None:
        self._http = http
        self._time = time
        self._timeout = timeout
        self._headers: Mapping[str, str] = http_config["headers"]

    async def send_request(self, request: Mapping[str, Any]) -> tuple[None, Answer, str, None]:
        """Send once, and return only what is a success for the current call.

        Raises:
            VendorError: every other ending. A token request that fails leaves the call unsent.
        """
        call = CURRENT_CALL.get()
        if request["url"].endswith(TOKEN_PATH):
            answer = await self._exchange(request, Call(f"{call.name}: sign-in", httpx.codes.OK))
            error = sign_in_failure(answer, f"{call.name}: sign-in")
        else:
            answer = await self._exchange(request, call)
            error = failure(answer, call.name, expected=call.expected, write=call.is_write)
            call.answer = answer
        if error is not None:
            raise error
        return None, answer, answer.content.decode(), None

    @staticmethod
    def check_response_for_error(_url: str, _answer: Answer, body: str) -> tuple[str, None]:
        """Nothing is left to check: `send_request` raised for whatever is no success."""
        return body, None

    async def _exchange(self, request: Mapping[str, Any], call: Call) -> Answer:
        async def note_sending(event: str, _info: Mapping[str, Any]) -> None:
            call.sent = call.sent or event.endswith("send_request_headers.started")

        if call.window is not None:
            call.window.check(call.name)
            check_pulse(call.name)
        try:
            # The client's own timeouts bound each step; only this bounds their sum.
            async with asyncio.timeout(self._timeout.total_seconds()):
                response = await self._http.request(
                    request["method"],
                    request["url"],
                    headers={**self._headers, **request["headers"]},
                    json=request["data"] or None,
                    data=request["form"] or None,
                    extensions={"trace": note_sending},
                )
        except (TimeoutError, httpx.HTTPError, httpx.StreamError) as error:
            raise broken(call, error) from error
        answer = Answer.of(response)
        self._time.note(answer.vendor_at)
        return answer


def open_http(timeout: timedelta) -> httpx.AsyncClient:
    """A connection pool that takes nothing from the environment (proxies, netrc) and follows no redirect."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(timeout.total_seconds(), connect=min(timeout, CONNECT_TIMEOUT).total_seconds()),
        limits=httpx.Limits(max_connections=MOST_CONNECTIONS),
        follow_redirects=False,
        trust_env=False,
    )


def broken(call: Call, error: Exception) -> VendorError:
    """What it means that `error` came in place of an answer: all depends on whether a write was on its way."""
    cause = type(error).__name__
    if call.is_write and call.sent:
        return OutcomeUnknownError(f"{call.name}: {cause} after the request was sent; look before you decide")
    if isinstance(error, httpx.DecodingError):
        return MalformedError(f"{call.name}: the body cannot be decoded ({cause})")
    return RetryableError(f"{call.name}: {cause} {'while waiting for the answer' if call.sent else 'before sending'}")
