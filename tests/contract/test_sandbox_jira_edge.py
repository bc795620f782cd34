"""How the Jira stand-in reaches outwards: webhooks to their receiver, and pages to a person with a browser."""

import asyncio
import hashlib
import hmac
import json
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.client import SandboxClient
from sandbox.loopback import loopback_client
from tests.sandbox_process import SandboxProcess, running_sandbox

SECRET = "shared-with-the-site"  # noqa: S105 - opens nothing but the receiver below
WAIT_SECONDS = 20
FIELDS = {"project": {"key": "SEC"}, "issuetype": {"name": "Access request"}, "summary": "Access: aws-prod-admin"}
HOSTILE = "<script>alert(1)</script>"


class Receiver:
    """A webhook's other end: keeps what comes, and answers with the next of `answers` (200 when there is none)."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.answers: deque[int] = deque()
        self.url = ""
        self._arrival = asyncio.Condition()

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        async with self._arrival:
            self.seen.append((dict(request.headers), body))
            self._arrival.notify_all()
        return Response(status_code=self.answers.popleft() if self.answers else 200)

    async def bodies(self, count: int) -> list[dict[str, Any]]:
        """The first `count` bodies, once they are here."""
        async with asyncio.timeout(WAIT_SECONDS), self._arrival:
            await self._arrival.wait_for(lambda: len(self.seen) >= count)
        return [json.loads(body) for _, body in self.seen[:count]]

    def identifiers(self) -> list[str]:
        return [headers["x-atlassian-webhook-identifier"] for headers, _ in self.seen]


@asynccontextmanager
async def listening(receiver: Receiver) -> AsyncIterator[None]:
    listener = socket.create_server(("127.0.0.1", 0))
    receiver.url = f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
    app = Starlette(routes=[Route("/hook", receiver.receive, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with listening(receiver):
        yield receiver


@pytest.fixture(scope="module")
async def process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProcess]:
    async with running_sandbox(tmp_path_factory.mktemp("jira")) as process:
        yield process


@pytest.fixture
async def control(process: SandboxProcess, receiver: Receiver) -> AsyncIterator[SandboxClient]:
    """Webhooks go to the receiver while the test runs, and nowhere afterwards."""
    async with SandboxClient(process.base_url) as client:
        await client.set_jira_webhook(receiver.url, SECRET)
        yield client
        await client.set_jira_webhook_mode("drop")
        async with asyncio.timeout(WAIT_SECONDS):
            while (await client.jira_webhook())["waiting"]:
                await asyncio.sleep(0.02)
        await client.set_jira_webhook("", "")
        await client.set_jira_webhook_mode("deliver")


@pytest.fixture
async def bob(process: SandboxProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with person(process) as client:
        yield client


@pytest.fixture
async def browser(process: SandboxProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with loopback_client(base_url=f"{process.base_url}/jira", follow_redirects=True, timeout=10) as client:
        yield client


def person(process: SandboxProcess) -> httpx.AsyncClient:
    url = f"{process.base_url}/jira/rest/api/3"
    return loopback_client(base_url=url, auth=("bob@example.com", "bob-token"), timeout=10)


async def new_issue(client: httpx.AsyncClient, **fields: Any) -> str:
    return str((await client.post("/issue", json={"fields": FIELDS | fields})).json()["key"])


def document(text: str) -> dict[str, Any]:
    content = [{"type": "paragraph", "content": [{"type": "text", "text": text}]}]
    return {"type": "doc", "version": 1, "content": content}


@pytest.mark.usefixtures("control")
async def test_webhook_tells_in_order_what_happened_and_is_signed(bob: httpx.AsyncClient, receiver: Receiver) -> None:
    """Created, transitioned, commented, deleted: four events in that order, each signed over its raw body, by its author."""
    key = await new_issue(bob)
    await bob.post(f"/issue/{key}/transitions", json={"transition": {"id": "11"}})
    await bob.post(f"/issue/{key}/comment", json={"body": document("/extend 30m")})
    await bob.delete(f"/issue/{key}")
    created, updated, commented, deleted = await receiver.bodies(4)
    assert (created["webhookEvent"], created["issue"]["key"]) == ("jira:issue_created", key)
    assert (updated["webhookEvent"], updated["issue_event_type_name"]) == ("jira:issue_updated", "issue_generic")
    assert updated["changelog"]["items"][0]["toString"] == "Approved"
    assert (commented["webhookEvent"], commented["comment"]["body"]) == ("comment_created", "/extend 30m")
    assert (deleted["webhookEvent"], deleted["issue"]["key"]) == ("jira:issue_deleted", key)
    assert {body["user"]["accountId"] for body in (created, updated, commented, deleted)} == {
        "712020:bob-0000-0000-0000-000000000002"
    }
    for headers, raw in receiver.seen:
        digest = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        assert headers["x-hub-signature"] == f"sha256={digest}"
        assert headers["x-atlassian-webhook-flow"] == "Primary"


async def test_webhook_is_tried_again_under_the_same_identifier(
    control: SandboxClient, bob: httpx.AsyncClient, receiver: Receiver
) -> None:
    """A receiver in trouble gets the event again, recognisably the same; the request that caused it never waits."""
    receiver.answers.extend([503, 429])
    key = await new_issue(bob)
    await receiver.bodies(3)
    assert len(set(receiver.identifiers())) == 1
    assert [headers["x-atlassian-webhook-retry"] for headers, _ in receiver.seen] == ["1", "2", "3"]
    line = await control.wait_for_event("webhook.delivered", issue_key=key)
    assert line["attempts"] == 3


async def test_webhook_that_is_refused_is_not_tried_again(
    control: SandboxClient, bob: httpx.AsyncClient, receiver: Receiver
) -> None:
    """A 401 is final: the event is lost, as only the audit log tells."""
    receiver.answers.append(401)
    key = await new_issue(bob)
    line = await control.wait_for_event("webhook.failed", issue_key=key)
    assert (line["status"], line["attempts"], len(receiver.seen)) == (401, 1, 1)


async def test_webhooks_misbehave_as_told(control: SandboxClient, bob: httpx.AsyncClient, receiver: Receiver) -> None:
    """Held events wait, reordered ones come newest first, doubled ones come twice, dropped ones never."""
    await control.set_jira_webhook_mode("hold")
    first, second = await new_issue(bob), await new_issue(bob)
    assert ((await control.jira_webhook())["waiting"], receiver.seen) == (2, [])
    await control.set_jira_webhook_mode("reorder")
    assert [body["issue"]["key"] for body in await receiver.bodies(2)] == [second, first]
    await control.set_jira_webhook_mode("double")
    await new_issue(bob)
    await receiver.bodies(4)
    assert len(set(receiver.identifiers())) == 3
    await control.set_jira_webhook_mode("drop")
    await control.wait_for_event("webhook.dropped", issue_key=await new_issue(bob))
    assert len(receiver.seen) == 4


async def test_webhook_outlives_a_killed_sandbox(tmp_path: Path, receiver: Receiver) -> None:
    """An event that was kept with its change is delivered after SIGKILL and restart, links and all."""
    async with running_sandbox(tmp_path) as process, SandboxClient(process.base_url) as control:
        await control.set_jira_webhook(receiver.url, SECRET)
        await control.set_jira_webhook_mode("hold")
        async with person(process) as bob:
            key = await new_issue(bob)
        await process.kill()
        await process.start()
        assert receiver.seen == []
        await control.set_jira_webhook_mode("deliver")
        [body] = await receiver.bodies(1)
    assert body["issue"]["key"] == key
    assert body["issue"]["self"].startswith(f"{process.base_url}/jira/rest/api/3/issue/")


async def test_control_never_shows_the_webhook_secret(control: SandboxClient) -> None:
    """Whoever reads the configuration learns that there is a secret, not which."""
    assert SECRET not in json.dumps(await control.jira_webhook())


async def test_deactivated_account_can_do_nothing_until_it_is_active_again(
    process: SandboxProcess, browser: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    """Neither its token nor a form works for an account that an administrator has switched off."""
    key = await new_issue(bob)
    account = f"{process.base_url}/control/jira/people/712020:bob-0000-0000-0000-000000000002"
    assert (await browser.put(account, json={"active": False})).status_code == 200
    assert (await bob.get(f"/issue/{key}")).status_code == 401
    form = {"as": "bob", "transition": "11"}
    assert (await browser.post(f"/browse/{key}/transition", data=form)).status_code == 403
    await browser.put(account, json={"active": True})
    assert (await bob.get(f"/issue/{key}")).json()["fields"]["status"]["name"] == "Waiting for approval"


@pytest.mark.parametrize("raw", ["", "{", "NaN", '"\\ud800"', "[" * 100_000])
async def test_property_that_is_no_json_is_a_400(bob: httpx.AsyncClient, raw: str) -> None:
    """What could not be read back is not kept."""
    path = f"/issue/{await new_issue(bob)}/properties/broken"
    reply = await bob.put(path, content=raw, headers={"Content-Type": "application/json"})
    assert (reply.status_code, (await bob.get(path)).status_code) == (400, 404)


async def test_page_acts_as_the_chosen_person(browser: httpx.AsyncClient, bob: httpx.AsyncClient) -> None:
    """Ask, edit, approve and comment by form leave the same traces as the API's operations by that person."""
    asked = {"as": "alice", "entitlement": "aws-prod-admin", "duration": "2h", "subject": "carol", "reason": "audit"}
    page = await browser.post("/requests", data=asked)
    key = page.url.path.rpartition("/")[2]
    edited = {"as": "carol", "field": "customfield_10102", "value": "1h"}
    for part, form in (
        ("edit", edited),
        ("transition", {"as": "bob", "transition": "11"}),
        ("comment", {"as": "alice", "quick": "/extend 30m"}),
    ):
        assert (await browser.post(f"/browse/{key}/{part}", data=form)).status_code == 200
    issue = (await bob.get(f"/issue/{key}", params={"expand": "changelog"})).json()
    fields = issue["fields"]
    assert (fields["creator"]["displayName"], fields["status"]["name"]) == ("Alice Adler", "Approved")
    assert fields["customfield_10103"]["displayName"] == "Carol Crane"
    assert fields["comment"]["comments"][0]["author"]["displayName"] == "Alice Adler"
    authors = [history["author"]["displayName"] for history in issue["changelog"]["histories"]]
    assert authors == ["Bob Birch", "Carol Crane"]


