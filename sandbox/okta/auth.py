"""Who calls: SSWS tokens, OAuth service apps with `private_key_jwt`, and the scopes that each call needs."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.okta.answers import OktaError
from sandbox.world import World

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Okta refuses an assertion that lives longer than an hour.
MOST_ASSERTION_SECONDS = 3600
SCOPES = frozenset(
    f"okta.{resource}.{right}" for resource in ("groups", "users", "logs", "sessions") for right in ("read", "manage")
)


@dataclass(frozen=True)
class Caller:
    """`scopes` is none for an SSWS token, which may do all that its owner may."""

    actor: str
    scopes: frozenset[str] | None

    def needs(self, *any_of: str) -> str:
        """The caller's name for the audit log; raises E0000006 unless one of these scopes was granted."""
        if self.scopes is not None and self.scopes.isdisjoint(any_of):
            raise OktaError("E0000006")
        return self.actor


class OAuthError(Exception):
    """A refusal by the token endpoint, in the words of RFC 6749 section 5.2."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error


class Authority:
    """Registered service apps and the tokens issued to them; both are kept in the store, tokens as digests."""

    def __init__(self, world: World) -> None:
        self._store = world.store
        self._audit = world.audit
        self._settings = world.settings.okta

    def register(self, client_id: str, public_key: str, scopes: list[str]) -> None:
        """Let `client_id` sign in with the private half of this PEM key, for at most these scopes."""
        jwt.get_algorithm_by_name("RS256").prepare_key(public_key)
        self._store.put("okta.clients", client_id, {"public_key": public_key, "scopes": scopes})

    def caller(self, request: Request) -> Caller:
        """Who sends this request; raises E0000011 for no, unknown or expired credentials."""
        header = request.headers.get("authorization", "")
        if header.startswith("SSWS"):
            # The Python SDK sends `SSWStoken` in this mode, other clients `SSWS token`; Okta takes both.
            token = header.removeprefix("SSWS").strip()
            if secrets.compare_digest(token.encode(), self._settings.api_token.encode()):
                return Caller("api-token", None)
        if header.startswith("Bearer "):
            known = self._store.get("okta.tokens", _digest(header.removeprefix("Bearer ")))
            if known and datetime.fromisoformat(known["expires_at"]) > datetime.now(UTC):
                return Caller(known["client_id"], frozenset(known["scopes"]))
        raise OktaError("E0000011")

    async def token(self, request: Request) -> Response:
        """`POST /oauth2/v1/token`: client credentials, signed with the app's private key."""
        try:
            form = {key: value for key, value in (await request.form()).items() if isinstance(value, str)}
            return JSONResponse(self._issue(form, token_url=str(request.url.replace(query=""))))
        except OAuthError as refusal:
            body = {"error": refusal.error, "error_description": str(refusal)}
            return JSONResponse(body, status_code=refusal.status)

    def _issue(self, form: Mapping[str, str], token_url: str) -> dict[str, Any]:
        if form.get("grant_type") != "client_credentials":
            raise OAuthError(400, "unsupported_grant_type", "Only client_credentials is supported.")
        client_id, allowed = self._authenticate(form, token_url)
        scopes = form.get("scope", "").split()
        if not scopes or not allowed.issuperset(scopes):
            raise OAuthError(400, "invalid_scope", "One or more scopes are not configured for the client application.")
        token = secrets.token_urlsafe(32)
        lifetime = self._settings.token_lifetime_seconds
        expires_at = datetime.now(UTC) + timedelta(seconds=lifetime)
        record = {"client_id": client_id, "scopes": scopes, "expires_at": expires_at.isoformat()}
        with self._store.transaction():
            self._store.put("okta.tokens", _digest(token), record)
            self._audit.append("okta", "token.issued", actor=client_id, client_id=client_id, scopes=scopes)
        return {"token_type": "Bearer", "expires_in": lifetime, "access_token": token, "scope": " ".join(scopes)}

    def _authenticate(self, form: Mapping[str, str], token_url: str) -> tuple[str, frozenset[str]]:
        """The client id and its scopes; raises `invalid_client` for anything but a good, fresh assertion of its own."""
        assertion = form.get("client_assertion", "")
        if form.get("client_assertion_type") != ASSERTION_TYPE or not assertion:
            raise OAuthError(401, "invalid_client", "Client authentication by a signed assertion is required.")
        try:
            client_id = str(jwt.decode(assertion, options={"verify_signature": False}).get("sub", ""))
            client = self._store.get("okta.clients", client_id)
            if client is None:
                raise OAuthError(401, "invalid_client", "Invalid value for 'client_id' parameter.")
            claims = jwt.decode(
                assertion,
                client["public_key"],
                algorithms=["RS256"],
                audience=token_url,
                issuer=client_id,
                options={"require": ["iss", "sub", "aud", "exp"]},
            )
        except jwt.InvalidTokenError as error:
            raise OAuthError(401, "invalid_client", f"The client_assertion is invalid: {error}.") from error
        if claims["exp"] > datetime.now(UTC).timestamp() + MOST_ASSERTION_SECONDS:
            raise OAuthError(401, "invalid_client", "The client_assertion lives longer than one hour.")
        return client_id, frozenset(client["scopes"])


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
