"""What Jira, a proxy or the network may answer instead: none of it may read as success, as absence or as the whole."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from activities.integrations.jira_tickets import JiraTickets
from domain.errors import (
    AuthFailedError,
    ForbiddenError,
    InvalidError,
    MalformedError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    RetryableError,
    VendorError,
)
from domain.ids import TicketRef
from tests.contract.jira_fixtures import ACCOUNTS, OWN, SITE, JiraSite, jira_settings
from tests.sandbox_process import SandboxProcess, running_sandbox
from tests.specs_gate import SPECS_AT_HAND, assert_official

ALICE, BOB = ACCOUNTS["alice"], ACCOUNTS["bob"]
NEVER = datetime(2999, 1, 1, tzinfo=UTC)
Call = Callable[[JiraSite, TicketRef], Awaitable[object]]

READS: dict[str, Call] = {
    "read": lambda site, ref: site.tickets.read(ref),
    "read_properties": lambda site, ref: site.tickets.read_properties(ref, "nightlatch."),
    "changed_since": lambda site, _: site.tickets.changed_since(NEVER),
}
WRITES: dict[str, tuple[str, str, Call]] = {
    "comment": ("POST", "/comment$", lambda site, ref: site.tickets.comment(ref, "text", "rec-1")),
    "write_property": (
        "PUT",
        "/properties/",
        lambda site, ref: site.tickets.write_property(ref, "nightlatch.a.0", "{}"),
    ),
    "transition": ("POST", "/transitions$", lambda site, ref: site.tickets.transition(ref, "Closed")),
    "set_fields": (
        "PUT",
        r"/issue/\d+$",
        lambda site, ref: site.tickets.set_fields(ref, state="active", active_from=None, active_until=None),
    ),
}
ALIKE: dict[int, type[VendorError]] = {
    302: MalformedError,
    400: InvalidError,
    401: AuthFailedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: RetryableError,
    413: InvalidError,
    429: RateLimitedError,
}
TROUBLE = (408, 425, 500, 502, 503, 504)


@pytest.fixture(scope="module")
async def process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProcess]:
    async with running_sandbox(tmp_path_factory.mktemp("jira")) as process:
        yield process
        if SPECS_AT_HAND:
            await assert_official(process.base_url)


@pytest.fixture
async def site(process: SandboxProcess) -> AsyncIterator[JiraSite]:
    async with JiraSite.open(process.base_url, read_timeout_seconds=2) as site:
        yield site


@pytest.fixture
async def ref(site: JiraSite) -> TicketRef:
    """A ticket with one record and one comment, so that nothing of it is empty."""
    ref = await site.create(creator=ALICE)
    await site.control.put_jira_property(ref.issue_id, "nightlatch.x.0", {"records": []})
    await site.comment_as(ref, "hello", BOB)
    return ref


async def calls_made(site: JiraSite, method: str) -> int:
    return sum(entry["vendor"] == "jira" and entry["method"] == method for entry in await site.control.requests())


@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize("status", [*ALIKE, *TROUBLE, 204])
async def test_read_refused_with_an_empty_body_raises(site: JiraSite, ref: TicketRef, call: str, status: int) -> None:
    """A status outside the list of successes is an error of its kind, body or no body, and is asked for once."""
    await site.control.arm("jira", {"kind": "status", "status": status}, method="GET", times=1)
    before = await calls_made(site, "GET")
    with pytest.raises(VendorError) as caught:
        await READS[call](site, ref)
    assert type(caught.value) is ALIKE.get(status, RetryableError if status in TROUBLE else MalformedError)
    assert await calls_made(site, "GET") == before + 1


@pytest.mark.parametrize("call", WRITES)
@pytest.mark.parametrize("status", [*ALIKE, *TROUBLE, 202])
async def test_write_refused_with_an_empty_body_raises(site: JiraSite, ref: TicketRef, call: str, status: int) -> None:
    """A gateway's error proves nothing about a write; and no write is ever sent twice by itself."""
    method, path, write = WRITES[call]
    await site.control.arm("jira", {"kind": "status", "status": status}, method=method, path=path, times=1)
    before = await calls_made(site, method)
    with pytest.raises(VendorError) as caught:
        await write(site, ref)
    assert type(caught.value) is ALIKE.get(status, OutcomeUnknownError if status in TROUBLE else MalformedError)
    assert await calls_made(site, method) == before + 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "empty"},
        {"kind": "content_type", "value": "text/html"},
        {"kind": "status", "status": 200, "body": "<html>Log in</html>", "headers": {"content-type": "text/html"}},
        {"kind": "status", "status": 200, "body": '"text"', "headers": {"content-type": "application/json"}},
        {"kind": "status", "status": 200, "body": [], "headers": {"content-type": "application/json"}},
        {"kind": "status", "status": 200, "body": {}, "headers": {"content-type": "application/json"}},
        {"kind": "status", "status": 200, "body": '{"a": NaN}', "headers": {"content-type": "application/json"}},
        {"kind": "status", "status": 200, "body": "[" * 50_000, "headers": {"content-type": "application/json"}},
    ],
    ids=["empty", "labelled as html", "login page", "string", "list", "no fields", "no number", "nested"],
)
@pytest.mark.parametrize("call", READS)
async def test_success_without_the_documented_body_is_malformed(
    site: JiraSite, ref: TicketRef, call: str, fault: dict[str, Any]
) -> None:
    """A 200 alone is no answer."""
    await site.control.arm("jira", fault, method="GET", times=1)
    with pytest.raises(MalformedError):
        await READS[call](site, ref)


