"""What an operator says about one Okta org: where it is and how we sign in. Nothing ambient adds to it."""

from datetime import timedelta
from typing import Self

import httpx
from pydantic import Field, SecretStr, field_validator, model_validator

from domain.ids import ProviderInstance
from domain.values import StrictValue

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class OktaSettings(StrictValue):
    """Either an OAuth service app (`client_id`, `private_key` as PEM, `key_id`) or an SSWS `token`; the former is the better.

    `url` is the org's address without `-admin`; plain http is taken only on loopback. `client_timeout` bounds one HTTP
    exchange from connecting to the last byte. Sources of the scopes: Okta's API reference, per operation; ending
    sessions is what needs `okta.users.manage`.
    """

    instance: ProviderInstance
    url: str
    token: SecretStr | None = None
    client_id: str = ""
    private_key: SecretStr | None = None
    key_id: str = ""
    scopes: tuple[str, ...] = ("okta.groups.manage", "okta.users.read", "okta.users.manage")
    client_timeout: timedelta = Field(default=timedelta(seconds=6), gt=timedelta(0), le=timedelta(seconds=30))

    @property
    def signs_in_by_key(self) -> bool:
        return self.private_key is not None

    @property
    def is_loopback(self) -> bool:
        return httpx.URL(self.url).host in LOOPBACK_HOSTS

    @field_validator("url")
    @classmethod
    def _url_is_an_org(cls, value: str) -> str:
        url = httpx.URL(value)
        local = url.scheme == "http" and url.host in LOOPBACK_HOSTS
        if not local and (url.scheme != "https" or not url.host):
            raise ValueError(f"{value!r} is not an https address; a token must not travel in the clear")
        if url.userinfo or url.query or url.fragment:
            raise ValueError("the address of an Okta org has no user, query or fragment")
        return value.rstrip("/")

    @field_validator("private_key")
    @classmethod
    def _key_is_pem(cls, value: SecretStr | None) -> SecretStr | None:
        # The SDK would also take a path or a JWK, and quotes a JWK that it cannot parse in its error.
        if value is not None and not value.get_secret_value().lstrip().startswith("-----BEGIN"):
            raise ValueError("private_key must be the PEM text of an RSA key")
        return value

    @model_validator(mode="after")
    def _signs_in_one_way(self) -> Self:
        if (self.token is None) == (self.private_key is None):
            raise ValueError(f"{self.instance}: give either token, or client_id and private_key")
        if self.private_key is not None and not self.client_id:
            raise ValueError(f"{self.instance}: private_key needs the client_id of its service app")
        return self
