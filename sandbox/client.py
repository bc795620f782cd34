"""A typed client of the sandbox's control routes, for tests and the demo; the vendors have their own SDKs."""

import asyncio
from types import TracebackType
from typing import Any, Self, cast

import httpx

from sandbox.loopback import loopback_client

Document = dict[str, Any]

KEEP_ALIVE_SECONDS = 2
"""Well below the server's 5 s: a connection that it is just closing would break the call that takes it up again."""


class SandboxClient:
    """Speaks to `{base_url}/control`; every call raises `httpx.HTTPStatusError` on anything but success."""

    def __init__(self, base_url: str) -> None:
        self._http = loopback_client(
            base_url=base_url,
            timeout=10,
            limits=httpx.Limits(keepalive_expiry=KEEP_ALIVE_SECONDS),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def health(self) -> Document:
        return await self._call("GET", "/healthz")

    async def arm(
        self,
        vendor: str,
        fault: Document,
        *,
        caller: str | None = None,
        method: str | None = None,
        path: str = "",
        times: int | None = None,
        skip: int = 0,
    ) -> str:
        """Arm a fault rule (`sandbox/faults.py` lists the kinds) and return its id."""
        calls = {"vendor": vendor, "caller": caller, "method": method, "path": path}
        rule = calls | {"times": times, "skip": skip, "fault": fault}
        return str((await self._call("POST", "/control/faults", rule))["id"])

    async def clear(self, rule_id: str | None = None) -> None:
        """Disarm one rule, or all of them; with all, held calls go on."""
        await self._call("DELETE", f"/control/faults/{rule_id}" if rule_id else "/control/faults")

    async def holds(self) -> dict[str, int]:
        """How many calls are held now, by name."""
        return {hold["name"]: hold["count"] for hold in (await self._call("GET", "/control/holds"))["holds"]}

    async def wait_until_held(self, name: str, count: int = 1, seconds: float = 20) -> None:
        """Return as soon as `count` calls are held under `name`; raises `TimeoutError` after `seconds`."""
        async with asyncio.timeout(seconds):
            while (await self.holds()).get(name, 0) < count:  # noqa: ASYNC110 - the state is in another process
                await asyncio.sleep(0.02)

    async def release(self, name: str) -> int:
        """Let the calls held under `name` go on; returns how many."""
        return int((await self._call("POST", f"/control/holds/{name}/release"))["released"])

    async def lose(self, name: str) -> int:
        """Break off the calls held under `name`, unperformed if they were held before; returns how many."""
        return int((await self._call("POST", f"/control/holds/{name}/lose"))["lost"])

    async def audit(self, after: int = 0) -> list[Document]:
        """The vendors' audit log above line `after`, oldest first."""
        return cast("list[Document]", (await self._call("GET", f"/control/audit?after={after}"))["entries"])

    async def wait_for_event(self, event: str, *, after: int = 0, seconds: float = 20, **facts: Any) -> Document:
        """The first audit line above `after` of this event that bears these facts; `TimeoutError` when none comes."""
        async with asyncio.timeout(seconds):
            while True:
                for line in await self.audit(after):
                    if line["event"] == event and facts.items() <= line.items():
                        return line
                await asyncio.sleep(0.02)

    async def requests(self, caller: str | None = None) -> list[Document]:
        """The last calls to the vendors, or those of one caller, with their status (null: none was sent) and fault."""
        query = f"?caller={caller}" if caller else ""
        return cast("list[Document]", (await self._call("GET", f"/control/requests{query}"))["requests"])

    async def spec_report(self) -> Document:
        return await self._call("GET", "/control/spec-report")

    async def register_okta_client(self, client_id: str, public_key: str, scopes: list[str]) -> None:
        """Let an OAuth service app sign in with the private half of this PEM key."""
        body = {"public_key": public_key, "scopes": scopes}
        await self._call("PUT", f"/control/okta/clients/{client_id}", body)

    async def make_okta_users(self, logins: list[str]) -> list[str]:
        """Create active users with these logins; returns their ids in the same order."""
        return cast("list[str]", (await self._call("POST", "/control/okta/users", {"logins": logins}))["ids"])

    async def make_okta_group(self, name: str) -> str:
        return str((await self._call("POST", "/control/okta/groups", {"name": name}))["id"])

    async def set_okta_status(self, user_id: str, status: str) -> None:
        """ACTIVE, SUSPENDED, DEPROVISIONED, ... as an administrator would; DELETED removes the user for good."""
        await self._call("POST", f"/control/okta/users/{user_id}/status", {"status": status})

    async def open_okta_session(self, user_id: str) -> str:
        return str((await self._call("POST", "/control/okta/sessions", {"user_id": user_id}))["id"])

    async def okta_sessions(self, user_id: str) -> list[Document]:
        """The sessions this user has open."""
        return cast(
            "list[Document]", (await self._call("GET", f"/control/okta/sessions?user_id={user_id}"))["sessions"]
        )

    async def add_okta_member(self, group_id: str, user_id: str) -> None:
        """Put the user into the group by an administrator's hand."""
        await self._call("PUT", f"/control/okta/groups/{group_id}/users/{user_id}")

    async def remove_okta_member(self, group_id: str, user_id: str) -> None:
        await self._call("DELETE", f"/control/okta/groups/{group_id}/users/{user_id}")

    async def delete_okta_group(self, group_id: str) -> None:
        await self._call("DELETE", f"/control/okta/groups/{group_id}")

    async def restore_okta_group(self, group_id: str) -> None:
        """Bring back a group that was deleted, with its members."""
        await self._call("POST", f"/control/okta/groups/{group_id}/restore")

    async def make_okta_rule(self, name: str, group_ids: list[str]) -> str:
        """Make an active group rule that assigns to these groups; returns its id."""
        return str((await self._call("POST", "/control/okta/rules", {"name": name, "group_ids": group_ids}))["id"])

    async def jira_webhook(self) -> Document:
        """Where webhooks go, in which mode, and how many wait; never the secret."""
        return await self._call("GET", "/control/jira/webhook")

    async def set_jira_webhook(self, url: str, secret: str) -> None:
        await self._call("PUT", "/control/jira/webhook", {"url": url, "secret": secret})

    async def set_jira_webhook_mode(self, mode: str) -> None:
        """`deliver`, `hold`, `drop`, `double` or `reorder`."""
        await self._call("PUT", "/control/jira/webhook/mode", {"mode": mode})

    async def put_jira_property(self, issue: str, key: str, value: Any) -> None:
        """Write an issue property as the site's administrator, past whoever owns it."""
        await self._call("POST", f"/control/jira/issues/{issue}/properties/{key}", {"value": value})

    async def delete_jira_property(self, issue: str, key: str) -> None:
        await self._call("DELETE", f"/control/jira/issues/{issue}/properties/{key}")

    async def set_jira_viewers(self, issue: str, account_ids: list[str] | None) -> None:
        """Who may see the issue; None: everyone."""
        await self._call("PUT", f"/control/jira/issues/{issue}/viewers", {"accounts": account_ids})

    async def make_jira_project(self, key: str, name: str) -> None:
        await self._call("POST", f"/control/jira/projects/{key}", {"name": name})

    async def move_jira_issue(self, issue: str, project: str) -> None:
        await self._call("PUT", f"/control/jira/issues/{issue}/move", {"project": project})

    async def set_jira_account_active(self, account_id: str, *, active: bool) -> None:
        await self._call("PUT", f"/control/jira/people/{account_id}", {"active": active})

    async def _call(self, method: str, path: str, body: Document | None = None) -> Document:
        answer = await self._http.request(method, path, json=body)
        answer.raise_for_status()
        return cast("Document", answer.json())
