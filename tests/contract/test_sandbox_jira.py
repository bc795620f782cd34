"""The Jira stand-in answers the real `jira` SDK, and refuses, as Jira Cloud does. Webhooks and pages have a file of their own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from typing import Any

import httpx
import pytest
from jira import JIRA, JIRAError

from sandbox.client import SandboxClient
from sandbox.loopback import loopback_client
from tests.sandbox_process import SandboxProcess, running_sandbox
from tests.specs_gate import needs_specs

BOT_ID = "712020:nightlatch-bot-0000-0000-0000-000000000008"
ALICE_ID = "712020:alice-0000-0000-0000-000000000001"
BOB_ID = "712020:bob-0000-0000-0000-000000000002"
ENTITLEMENT, DURATION, SUBJECT = "customfield_10101", "customfield_10102", "customfield_10103"
REQUEST = {
    "project": {"key": "SEC"},
    "issuetype": {"name": "Access request"},
    "summary": "Access: aws-prod-admin",
    ENTITLEMENT: "aws-prod-admin",
    DURATION: "2h",
}


def document(text: str) -> dict[str, Any]:
    content = [{"type": "paragraph", "content": [{"type": "text", "text": text}]}]
    return {"type": "doc", "version": 1, "content": content}


@pytest.fixture(scope="module")
async def process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProcess]:
    async with running_sandbox(tmp_path_factory.mktemp("jira")) as process:
        yield process


@pytest.fixture
async def control(process: SandboxProcess) -> AsyncIterator[SandboxClient]:
    async with SandboxClient(process.base_url) as client:
        yield client
        await client.clear()


@pytest.fixture
async def bot(process: SandboxProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with api(process, "nightlatch-bot") as client:
        yield client


@pytest.fixture
async def alice(process: SandboxProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with api(process, "alice") as client:
        yield client


def api(process: SandboxProcess, name: str) -> httpx.AsyncClient:
    return loopback_client(
        base_url=f"{process.base_url}/jira/rest/api/3",
        auth=(f"{name}@example.com", f"{name}-token"),
        timeout=10,
    )


async def new_issue(person: httpx.AsyncClient, **fields: Any) -> str:
    reply = await person.post("/issue", json={"fields": REQUEST | fields})
    assert reply.status_code == 201, reply.text
    return str(reply.json()["key"])


async def changes(person: httpx.AsyncClient, key: str) -> list[dict[str, Any]]:
    return list((await person.get(f"/issue/{key}/changelog")).json()["values"])


async def with_sdk(process: SandboxProcess, name: str, work: Callable[[JIRA], Any]) -> Any:
    """Run `work` with the real SDK, in a thread: it is synchronous."""

    def run() -> Any:
        client = JIRA(
            server=f"{process.base_url}/jira",
            basic_auth=(f"{name}@example.com", f"{name}-token"),
            options={"rest_api_version": "3"},
            get_server_info=False,
            max_retries=0,
            timeout=10,
        )
        # Without it the SDK's Cloud-only calls return None, having asked nothing.
        client.deploymentType = "Cloud"
        with closing(client):
            return work(client)

    return await asyncio.to_thread(run)


async def test_sdk_plays_a_request_from_asking_to_evidence(process: SandboxProcess) -> None:
    """Create, comment, transition, property and search work through the real SDK, each under its own person's name."""

    def ask(client: JIRA) -> str:
        return str(client.create_issue(fields=REQUEST).key)

    key = await with_sdk(process, "alice", ask)

    def approve(client: JIRA) -> None:
        assert {step["name"] for step in client.transitions(key)} == {"Approve", "Decline", "Close"}
        client.transition_issue(key, "11")

    await with_sdk(process, "bob", approve)

    def record(client: JIRA) -> None:
        comment = client.add_comment(key, document("approved"))
        assert (comment.author.accountId, comment.body.type) == (BOT_ID, "doc")
        client.add_issue_property(key, "nightlatch.evidence.1", {"seq": 1})
        assert client.issue_property(key, "nightlatch.evidence.1").value.seq == 1
        issue = client.issue(key, expand="changelog")
        assert (issue.fields.status.name, issue.fields.creator.accountId) == ("Approved", ALICE_ID)
        assert issue.changelog.histories[0].author.accountId == BOB_ID
        assert [found.key for found in client.enhanced_search_issues(f"key = {key}")] == [key]

    await with_sdk(process, "nightlatch-bot", record)