@pytest.mark.parametrize(
    "fault",
    [{"kind": "truncate"}, {"kind": "reset"}, {"kind": "reset", "when": "after"}, {"kind": "delay", "seconds": 3}],
)
@pytest.mark.parametrize("call", ["read", "changed_since"])
async def test_read_that_breaks_off_is_retryable(
    site: JiraSite, ref: TicketRef, call: str, fault: dict[str, Any]
) -> None:
    """Half an answer, none, or one that is too slow decides nothing."""
    await site.control.arm("jira", fault, method="GET", times=1)
    with pytest.raises(RetryableError):
        await READS[call](site, ref)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reset", "when": "before"},
        {"kind": "reset", "when": "after"},
        {"kind": "truncate"},
        {"kind": "delay", "seconds": 3, "when": "after"},
        {"kind": "status", "status": 503},
    ],
    ids=["reset before", "reset after", "truncated", "slow", "503"],
)
async def test_comment_without_a_reply_is_on_the_ticket_once_after_the_retry(
    site: JiraSite, ref: TicketRef, fault: dict[str, Any]
) -> None:
    """Whether the first attempt landed or not, the retry ends with one comment: so says the stand-in's own log."""
    await site.control.arm("jira", fault, method="POST", path="/comment$", times=1)
    with pytest.raises(OutcomeUnknownError):
        await site.tickets.comment(ref, "text", "rec-1")
    posted = await site.tickets.comment(ref, "text", "rec-1")
    own = [line for line in await site.audit(ref, "comment.added") if line["actor"] == OWN]
    assert [line["comment_id"] for line in own] == [posted.comment_id]


@pytest.mark.parametrize("call", ["write_property", "transition", "set_fields"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_write_whose_reply_was_lost_is_unknown_and_safe_to_repeat(
    site: JiraSite, ref: TicketRef, call: str, when: str
) -> None:
    """The repeated call succeeds whether or not the first one took effect."""
    method, path, write = WRITES[call]
    await site.control.arm("jira", {"kind": "reset", "when": when}, method=method, path=path, times=1)
    with pytest.raises(OutcomeUnknownError):
        await write(site, ref)
    await write(site, ref)
    assert len(await site.audit(ref, "issue.transitioned")) == (1 if call == "transition" else 0)
    assert len(await site.audit(ref, "issue.updated")) == (1 if call == "set_fields" else 0)


async def test_write_that_could_not_be_sent_is_retryable() -> None:
    """Where nobody listens nothing can have happened."""
    nowhere = JiraTickets(jira_settings("http://127.0.0.1:1"))
    ref = TicketRef(site=SITE, issue_id="10000", key="SEC-1")
    with pytest.raises(RetryableError):
        await nowhere.write_property(ref, "nightlatch.a.0", "{}")
    await nowhere.close()


def in_future(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        (lambda: {"Retry-After": "7"}, 7, 7),
        (lambda: {"Retry-After": "0"}, 1, 1),
        (lambda: {"Retry-After": "9" * 40}, 300, 300),
        (lambda: {"Retry-After": in_future(20)}, 17, 22),
        (lambda: {"Retry-After": in_future(-20)}, 1, 1),
        (lambda: {"X-RateLimit-Reset": (datetime.now(UTC) + timedelta(seconds=20)).isoformat()}, 17, 22),
        (lambda: {"X-RateLimit-Reset": "soon"}, 2, 2),
        (lambda: {"Retry-After": "-5"}, 2, 2),
        (lambda: {"Retry-After": "nan"}, 2, 2),
        (dict, 2, 2),
    ],
    ids=["seconds", "zero", "huge", "date", "past", "reset", "odd reset", "negative", "nan", "none"],
)
async def test_rate_limit_tells_the_delay_that_jira_asked_for(
    site: JiraSite, ref: TicketRef, headers: Callable[[], dict[str, str]], least: int, most: int
) -> None:
    """Whole seconds, a date or the reset instant, never below a second or above five minutes; else two seconds."""
    fault = {"kind": "status", "status": 429, "headers": headers()}
    await site.control.arm("jira", fault, method="GET", times=1)
    with pytest.raises(RateLimitedError) as caught:
        await site.tickets.read(ref)
    assert caught.value.delay is not None
    assert timedelta(seconds=least) <= caught.value.delay <= timedelta(seconds=most)


async def test_rate_limit_as_jira_words_it(site: JiraSite, ref: TicketRef) -> None:
    """The stand-in's own 429 is understood, too."""
    await site.control.arm("jira", {"kind": "rate_limit", "reset_in": 9}, times=1)
    with pytest.raises(RateLimitedError) as caught:
        await site.tickets.read(ref)
    assert caught.value.delay == timedelta(seconds=9)
