"""The Jira stand-in as the adapter's tests use it: the adapter over HTTP, and people at work on the same site."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from activities.integrations.jira_settings import JiraSettings
from activities.integrations.jira_tickets import JiraTickets
from domain.ids import TicketRef
from sandbox.client import SandboxClient
from sandbox.loopback import loopback_client

SITE = "example"
ADMIN = "erin"
ACCOUNTS = {
    name: f"712020:{name}-0000-0000-0000-{number:012d}"
    for number, name in enumerate(
        ("alice", "bob", "carol", "dave", "mallory", "erin", "alice-alt", "nightlatch-bot"), start=1
    )
}
NAMES = {account: name for name, account in ACCOUNTS.items()}
OWN = ACCOUNTS["nightlatch-bot"]
FIELD_IDS = {
    "Entitlement": "customfield_10101",
    "Duration": "customfield_10102",
    "Subject": "customfield_10103",
    "Reason": "customfield_10104",
    "Access state": "customfield_10105",
    "Access from": "customfield_10106",
    "Access until": "customfield_10107",
}
TRANSITIONS = {"Approved": "11", "Declined": "21", "Access active": "31", "Closed": "41"}


def jira_settings(base_url: str, **other: Any) -> JiraSettings:
    given = {
        "url": f"{base_url}/jira",
        "email": "nightlatch-bot@example.com",
        "token": "nightlatch-bot-token",
        "site": SITE,
        "own_account": OWN,
        "project": "SEC",
    }
    return JiraSettings.model_validate(given | other)


def document(text: str) -> dict[str, Any]:
    return {
        "type": "doc",
        "version": 1,
        "content": [{"type": "paragraph", "content": [{"type": "text", "text": text}]}],
    }


class JiraSite:
    """The adapter, the control client, and every seeded person with an HTTP client of their own."""

    def __init__(self, base_url: str, **settings: Any) -> None:
        self.base_url = base_url
        self.tickets = JiraTickets(jira_settings(base_url, **settings))
        self.control = SandboxClient(base_url)
        self._http = loopback_client(base_url=base_url, timeout=10)

    @classmethod
    @asynccontextmanager
    async def open(cls, base_url: str, **settings: Any) -> AsyncIterator[Self]:
        site = cls(base_url, **settings)
        try:
            yield site
        finally:
            await site.control.clear()
            await site.tickets.close()
            await site.control.close()
            await site._http.aclose()

    async def create(
        self,
        *,
        creator: str,
        entitlement: str = "aws-prod-admin",
        duration: str = "2h",
        reason: str = "incident 4711",
        reporter: str | None = None,
        subject: str = "",
    ) -> TicketRef:
        fields: dict[str, Any] = {
            "project": {"key": "SEC"},
            "issuetype": {"name": "Access request"},
            "summary": f"Access: {entitlement}",
            FIELD_IDS["Entitlement"]: entitlement,
            FIELD_IDS["Duration"]: duration,
            FIELD_IDS["Reason"]: reason,
        }
        if reporter:
            fields["reporter"] = {"accountId": reporter}
        if subject:
            fields[FIELD_IDS["Subject"]] = {"accountId": subject}
        made = await self.api(creator, "POST", "/issue", {"fields": fields})
        return TicketRef(site=SITE, issue_id=made["id"], key=made["key"])

    async def edit(self, ref: TicketRef, field: str, value: str, author: str) -> None:
        given: Any = {"accountId": value} if field in {"Subject", "reporter"} else value
        fields = {FIELD_IDS.get(field, field): given}
        await self.api(author, "PUT", f"/issue/{ref.issue_id}", {"fields": fields})

    async def transition_as(self, ref: TicketRef, status: str, author: str) -> None:
        body = {"transition": {"id": TRANSITIONS[status]}}
        await self.api(author, "POST", f"/issue/{ref.issue_id}/transitions", body)

    async def comment_as(self, ref: TicketRef, text: str, author: str) -> str:
        body = {"body": document(text)}
        return str((await self.api(author, "POST", f"/issue/{ref.issue_id}/comment", body))["id"])

    async def edit_comment(self, ref: TicketRef, comment_id: str, text: str, author: str) -> None:
        body = {"body": document(text)}
        await self.api(author, "PUT", f"/issue/{ref.issue_id}/comment/{comment_id}", body)

    async def move(self, ref: TicketRef, project: str) -> TicketRef:
        await self.control.move_jira_issue(ref.issue_id, project)
        moved = await self.api(OWN, "GET", f"/issue/{ref.issue_id}?fields=project")
        return TicketRef(site=SITE, issue_id=moved["id"], key=moved["key"])

    async def delete(self, ref: TicketRef) -> None:
        await self.api(ACCOUNTS[ADMIN], "DELETE", f"/issue/{ref.issue_id}")

    async def field(self, ref: TicketRef, name: str) -> str:
        field_id = FIELD_IDS.get(name, name)
        fields = (await self.api(OWN, "GET", f"/issue/{ref.issue_id}?fields={field_id}"))["fields"]
        value = fields[field_id]
        return str(value["name"] if isinstance(value, dict) else value or "")

    async def lose_comment_reply(self) -> None:
        """The next comment is posted, and the connection breaks before its reply."""
        await self.control.arm("jira", {"kind": "reset", "when": "after"}, method="POST", path="/comment$", times=1)

    async def audit(self, ref: TicketRef, event: str) -> list[dict[str, Any]]:
        """What the stand-in itself wrote down about this issue: the oracle."""
        lines = await self.control.audit()
        return [line for line in lines if line["event"] == event and line.get("issue_id") == ref.issue_id]

    async def api(self, account: str, method: str, path: str, body: Any = None) -> Any:
        """One call of the REST API by this account."""
        name = NAMES[account]
        auth = (f"{name}@example.com", f"{name}-token")
        reply = await self._http.request(method, f"/jira/rest/api/3{path}", json=body, auth=auth)
        reply.raise_for_status()
        return reply.json() if reply.content else None