async def test_sdk_names_the_refusal_of_a_string_comment(process: SandboxProcess, alice: httpx.AsyncClient) -> None:
    """Version 3 takes documents only; a body of version 2 is a 400 and leaves no comment."""
    key = await new_issue(alice)
    with pytest.raises(JIRAError) as refused:
        await with_sdk(process, "alice", lambda client: client.add_comment(key, "plain words"))
    assert refused.value.status_code == 400
    assert (await alice.get(f"/issue/{key}/comment")).json()["total"] == 0


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic !"}, {"Authorization": "Digest x"}]
)
async def test_call_without_a_good_credential_is_a_401(process: SandboxProcess, headers: dict[str, str]) -> None:
    """Nobody reads anything without a credential."""
    async with loopback_client() as client:
        reply = await client.get(f"{process.base_url}/jira/rest/api/3/issue/SEC-1", headers=headers)
    assert (reply.status_code, list(reply.json())) == (401, ["errorMessages", "errors"])


async def test_bearer_token_and_basic_login_are_the_same_person(
    process: SandboxProcess, alice: httpx.AsyncClient
) -> None:
    """Both forms of an API token lead to one account."""
    async with loopback_client(headers={"Authorization": "Bearer alice-token"}) as client:
        bearer = (await client.get(f"{process.base_url}/jira/rest/api/3/myself")).json()
    assert bearer == (await alice.get("/myself")).json()
    assert bearer["accountId"] == ALICE_ID


async def test_absent_and_hidden_issue_look_the_same(
    process: SandboxProcess, alice: httpx.AsyncClient, bot: httpx.AsyncClient
) -> None:
    """A 404 does not tell whether the issue is gone or not to be seen; search leaves it out."""
    key = await new_issue(alice)
    viewers = f"{process.base_url}/control/jira/issues/{key}/viewers"
    async with loopback_client() as admin:
        await admin.put(viewers, json={"accounts": [ALICE_ID]})
    hidden, absent = await bot.get(f"/issue/{key}"), await bot.get("/issue/SEC-9999")
    assert (hidden.status_code, hidden.content) == (absent.status_code, absent.content) == (404, absent.content)
    found = (await bot.get("/search/jql", params={"jql": "project = SEC", "fields": "summary"})).json()["issues"]
    assert key not in {issue["key"] for issue in found}
    assert (await alice.get(f"/issue/{key}")).status_code == 200


async def test_changelog_tells_who_changed_what_to_the_last_page(
    alice: httpx.AsyncClient, bot: httpx.AsyncClient
) -> None:
    """Edits and transitions are listed oldest first with author and both values; `nextPage` leads to the last."""
    key = await new_issue(alice)
    await alice.put(f"/issue/{key}", json={"fields": {DURATION: "4h", SUBJECT: {"accountId": BOB_ID}}})
    await bot.put(f"/issue/{key}", json={"update": {"labels": [{"add": "nightlatch"}]}})
    await alice.post(f"/issue/{key}/transitions", json={"transition": {"id": "21"}})
    page = (await bot.get(f"/issue/{key}/changelog", params={"maxResults": 2})).json()
    assert (page["total"], page["isLast"], len(page["values"])) == (3, False, 2)
    duration, subject = page["values"][0]["items"]
    assert (duration["field"], duration["fieldId"]) == ("Duration", DURATION)
    assert (duration["fromString"], duration["toString"]) == ("2h", "4h")
    assert (subject["from"], subject["to"], subject["toString"]) == (None, BOB_ID, "Bob Birch")
    assert page["values"][1]["author"]["accountId"] == BOT_ID
    last = (await bot.get(page["nextPage"])).json()
    status = {"field": "status", "fieldtype": "jira", "fieldId": "status", "from": "10001", "to": "10003"}
    assert last["isLast"]
    assert status.items() <= last["values"][0]["items"][0].items()


async def test_edit_that_changes_nothing_leaves_no_trace(alice: httpx.AsyncClient) -> None:
    """Setting a field to what it is adds no changelog entry."""
    key = await new_issue(alice)
    assert (await alice.put(f"/issue/{key}", json={"fields": {DURATION: "2h"}})).status_code == 204
    assert await changes(alice, key) == []


