"""An administrator's hand inside the sandbox vendors, over its control routes: set-up, and the audit log. No vendor API is here."""

from types import TracebackType
from typing import Any, Self, cast

import httpx

from domain.errors import InvalidInputError
from domain.ids import TicketRef

Line = dict[str, Any]
"""A line of the audit log: `seq`, `at`, `vendor`, `event`, `actor`, and the facts of the event."""

CONTROL_KEY = "SEC-1"


class VendorsHand:
    """Every call raises `InvalidInputError` on anything but success."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx.AsyncClient(base_url=base_url, timeout=10, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def audit(self, after: int = 0) -> list[Line]:
        """The vendors' own account above line `after`, oldest first."""
        return cast("list[Line]", (await self._call("GET", f"/control/audit?after={after}"))["entries"])

    async def control_ticket(self, site: str, login: tuple[str, str]) -> TicketRef:
        """The ticket that bears the freeze word."""
        found = await self._call("GET", f"/jira/rest/api/3/issue/{CONTROL_KEY}?fields=status", auth=login)
        return TicketRef(site=site, issue_id=found["id"], key=found["key"])

    async def register_okta_app(self, client_id: str, public_key: str, scopes: tuple[str, ...]) -> None:
        body = {"public_key": public_key, "scopes": list(scopes)}
        await self._call("PUT", f"/control/okta/clients/{client_id}", body)

    async def set_jira_webhook(self, url: str, secret: str) -> None:
        await self._call("PUT", "/control/jira/webhook", {"url": url, "secret": secret})

    async def sign_in_at_okta(self, user_id: str) -> None:
        """Open a session, as the user's browser would."""
        await self._call("POST", "/control/okta/sessions", {"user_id": user_id})

    async def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, auth: tuple[str, str] | None = None
    ) -> dict[str, Any]:
        try:
            answer = await self._http.request(method, path, json=body, auth=auth)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise InvalidInputError(f"the sandbox does not serve {method} {path.partition('?')[0]}: {error}") from error
        return cast("dict[str, Any]", answer.json())
