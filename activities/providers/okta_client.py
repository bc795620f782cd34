"""The okta SDK, hardened: one client a process and event loop, no retries, no ambient settings, one new sign-in after a 401.

Which calls to make, and what they mean for access, is in `okta_groups`.
"""

import asyncio
import importlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import httpx

from activities.providers.okta_answers import Answer
from activities.providers.okta_assertion import OktaTime, sign_in_by
from activities.providers.okta_settings import OktaSettings
from activities.providers.okta_transport import CURRENT_CALL, Call, OktaHttp, broken, open_http
from activities.send_window import SendWindow
from domain.errors import AuthFailedError, InvalidInputError, MalformedError, OutcomeUnknownError, VendorError

Sdk = Any
"""`okta.client.Client`: typing it would make the type checker read 1,700 modules, as importing it does at run time."""


def warm_up() -> None:
    """Import the SDK, which takes seconds. Safe in a thread, and to repeat."""
    importlib.import_module("okta.client")


class OktaClient:
    """Makes calls through the SDK and returns the judged wire answer, never what the SDK made of it.

    Reads use the SDK's request executor and not its generated methods: their models refuse a whole page for one user
    whose status is newer than the SDK, and then nobody in that group could be looked at.
    """

    def __init__(self, settings: OktaSettings) -> None:
        self._settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._http: httpx.AsyncClient | None = None
        self._sdk: Sdk | None = None
        self._time = OktaTime()

    async def close(self) -> None:
        """Drop all connections; the next call opens new ones."""
        http, self._http, self._sdk = self._http, None, None
        if http is not None:
            await http.aclose()

    async def write(
        self,
        name: str,
        send: Callable[[Sdk], Awaitable[object]],
        window: SendWindow,
        *,
        expected: int = httpx.codes.NO_CONTENT,
    ) -> Answer:
        """Let `send` make its one write; `window` is asked after sign-in, right before the request goes out."""
        return await self._call(lambda: Call(name, expected, window), send)

    async def read(self, name: str, path: str) -> Answer:
        """One GET; the answer has a JSON body."""

        async def get(sdk: Sdk) -> None:
            executor = sdk.get_request_executor()
            request, _error = await executor.create_request("GET", path)
            if request is not None:
                await executor.execute(request)

        return await self._call(lambda: Call(name, httpx.codes.OK), get)

    async def pages(self, name: str, path: str) -> AsyncIterator[tuple[Answer, list[Mapping[str, Any]]]]:
        """Every page of a list, each with its items, all of which have an `id`.

        Raises:
            MalformedError: an item without id, or a next page that is elsewhere or was read before.
        """
        seen: set[str] = set()
        url: str | None = path
        while url is not None:
            seen.add(url)
            answer = await self.read(name, url)
            items = answer.document
            if not isinstance(items, list) or not all(_has_id(item) for item in items):
                raise self._malformed(name, "a list in which every item has an id was expected", answer)
            yield answer, items
            url = answer.next_url
            if url is not None and (url in seen or not self._is_ours(url)):
                raise self._malformed(name, "the link to the next page leads elsewhere, or in a circle", answer)

    async def _call(self, begin: Callable[[], Call], send: Callable[[Sdk], Awaitable[object]]) -> Answer:
        sdk = await self._current_sdk()
        try:
            return await self._attempt(begin(), sdk, send)
        except AuthFailedError:
            if not self._settings.signs_in_by_key:
                raise
        # The SDK keeps a token that was withdrawn until it would have expired, and an assertion that was refused may have
        # been dated by a wrong clock, which that answer has put right. A 401 did nothing, so this repeats nothing.
        if self._sdk is sdk:
            self._sdk = None
        return await self._attempt(begin(), await self._current_sdk(), send)

    async def _attempt(self, call: Call, sdk: Sdk, send: Callable[[Sdk], Awaitable[object]]) -> Answer:
        token = CURRENT_CALL.set(call)
        try:
            # Sign-in and the request, each bounded on its own; the rest is the queue for the one sign-in.
            async with asyncio.timeout(2 * self._settings.client_timeout.total_seconds()):
                await send(sdk)
        except VendorError:
            raise
        except TimeoutError as error:
            raise broken(call, error) from error
        except Exception as error:  # noqa: BLE001 - whatever the SDK trips over must not pass for one of our own faults
            # Its words are not repeated: they may quote the key that it could not use.
            raise self._tripped(call, type(error).__name__) from None
        finally:
            CURRENT_CALL.reset(token)
        if call.answer is None:
            raise self._tripped(call, "no request")
        return call.answer

    async def _current_sdk(self) -> Sdk:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._http, self._sdk = loop, None, None
        if self._sdk is None:
            await asyncio.to_thread(warm_up)
        if self._sdk is None:
            self._http = self._http or open_http(self._settings.client_timeout)
            self._sdk = _build_sdk(self._settings, self._http, self._time)
            if self._settings.private_key is not None:
                sign_in_by(self._sdk, self._settings, self._settings.private_key, self._time)
        return self._sdk

    def _is_ours(self, url: str) -> bool:
        try:
            org, there = httpx.URL(self._settings.url), httpx.URL(url)
        except httpx.InvalidURL:
            return False
        same_place = (there.scheme, there.host, there.port) == (org.scheme, org.host, org.port)
        return same_place and there.path.startswith(f"{org.path.rstrip('/')}/api/v1/")

    @staticmethod
    def _malformed(name: str, what: str, answer: Answer) -> MalformedError:
        return MalformedError(f"{name}: {what}", vendor_request_id=answer.vendor_request_id or None)

    @staticmethod
    def _tripped(call: Call, cause: str) -> VendorError:
        if call.is_write and call.sent:
            return OutcomeUnknownError(
                f"{call.name}: the okta SDK ended in {cause} after sending; look before you decide"
            )
        return MalformedError(
            f"{call.name}: the okta SDK ended in {cause}; check the sign-in answer and the private key"
        )