async def test_refused_edit_changes_no_field_at_all(alice: httpx.AsyncClient) -> None:
    """One bad value refuses the whole edit, and the answer names the field."""
    key = await new_issue(alice)
    bad = {DURATION: "8h", SUBJECT: {"accountId": "nobody"}, "status": "Approved"}
    reply = await alice.put(f"/issue/{key}", json={"fields": bad})
    assert (reply.status_code, sorted(reply.json()["errors"])) == (400, [SUBJECT, "status"])
    assert (await alice.get(f"/issue/{key}")).json()["fields"][DURATION] == "2h"


async def test_transition_out_of_another_status_is_a_400(alice: httpx.AsyncClient) -> None:
    """What has been declined cannot be approved: the workflow has no such step."""
    key = await new_issue(alice)
    for step, status in (("21", 204), ("11", 400), ("99", 400)):
        reply = await alice.post(f"/issue/{key}/transitions", json={"transition": {"id": step}})
        assert reply.status_code == status
    assert len(await changes(alice, key)) == 1


async def test_same_comment_sent_twice_is_two_comments(alice: httpx.AsyncClient, bot: httpx.AsyncClient) -> None:
    """Jira has no idempotency key; what tells repeats apart are properties, shown on request."""
    key = await new_issue(alice)
    body = {"body": document("granted"), "properties": [{"key": "nightlatch.step", "value": {"seq": 3}}]}
    for _ in range(2):
        assert (await bot.post(f"/issue/{key}/comment", json=body)).status_code == 201
    shown = (await bot.get(f"/issue/{key}/comment", params={"expand": "properties", "orderBy": "-created"})).json()
    assert shown["total"] == 2
    assert shown["comments"][0]["properties"] == body["properties"]
    assert int(shown["comments"][0]["id"]) > int(shown["comments"][1]["id"])


async def test_comment_changed_by_another_shows_both(alice: httpx.AsyncClient, bot: httpx.AsyncClient) -> None:
    """An edited comment keeps its author and names who edited it; a deleted one is gone."""
    key = await new_issue(alice)
    comment_id = (await bot.post(f"/issue/{key}/comment", json={"body": document("a")})).json()["id"]
    path = f"/issue/{key}/comment/{comment_id}"
    shown = (await alice.put(path, json={"body": document("b")})).json()
    assert (shown["author"]["accountId"], shown["updateAuthor"]["accountId"]) == (BOT_ID, ALICE_ID)
    assert (await alice.delete(path)).status_code == 204
    assert (await alice.get(path)).status_code == 404


async def test_property_holds_32768_characters_and_not_one_more(
    alice: httpx.AsyncClient, bot: httpx.AsyncClient, control: SandboxClient
) -> None:
    """201 when new, 200 when replaced, 400 above the limit, each write in the audit log with its digest."""
    key = await new_issue(alice)
    path = f"/issue/{key}/properties/nightlatch.evidence.1"
    statuses = [(await bot.put(path, json="x" * (size - 2))).status_code for size in (32_768, 10, 32_769)]
    assert statuses == [201, 200, 400]
    assert (await bot.get(path)).json() == {"key": "nightlatch.evidence.1", "value": "x" * 8}
    assert (await bot.put(f"/issue/{key}/properties/{'k' * 256}", json=1)).status_code == 400
    lines = [line for line in await control.audit() if line["event"] == "property.put" and line["issue_key"] == key]
    assert [line["characters"] for line in lines] == [32_768, 10]
    assert (await bot.delete(path)).status_code == 204
    assert (await bot.get(f"/issue/{key}/properties")).json() == {"keys": []}


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("status = 'Waiting for approval'", True),
        ("status != 10001", False),
        ("status in (Approved, Closed)", False),
        ("updated >= -15m AND project in (SEC, OPS)", True),
        ("updated >= '2099-01-01 00:00'", False),
        ("created > 1700000000000", True),
        ("labels = urgent", True),
        ("labels is EMPTY OR cf[10101] = other", False),
        ("Entitlement ~ prod AND NOT statusCategory = Done", True),
        ("(reporter = '712020:alice-0000-0000-0000-000000000001')", True),
    ],
)
async def test_search_understands(alice: httpx.AsyncClient, condition: str, found: bool) -> None:
    """Each condition of the supported JQL finds the issue it describes, and only that."""
    key = await new_issue(alice, labels=["urgent"])
    reply = await alice.post("/search/jql", json={"jql": f"key = {key} AND {condition}", "fields": ["summary"]})
    assert [issue["key"] for issue in reply.json()["issues"]] == ([key] if found else [])


