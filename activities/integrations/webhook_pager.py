"""A pager behind a web address: one POST of JSON for each alarm. Whatever receives it decides whom to wake."""

from typing import Annotated
from urllib.parse import urlsplit

import httpx
from pydantic import ConfigDict, Field, SecretStr, field_validator

from domain.errors import RetryableError
from domain.paper import Alarm
from domain.values import StrictValue

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class PagerSettings(StrictValue):
    """`url` may be a secret, as the addresses of chat services are. `token`, if any, is sent as a bearer token."""

    model_config = ConfigDict(hide_input_in_errors=True)

    url: SecretStr
    token: SecretStr | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=30)] = 5

    @field_validator("url")
    @classmethod
    def _url_is_private(cls, url: SecretStr) -> SecretStr:
        parts = urlsplit(url.get_secret_value())
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise ValueError("the pager's address must begin with https://, or be on this host")
        return url


class WebhookPager:
    """Posts the alarm as it is (`Alarm` in domain/paper.py). `key` is the same for all that is said about one thing."""

    def __init__(self, settings: PagerSettings) -> None:
        self._url = settings.url.get_secret_value()
        headers = {}
        if settings.token is not None:
            headers["Authorization"] = f"Bearer {settings.token.get_secret_value()}"
        self._client = httpx.AsyncClient(timeout=settings.timeout_seconds, headers=headers)

    async def page(self, alarm: Alarm) -> None:
        """Return when the receiver has taken it: any 2xx.

        Raises:
            RetryableError: it has not.
        """
        try:
            answer = await self._client.post(self._url, json=alarm.model_dump(mode="json"))
        except httpx.HTTPError as error:
            raise RetryableError(f"the pager was not reached: {type(error).__name__}") from None
        if not answer.is_success:
            raise RetryableError(f"the pager answered {answer.status_code}")

    async def close(self) -> None:
        await self._client.aclose()