async def test_page_escapes_whatever_people_and_machines_wrote(
    browser: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    """No text on a ticket becomes markup, no link leads to a script, and the browser is told to run none."""
    key = await new_issue(bob, customfield_10104=HOSTILE, summary=HOSTILE)
    await bob.put(f"/issue/{key}", json={"fields": {"customfield_10104": f"{HOSTILE}!"}})
    await bob.post(f"/issue/{key}/comment", json={"body": document(HOSTILE)})
    link = {"type": "text", "text": "look", "marks": [{"type": "link", "attrs": {"href": "javascript:alert(1)"}}]}
    evil = {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [link]}]}
    await bob.post(f"/issue/{key}/comment", json={"body": evil})
    await bob.put(f"/issue/{key}/properties/nightlatch.{HOSTILE.replace('/', '')}", json=[{"event": HOSTILE}])
    page = await browser.get(f"/browse/{key}")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "javascript:" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_page_shows_evidence_with_sequence_event_and_instant(
    browser: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    """Machine records are readable; properties that are not Nightlatch's stay off the page."""
    key = await new_issue(bob)
    record = {"seq": 7, "event": "armed", "at": "2026-11-22T10:01:00.000000Z", "signature": "c2ln"}
    await bob.put(f"/issue/{key}/properties/nightlatch.evidence.1", json={"records": [record]})
    await bob.put(f"/issue/{key}/properties/other.tool", json={"secret-sauce": 1})
    page = (await browser.get(f"/browse/{key}", params={"live": "1"})).text
    for shown in ("nightlatch.evidence.1", ">7<", ">armed<", record["at"], "c2ln", 'http-equiv="refresh"'):
        assert str(shown) in page
    assert "secret-sauce" not in page
    assert "refresh" not in (await browser.get(f"/browse/{key}")).text


async def test_form_refuses_strangers_and_other_sites(browser: httpx.AsyncClient, bob: httpx.AsyncClient) -> None:
    """Nobody acts by default, under an unknown name, or at the wish of another site."""
    key = await new_issue(bob)
    target, step = f"/browse/{key}/transition", {"transition": "11"}
    for form, headers in (
        (step, {}),
        (step | {"as": "nobody"}, {}),
        (step | {"as": "bob"}, {"Origin": "https://elsewhere.example"}),
    ):
        assert (await browser.post(target, data=form, headers=headers)).status_code == 403
    assert (await bob.get(f"/issue/{key}")).json()["fields"]["status"]["name"] == "Waiting for approval"


async def test_page_of_an_absent_ticket_says_so(browser: httpx.AsyncClient) -> None:
    """A page that cannot be shown is a 404 with the reason, and the list still works."""
    page = await browser.get("/browse/SEC-9999")
    assert (page.status_code, "does not exist" in page.text) == (404, True)
    assert "Nightlatch control ticket" in (await browser.get("/")).text