@pytest.mark.parametrize("query", ["", "order by key", "key = SEC-9999", "project = NOPE", "frob = 1", "key in (", "#"])
async def test_search_refuses(alice: httpx.AsyncClient, query: str) -> None:
    """A query without restriction, or naming what does not exist, is a 400 and never an empty result."""
    assert (await alice.get("/search/jql", params={"jql": query})).status_code == 400


async def test_search_pages_to_the_end_in_order(alice: httpx.AsyncClient) -> None:
    """Every issue comes once over the pages, newest change first; a token is good for its own query only."""
    expected = [await new_issue(alice, labels=["paged"]) for _ in range(5)][::-1]
    query: dict[str, Any] = {"jql": "labels = paged ORDER BY updated DESC", "maxResults": 2, "fields": ["key"]}
    page = (await alice.post("/search/jql", json=query)).json()
    token, keys = page["nextPageToken"], [issue["key"] for issue in page["issues"]]
    while not page["isLast"]:
        page = (await alice.post("/search/jql", json=query | {"nextPageToken": page["nextPageToken"]})).json()
        keys += [issue["key"] for issue in page["issues"]]
    assert keys == expected
    other = await alice.post("/search/jql", json={"jql": "project = SEC", "nextPageToken": token})
    assert other.status_code == 400


async def test_moved_issue_keeps_its_id_and_answers_to_the_old_key(
    process: SandboxProcess, alice: httpx.AsyncClient
) -> None:
    """A move changes key and project, which the changelog tells; the immutable id stays."""
    key = await new_issue(alice)
    issue_id = (await alice.get(f"/issue/{key}")).json()["id"]
    async with loopback_client() as admin:
        await admin.put(f"{process.base_url}/control/jira/issues/{key}/move", json={"project": "OPS"})
    moved = (await alice.get(f"/issue/{key}", params={"fields": "project"})).json()
    assert (moved["id"], moved["fields"]["project"]["key"]) == (issue_id, "OPS")
    assert moved["key"].startswith("OPS-")
    assert [item["field"] for item in (await changes(alice, issue_id))[0]["items"]] == ["project", "Key"]


async def test_project_that_the_administrator_makes_is_as_good_as_the_others(
    alice: httpx.AsyncClient, control: SandboxClient
) -> None:
    """Issues are created, searched and moved in it; a key is given once."""
    await control.make_jira_project("LAB", "Laboratory")
    key = await new_issue(alice, project={"key": "LAB"})
    assert key == "LAB-1"
    found = (await alice.get("/search/jql", params={"jql": "project = Laboratory", "fields": "project"})).json()
    assert [issue["fields"]["project"]["name"] for issue in found["issues"]] == ["Laboratory"]
    assert (await alice.get("/project/LAB")).json()["id"] not in {"10000", "10001"}
    await control.move_jira_issue(key, "SEC")
    with pytest.raises(httpx.HTTPStatusError):
        await control.make_jira_project("LAB", "Another")


async def test_deleted_issue_is_gone_with_all_that_hangs_on_it(alice: httpx.AsyncClient) -> None:
    """Neither id nor key finds a deleted issue, and its key is not given again."""
    key = await new_issue(alice)
    assert (await alice.delete(f"/issue/{key}")).status_code == 204
    for part in ("", "/comment", "/changelog", "/properties"):
        assert (await alice.get(f"/issue/{key}{part}")).status_code == 404
    assert await new_issue(alice) != key


@needs_specs
async def test_every_answer_fits_the_official_description(alice: httpx.AsyncClient, control: SandboxClient) -> None:
    """Whatever was asked in this file, rightly or wrongly, the answer has the shape that Atlassian publishes."""
    for path in ("/field", "/serverInfo", "/project/SEC", f"/user?accountId={BOB_ID}", "/issue/SEC-1?expand=names"):
        assert (await alice.get(path)).status_code == 200
    await alice.put("/issue/SEC-1/assignee", json={"accountId": BOB_ID})
    report = await control.spec_report()
    assert report["checked"]
    assert [line for line in report["violations"] if ": answer " in line] == []
