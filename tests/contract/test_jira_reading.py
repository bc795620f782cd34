"""Readings that do not add up, tickets that move while they are read, and settings that must not leak or lie."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from requests import Request, Response

from activities.integrations.jira_answers import Call, server_time
from activities.integrations.jira_settings import JiraSettings
from activities.integrations.jira_tickets import JiraTickets
from domain.errors import AuthFailedError, InvalidError, MalformedError, RetryableError, VendorError
from domain.ids import TicketRef
from tests.contract.jira_fixtures import ACCOUNTS, OWN, JiraSite, document, jira_settings
from tests.sandbox_process import SandboxProcess, running_sandbox
from tests.specs_gate import SPECS_AT_HAND, assert_official

ALICE, BOB, MALLORY = (ACCOUNTS[name] for name in ("alice", "bob", "mallory"))
PAGE_AND_SOME = 101


@pytest.fixture(scope="module")
async def process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProcess]:
    async with running_sandbox(tmp_path_factory.mktemp("jira")) as process:
        yield process
        if SPECS_AT_HAND:
            await assert_official(process.base_url)


@pytest.fixture
async def site(process: SandboxProcess) -> AsyncIterator[JiraSite]:
    async with JiraSite.open(process.base_url) as site:
        yield site


@pytest.fixture
async def ref(site: JiraSite) -> TicketRef:
    return await site.create(creator=ALICE)


async def answer(site: JiraSite, path: str, body: Any, *, skip: int = 0) -> None:
    """Let the next GET of `path`, or the one after `skip` more, bring this body."""
    fault = {"kind": "status", "status": 200, "body": body, "headers": {"content-type": "application/json"}}
    await site.control.arm("jira", fault, method="GET", path=path, times=1, skip=skip)


async def test_read_fails_when_the_second_page_does(site: JiraSite, ref: TicketRef) -> None:
    """Half a list is no list, whatever became of the other half."""
    for number in range(PAGE_AND_SOME):
        await site.comment_as(ref, f"comment {number}", BOB)
        await site.edit(ref, "Reason", f"reason {number}", ALICE)
    for path in ("/comment$", "/changelog$"):
        for status in (500, 403, 404, 429):
            await site.control.arm(
                "jira", {"kind": "status", "status": status}, method="GET", path=path, skip=1, times=1
            )
            with pytest.raises(VendorError):
                await site.tickets.read(ref)
    assert len((await site.tickets.read(ref)).comments) == PAGE_AND_SOME


async def test_search_that_goes_round_in_circles_is_malformed(site: JiraSite) -> None:
    """The same next page twice is no end."""
    for _ in range(2):
        await answer(site, "/search/jql$", {"issues": [], "nextPageToken": "again"})
    with pytest.raises(MalformedError, match="end"):
        await site.tickets.changed_since(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "page",
    [
        {"startAt": 0, "maxResults": 100, "total": 3, "isLast": True, "values": []},
        {"startAt": 0, "maxResults": 100, "total": 3, "isLast": False, "values": []},
        {"startAt": 100, "maxResults": 100, "total": 0, "isLast": True, "values": []},
        {"startAt": 0, "maxResults": 100, "total": "0", "isLast": True, "values": []},
        {"startAt": 0, "maxResults": 100, "total": 0, "isLast": True},
        {"startAt": 0, "maxResults": 100, "total": 0, "values": []},
    ],
    ids=["too few", "endless", "other start", "total as text", "no values", "no end"],
)
async def test_change_log_that_does_not_add_up_is_malformed(site: JiraSite, ref: TicketRef, page: Any) -> None:
    """An edit could hide in the gap."""
    await answer(site, "/changelog$", page)
    with pytest.raises(MalformedError):
        await site.tickets.read(ref)


async def test_change_that_comes_twice_is_malformed(site: JiraSite, ref: TicketRef) -> None:
    """Where one entry came twice, another may be missing."""
    await site.edit(ref, "Reason", "another", ALICE)
    page = await site.api(OWN, "GET", f"/issue/{ref.issue_id}/changelog")
    await answer(site, "/changelog$", page | {"total": 2, "values": page["values"] * 2})
    with pytest.raises(MalformedError, match="twice"):
        await site.tickets.read(ref)


@pytest.mark.parametrize(
    "change",
    [
        {"created": "2026-11-22T10:00:00.000"},
        {"created": None},
        {"body": "a plain string"},
        {"body": None},
        {"id": 10_001},
        {"author": {"displayName": "Bob"}},
    ],
    ids=["naive time", "no time", "string body", "no body", "number for an id", "author without id"],
)
async def test_comment_of_another_form_is_malformed(site: JiraSite, ref: TicketRef, change: dict[str, Any]) -> None:
    """A comment that cannot be understood is not skipped."""
    await site.comment_as(ref, "hello", BOB)
    page = await site.api(OWN, "GET", f"/issue/{ref.issue_id}/comment")
    await answer(site, "/comment$", page | {"comments": [page["comments"][0] | change]})
    with pytest.raises(MalformedError):
        await site.tickets.read(ref)


@pytest.mark.parametrize(
    "fields",
    [
        {"status": None},
        {"status": {"name": 5}},
        {"project": "SEC"},
        {"customfield_10101": ["aws-prod-admin"]},
        {"customfield_10103": "alice"},
        {"created": "yesterday"},
    ],
    ids=str,
)
async def test_field_of_another_form_is_malformed(site: JiraSite, ref: TicketRef, fields: dict[str, Any]) -> None:
    """A field that cannot be understood is not taken for an empty one."""
    issue = await site.api(OWN, "GET", f"/issue/{ref.issue_id}")
    await answer(site, r"/issue/\d+$", issue | {"fields": issue["fields"] | fields})
    with pytest.raises(MalformedError):
        await site.tickets.read(ref)


async def test_answer_about_another_issue_is_malformed(site: JiraSite, ref: TicketRef) -> None:
    """The id is the identity: the fields of another ticket are never read as this one's."""
    other = await site.create(creator=MALLORY)
    stranger = await site.api(OWN, "GET", f"/issue/{other.issue_id}")
    await answer(site, r"/issue/\d+$", stranger)
    with pytest.raises(MalformedError, match=other.issue_id):
        await site.tickets.read(ref)