def _has_id(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("id"), str) and bool(item["id"])


def _build_sdk(settings: OktaSettings, http: httpx.AsyncClient, time: OktaTime) -> Sdk:
    """A client whose every setting is named here, because the SDK fills gaps from the environment and okta.yaml files."""
    if settings.url.startswith("http://") and settings.is_loopback:
        # The SDK reads this from nowhere but the environment; settings have made sure that it is a loopback address.
        os.environ["OKTA_TESTING_TESTINGDISABLEHTTPSCHECK"] = "true"

    # A function, because the SDK copies its settings deeply, and a function is its own copy.
    def http_client(http_config: Mapping[str, Any]) -> OktaHttp:
        return OktaHttp(http, settings.client_timeout, time, http_config)

    config = {
        "orgUrl": settings.url,
        "authorizationMode": "PrivateKey" if settings.private_key else "SSWS",
        "token": settings.token.get_secret_value() if settings.token else "",
        "clientId": settings.client_id,
        "privateKey": settings.private_key.get_secret_value() if settings.private_key else "",
        "kid": settings.key_id,
        "scopes": list(settings.scopes),
        "oauthTokenRenewalOffset": 5,
        "dpopEnabled": False,
        "userAgent": "nightlatch",
        "httpClient": http_client,
        "rateLimit": {"maxRetries": 0},
        "requestTimeout": 0,
        "raiseException": False,
        "cache": {"enabled": False},
        "logging": {"enabled": False},
        "proxy": {"host": "", "port": "", "username": "", "password": ""},
    }
    try:
        return importlib.import_module("okta.client").Client(config)
    except (ValueError, TypeError, AttributeError, OSError):
        raise InvalidInputError(
            f"{settings.instance}: the okta SDK refuses its settings; check url, client_id and any okta.yaml it may find"
        ) from None
