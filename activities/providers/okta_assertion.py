"""The signed assertion of a service app, in Okta's own time: a wrong clock on this host must not stop a removal.

RFC 7523 section 3; https://developer.okta.com/docs/api/openapi/okta-oauth/guides/client-auth/.
"""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import jwt
from pydantic import SecretStr

from activities.providers.okta_settings import OktaSettings

LIFETIME = timedelta(minutes=5)
"""Okta takes up to an hour. An assertion is used at once, and a copy of it should open nothing later."""

TOKEN_PATH = "/oauth2/v1/token"  # noqa: S105 - a path


class OktaTime:
    """Okta's time as its last answer told it; until there is one, this host's. Never ahead of Okta: a Date is rounded down."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def note(self, vendor_at: datetime | None) -> None:
        if vendor_at is not None:
            self.ahead = vendor_at - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def sign_in_by(sdk: Any, settings: OktaSettings, key: SecretStr, time: OktaTime) -> None:
    """Let the SDK ask for its tokens with our assertion: its own is dated by this host alone, and the SDK offers no choice."""
    sdk.get_request_executor()._oauth.get_JWT = partial(_assertion, settings, key, time)  # noqa: SLF001


def _assertion(settings: OktaSettings, key: SecretStr, time: OktaTime) -> str:
    issued_at = time.now()
    claims = {
        "iss": settings.client_id,
        "sub": settings.client_id,
        "aud": f"{settings.url}{TOKEN_PATH}",
        "iat": int(issued_at.timestamp()),
        "exp": int((issued_at + LIFETIME).timestamp()),
        "jti": str(uuid4()),
    }
    headers = {"kid": settings.key_id} if settings.key_id else None
    return jwt.encode(claims, key.get_secret_value(), "RS256", headers)