async def test_listed_property_that_is_not_given_is_not_read_as_absent(site: JiraSite, ref: TicketRef) -> None:
    """Evidence that exists is read or the reading fails."""
    await site.tickets.write_property(ref, "nightlatch.a.0", "{}")
    issue = await site.api(OWN, "GET", f"/issue/{ref.issue_id}?fields=updated")
    await answer(site, r"/issue/\d+$", issue)
    with pytest.raises(RetryableError, match=r"nightlatch\.a\.0"):
        await site.tickets.read_properties(ref, "nightlatch.")


async def test_property_with_numbers_beyond_the_canonical_form_is_still_told(site: JiraSite, ref: TicketRef) -> None:
    """A stranger's huge number cannot make the other records unreadable."""
    await site.tickets.write_property(ref, "nightlatch.a.0", '{"records":[]}')
    await site.control.put_jira_property(ref.issue_id, "nightlatch.b.0", {"n": 2**70})
    texts = await site.tickets.read_properties(ref, "nightlatch.")
    assert texts == {"nightlatch.a.0": '{"records":[]}', "nightlatch.b.0": f'{{"n":{2**70}}}'}


async def test_property_key_stays_one_key(site: JiraSite, ref: TicketRef) -> None:
    """What a key holds cannot become part of the address."""
    await site.tickets.write_property(ref, "nightlatch.ü?x", "{}")
    assert await site.tickets.read_properties(ref, "nightlatch.") == {"nightlatch.ü?x": "{}"}


async def test_ticket_that_changes_while_it_is_read_is_read_again(site: JiraSite, ref: TicketRef) -> None:
    """An edit between the pages is in the view: it is never half of before and half of after."""
    await site.control.arm("jira", {"kind": "hold", "name": "log"}, method="GET", path="/changelog$", times=1)
    reading = asyncio.create_task(site.tickets.read(ref))
    await site.control.wait_until_held("log")
    await site.edit(ref, "Duration", "8h", MALLORY)
    await site.control.release("log")
    view = await reading
    assert (view.duration, [change.new for change in view.changes]) == ("8h", ["8h"])


