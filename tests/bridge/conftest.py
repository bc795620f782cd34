"""A Temporal dev server with a remembering request, a ticket system in memory, and a bridge on a real port between them."""

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.settings import Settings
from domain.errors import RetryableError
from domain.ids import TicketRef, request_workflow_id
from domain.queues import Queue, queue_name
from sandbox.loopback import loopback_client
from starter.bridge import build_bridge
from starter.intake import Limits
from starter.signatures import sign_call
from tests.bridge.stand_in import RememberingRequest
from tests.engine import start_server
from tests.fakes.tickets import FakeTickets
from tests.serving import serving

SECRET = "a-webhook-secret-of-the-tests"  # noqa: S105 - of no real system
TOKEN = "a-jira-token-of-the-tests"  # noqa: S105 - of no real system
PREFIX = "bridge-tests-"
ALICE = "712020:alice"

_sites = count(1)


def requests_worker(client: Client) -> Worker:
    return Worker(
        client,
        task_queue=queue_name(PREFIX, Queue.REQUESTS),
        workflows=[RememberingRequest],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )


@pytest.fixture(scope="session")
async def temporal() -> AsyncIterator[Client]:
    async with await start_server() as environment, requests_worker(environment.client):
        yield environment.client


@dataclass
class House:
    """One installation: its own Jira site, so that no request of another test is met. `said` is every answer's text."""

    client: Client
    tickets: FakeTickets
    site: str
    state: Path
    http: httpx.AsyncClient = field(default_factory=lambda: loopback_client(timeout=40))
    said: list[str] = field(default_factory=list)
    _identifiers: Iterator[int] = field(default_factory=lambda: count(1))

    def settings(self, poll_seconds: float = 3600) -> Settings:
        plain: dict[str, Any] = {
            "site": self.site,
            "catalogue": Path("catalog"),
            "jira": {
                "url": "http://127.0.0.1:1",
                "email": "bot@example.com",
                "token": TOKEN,
                "site": self.site,
                "own_account": self.tickets.rules.own_account,
                "project": self.tickets.rules.project,
            },
            "control_issue_id": "1",
            "control_issue_key": "SEC-1",
            "keys": {"trusted": Path("trusted.json")},
            "bridge": {"webhook_secret": SECRET, "poll_seconds": poll_seconds, "state": self.state},
            "queue_prefix": PREFIX,
        }
        return Settings(**plain)

    @asynccontextmanager
    async def bridge(self, *, poll_seconds: float | None = None, limits: Limits | None = None) -> AsyncIterator[str]:
        """The address of a bridge that serves for the block. Without `poll_seconds` its polls find Jira's search down."""
        if poll_seconds is None:
            self.tickets.fail("changed_since", RetryableError("the search is down"), times=None)
        else:
            self.tickets.succeed("changed_since")
        app = build_bridge(self.settings(poll_seconds or 3600), self.client, self.tickets, limits=limits)
        async with serving(app) as address:
            yield address

    def create(self, **fields: str) -> TicketRef:
        asked = {"creator": ALICE, "entitlement": "prod-admin", "duration": "1h", "reason": "a deploy"}
        return self.tickets.create(**(asked | fields))

    async def post(
        self, address: str, body: dict[str, Any] | bytes, *, headers: dict[str, str] | None = None, identifier: str = ""
    ) -> httpx.Response:
        """Deliver a webhook as Jira does, signed; each with an identifier of its own unless one is given."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {
            "X-Hub-Signature": signed(raw),
            "X-Atlassian-Webhook-Identifier": identifier or str(next(self._identifiers)),
        }
        answer = await self.http.post(f"{address}/webhooks/jira", content=raw, headers=sent | (headers or {}))
        return self._heard(answer)

    async def call(self, address: str, path: str, body: dict[str, Any], *, signed_path: str = "") -> httpx.Response:
        raw = json.dumps(body).encode()
        signature = sign_call(self.settings().bridge.webhook_secret, signed_path or path, raw)  # type: ignore[union-attr]
        headers = {"X-Nightlatch-Signature": signature}
        return self._heard(await self.http.post(f"{address}{path}", content=raw, headers=headers))

    async def heard(self, ticket: TicketRef) -> list[tuple[str, str]] | None:
        """What the ticket's request was told so far; None when there is none."""
        try:
            heard = await self.client.get_workflow_handle(request_workflow_id(ticket)).query("heard")
        except RPCError:
            return None
        return [(name, by) for name, by in heard]

    async def names(self, ticket: TicketRef) -> list[str] | None:
        heard = await self.heard(ticket)
        return None if heard is None else [name for name, _ in heard]

    def _heard(self, answer: httpx.Response) -> httpx.Response:
        self.said.append(f"{answer.headers} {answer.text}")
        return answer


@pytest.fixture
async def house(temporal: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[House]:
    """At the end of every test: neither log nor answer has shown a secret."""
    caplog.set_level(logging.DEBUG)
    site = f"t{next(_sites)}"
    house = House(temporal, FakeTickets(lambda: datetime.now(UTC), site=site), site, tmp_path / "state" / "bridge.json")
    async with house.http:
        yield house
    for secret in (SECRET, TOKEN):
        assert secret not in caplog.text
        assert not any(secret in said for said in house.said)


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 20) -> None:
    """Return once `condition` holds; raises `TimeoutError` when it does not come to hold."""
    async with asyncio.timeout(seconds):
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await asyncio.sleep(0.02)


def signed(raw: bytes, secret: str = SECRET) -> str:
    return f"sha256={hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()}"


def created(
    ticket: TicketRef, *, by: str = ALICE, project: str = "SEC", issue_type: str = "Access request"
) -> dict[str, Any]:
    return {
        "timestamp": 1780000000000,
        "webhookEvent": "jira:issue_created",
        "user": {"accountId": by},
        "issue": {
            "id": ticket.issue_id,
            "key": ticket.key,
            "fields": {"project": {"key": project}, "issuetype": {"name": issue_type}, "summary": "Access"},
        },
    }


def updated(ticket: TicketRef, field: str, to: str, *, by: str = ALICE, **where: str) -> dict[str, Any]:
    item = {"field": field, "fieldId": field, "from": "1", "fromString": "before", "to": "2", "toString": to}
    changelog = {"id": "1", "items": [item]}
    return created(ticket, by=by, **where) | {"webhookEvent": "jira:issue_updated", "changelog": changelog}


def commented(ticket: TicketRef, text: str, *, by: str = ALICE) -> dict[str, Any]:
    brief = {"id": ticket.issue_id, "key": ticket.key, "fields": {"project": {"key": "SEC"}, "summary": "Access"}}
    comment = {"id": "1", "author": {"accountId": by}, "body": text}
    return {"webhookEvent": "comment_created", "user": {"accountId": by}, "issue": brief, "comment": comment}