async def test_ticket_that_never_rests_is_retryable(site: JiraSite, ref: TicketRef) -> None:
    """Two moving readings end the attempt."""
    await site.control.arm("jira", {"kind": "hold", "name": "log"}, method="GET", path="/changelog$", times=2)
    reading = asyncio.create_task(site.tickets.read(ref))
    for duration in ("4h", "8h"):
        await site.control.wait_until_held("log")
        await site.edit(ref, "Duration", duration, MALLORY)
        await site.control.release("log")
    with pytest.raises(RetryableError):
        await reading


async def test_comment_by_an_edited_stranger_does_not_count_as_ours(site: JiraSite, ref: TicketRef) -> None:
    """Only the account counts: a stranger may even have our words."""
    posted = await site.tickets.comment(ref, "text", "rec-1")
    await site.api(OWN, "DELETE", f"/issue/{ref.issue_id}/comment/{posted.comment_id}")
    await site.api(MALLORY, "POST", f"/issue/{ref.issue_id}/comment", {"body": document("text\n\nrec-1")})
    again = await site.tickets.comment(ref, "text", "rec-1")
    assert again.author == OWN


async def test_comment_under_another_account_than_configured_is_not_posted(process: SandboxProcess) -> None:
    """It would not be known again, and be posted at each attempt."""
    async with JiraSite.open(process.base_url, own_account=BOB) as site:
        ref = await site.create(creator=ALICE)
        with pytest.raises(InvalidError, match="own_account"):
            await site.tickets.comment(ref, "text", "rec-1")
        assert not await site.audit(ref, "comment.added")


async def test_transition_made_by_somebody_else_meanwhile_is_no_error(site: JiraSite, ref: TicketRef) -> None:
    """The ticket stands where it should."""
    await site.control.arm("jira", {"kind": "hold", "name": "move"}, method="POST", path="/transitions$", times=1)
    moving = asyncio.create_task(site.tickets.transition(ref, "Closed"))
    await site.control.wait_until_held("move")
    await site.control.clear()
    await moving
    assert await site.field(ref, "status") == "Closed"


async def test_environment_does_not_reach_the_calls(
    site: JiraSite, ref: TicketRef, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither a proxy nor a netrc file of the machine takes part."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login mallory@example.com password mallory-token\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    assert (await site.tickets.comment(ref, "text", "rec-1")).author == OWN


async def test_token_is_in_no_message(process: SandboxProcess, ref: TicketRef) -> None:
    """Neither settings nor errors show it."""
    settings = jira_settings(process.base_url, token="not-the-token")  # noqa: S106 - that is the point
    tickets = JiraTickets(settings)
    with pytest.raises(AuthFailedError) as caught:
        await tickets.read(ref)
    await tickets.close()
    assert "not-the-token" not in f"{settings!r} {caught.value!r} {caught.value.__cause__!r}"


@pytest.mark.parametrize(
    "url", ["http://jira.example.com", "ftp://127.0.0.1", "https://user:secret@jira.example.com", "https://x?token=1"]
)
def test_address_that_would_show_the_token_is_refused(url: str) -> None:
    """Plain http is for loopback only, and no secret is kept in an address."""
    with pytest.raises(ValidationError):
        JiraSettings.model_validate(jira_settings("http://127.0.0.1").model_dump() | {"url": url})


def test_call_that_nobody_thought_of_is_not_sent() -> None:
    """The SDK cannot make calls of its own."""
    for method, path in (("DELETE", "/issue/10000"), ("GET", "/serverInfo"), ("GET", "/issue/10000/../../user")):
        request = Request(method, f"https://jira.example.com/rest/api/3{path}").prepare()
        with pytest.raises(InvalidError, match="not sent"):
            Call.of(request)


def test_answer_without_a_date_is_malformed() -> None:
    """A time that is not known grants nothing."""
    with pytest.raises(MalformedError, match="Date"):
        server_time(Response())
