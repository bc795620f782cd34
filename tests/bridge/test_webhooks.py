"""Webhooks over real HTTP against a real Temporal: what becomes of each, and what none can do."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from temporalio.common import SearchAttributeKey

from domain.errors import RetryableError
from domain.ids import request_workflow_id
from domain.ticket import TicketRules
from sandbox.loopback import loopback_client
from starter.intake import Limits
from starter.webhooks import Ignored, News, read_event
from tests.bridge.conftest import House, commented, created, signed, until, updated


async def test_start_request_when_its_ticket_is_created(house: House) -> None:
    """A created ticket has its request, findable by ticket and state, before Jira hears 200."""
    ticket = house.create()
    async with house.bridge() as address:
        answer = await house.post(address, created(ticket))
    assert (answer.status_code, answer.json()["outcome"]) == (200, "accepted")
    told = await house.client.get_workflow_handle(request_workflow_id(ticket)).describe()
    assert told.workflow_type == "AccessRequestWorkflow"
    assert told.typed_search_attributes.get(SearchAttributeKey.for_keyword("NightlatchTicket")) == ticket.key
    assert told.typed_search_attributes.get(SearchAttributeKey.for_keyword("NightlatchState")) == "opening"
    assert await told.static_summary() == f"**{ticket.key}**: access request"
    assert told.raw_description.execution_config.workflow_execution_timeout.ToTimedelta() == timedelta(0)
    assert await house.names(ticket) == []


@pytest.mark.parametrize(
    ("field", "to", "hint"),
    [
        ("status", "Approved", "approve"),
        ("status", "Declined", "deny"),
        ("status", "Closed", "deny"),
        ("status", "Waiting for approval", "approve"),
        ("Duration", "8h", "approve"),
        ("Key", "OPS-7", "approve"),
    ],
)
async def test_pass_on_change_as_the_hint_it_is(house: House, field: str, to: str, hint: str) -> None:
    """A change of status or of a bound field reaches the running request as one hint."""
    ticket = house.create()
    async with house.bridge() as address:
        await house.post(address, created(ticket))
        answer = await house.post(address, updated(ticket, field, to, by="712020:bob"))
    assert answer.status_code == 200
    assert await house.heard(ticket) == [(hint, "712020:bob")]


@pytest.mark.parametrize(("text", "hint"), [("/extend 30m", "extend"), (" /REVOKE now", "revoke")])
async def test_pass_on_comment_that_is_a_command(house: House, text: str, hint: str) -> None:
    """A comment that begins with a command reaches the request."""
    ticket = house.create()
    async with house.bridge() as address:
        await house.post(address, created(ticket))
        await house.post(address, commented(ticket, text))
        assert (await house.post(address, commented(ticket, "please /revoke or /extend"))).json()[
            "outcome"
        ] == "ignored"
    assert await house.names(ticket) == [hint]


async def test_start_request_with_hint_when_creation_was_lost(house: House) -> None:
    """An update for a ticket without request, whose creation was lost or comes later, starts it and hands over the hint."""
    ticket = house.create()
    async with house.bridge() as address:
        assert (await house.post(address, updated(ticket, "status", "Approved"))).json()["outcome"] == "accepted"
        assert (await house.post(address, created(ticket))).json()["outcome"] == "accepted"
    assert await house.names(ticket) == ["approve"]


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "sha256=",
        "sha256=zz" + "0" * 62,
        "sha256=" + "0" * 63,
        "sha256=" + "0" * 64,
        "sha1=" + "0" * 64,
        "0" * 64,
        "sha256=" + "0" * 64 + ", sha256=" + "0" * 64,
        signed(b"another body"),
    ],
)
async def test_refuse_webhook_without_good_signature(house: House, signature: str | None) -> None:
    """A missing, malformed or wrong signature is 401, and nothing reaches Temporal."""
    ticket = house.create()
    raw = json.dumps(created(ticket)).encode()
    async with house.bridge() as address:
        headers = {} if signature is None else {"X-Hub-Signature": signature}
        answer = await house.http.post(f"{address}/webhooks/jira", content=raw, headers=headers)
    assert answer.status_code == 401
    assert await house.heard(ticket) is None


async def test_refuse_signature_by_another_secret_and_given_twice(house: House) -> None:
    """Neither a stranger's signature nor a good one beside another is accepted; an upper-case one is the same signature."""
    ticket = house.create()
    raw = json.dumps(created(ticket)).encode()
    async with house.bridge() as address:
        stranger = await house.post(address, raw, headers={"X-Hub-Signature": signed(raw, "x" * 29)})
        pair = [("X-Hub-Signature", signed(raw)), ("X-Hub-Signature", signed(raw))]
        twice = await house.http.post(f"{address}/webhooks/jira", content=raw, headers=pair)
        digits = signed(raw).removeprefix("sha256=").upper()
        upper = await house.post(address, raw, headers={"X-Hub-Signature": f"sha256={digits}"})
    assert [stranger.status_code, twice.status_code, upper.status_code] == [401, 401, 200]


async def test_refuse_signature_over_reserialised_body(house: House) -> None:
    """The signature is over the bytes: the same JSON written otherwise is refused."""
    ticket = house.create()
    body = created(ticket)
    async with house.bridge() as address:
        compact = json.dumps(body, separators=(",", ":")).encode()
        answer = await house.post(address, compact, headers={"X-Hub-Signature": signed(json.dumps(body).encode())})
    assert answer.status_code == 401


async def test_refuse_oversized_body(house: House) -> None:
    """More than 256 KiB is 413, announced or not, however well it is signed."""
    raw = b'{"a":"' + b"x" * (256 * 1024) + b'"}'

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(raw), 65536):
            yield raw[start : start + 65536]

    async with house.bridge() as address:
        assert (await house.post(address, raw)).status_code == 413
        url, headers = f"{address}/webhooks/jira", {"X-Hub-Signature": signed(raw)}
        assert (await house.http.post(url, content=in_pieces(), headers=headers)).status_code == 413


async def test_refuse_body_that_does_not_arrive(house: House) -> None:
    """A sender who stops in the middle hears 408, and holds nothing up."""
    async with house.bridge(limits=Limits(body_within=timedelta(milliseconds=200))) as address:
        host, port = address.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = (
            f"POST /webhooks/jira HTTP/1.1\r\nHost: b\r\nContent-Length: 100\r\nX-Hub-Signature: {signed(b'')}\r\n\r\n"
        )
        writer.write(head.encode() + b"{")
        assert (await reader.readline()).split()[1] == b"408"
        assert (await house.http.get(f"{address}/healthz")).status_code == 200
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b'{"webhookEvent": "\xff"}', "not JSON"),
        (b"webhookEvent=jira", "not JSON"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": 1' + b"0" * 10_000 + b"}", "not JSON"),
        (b"[" * 100_000, "recursion"),
        (b"[]", "not as documented"),
        (b'{"webhookEvent": 7}', "webhookEvent"),
        (b'{"webhookEvent": "jira:issue_created"}', "issue"),
        (b'{"webhookEvent": "jira:issue_created", "issue": {"id": "../1", "key": "SEC-1"}}', "issue.id"),
        (b'{"webhookEvent": "jira:issue_updated", "issue": {"id": "1", "key": "SEC-1"}, "changelog": 3}', "changelog"),
    ],
)
async def test_refuse_malformed_body_with_its_cause(house: House, raw: bytes, words: str) -> None:
    """Whatever is signed and malformed is 400 and says why; never a 5xx, which Jira would repeat."""
    async with house.bridge() as address:
        answer = await house.post(address, raw)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


async def test_signal_once_when_delivered_twice(house: House) -> None:
    """The same delivery again is answered 200 and signals nothing; the same identifier with another body is another event."""
    ticket = house.create()
    async with house.bridge() as address:
        await house.post(address, created(ticket))
        for _ in range(3):
            answer = await house.post(address, updated(ticket, "status", "Approved"), identifier="same")
            assert answer.status_code == 200
        assert await house.names(ticket) == ["approve"]
        await house.post(address, updated(ticket, "status", "Declined"), identifier="same")
    assert await house.names(ticket) == ["approve", "deny"]


async def test_ignore_what_is_none_of_ours(house: House) -> None:
    """Another project, another type, an unknown event, an unbound field and our own doing are 200 and start nothing."""
    ticket = house.create()
    own = house.tickets.rules.own_account
    async with house.bridge() as address:
        for body in (
            created(ticket, project="OPS"),
            created(ticket, issue_type="Bug"),
            {"webhookEvent": "jira:worklog_updated", "issue": {"id": 5}},
            {"webhookEvent": "project_created"},
            updated(ticket, "labels", "x"),
            updated(ticket, "status", "Approved", by=own),
        ):
            answer = await house.post(address, body)
            assert (answer.status_code, answer.json()["outcome"]) == (200, "ignored")
    assert await house.heard(ticket) is None


async def test_believe_the_ticket_and_not_the_body_before_starting(house: House) -> None:
    """A body that lies about project or type starts nothing: the ticket is read by its id first."""
    moved = house.tickets.move(house.create(), "OPS")
    closed = house.create()
    house.tickets.transition_as(closed, "Closed", "712020:bob")
    recorded = house.create()
    house.tickets.properties(recorded)["nightlatch.0011223344556677.0"] = "{}"
    gone = house.create()
    house.tickets.delete(gone)
    async with house.bridge() as address:
        for ticket in (moved, closed, recorded, gone):
            answer = await house.post(address, created(ticket))
            assert (answer.status_code, answer.json()["outcome"]) == (200, "ignored")
            assert await house.heard(ticket) is None


async def test_start_nothing_when_closed_ticket_is_replayed(house: House) -> None:
    """A request that has ended is not begun again, though its ticket still stands open."""
    ticket = house.create()
    async with house.bridge() as address:
        await house.post(address, created(ticket))
        await house.post(address, commented(ticket, "/revoke"))
        handle = house.client.get_workflow_handle(request_workflow_id(ticket))
        assert await handle.result() == ticket.key
        answer = await house.post(address, updated(ticket, "status", "Approved"))
        assert (answer.status_code, answer.json()["outcome"]) == (200, "closed")
    assert (await handle.describe()).status is not None
    assert await house.names(ticket) == ["revoke"]


async def test_answer_503_while_the_ticket_cannot_be_read(house: House) -> None:
    """With Jira down nothing is started and Jira is asked to deliver again; the same delivery then counts."""
    ticket = house.create()
    house.tickets.fail("read", RetryableError("the ticket system is down"))
    async with house.bridge() as address:
        first = await house.post(address, created(ticket), identifier="one")
        assert (first.status_code, first.headers["Retry-After"]) == (503, "5")
        assert await house.heard(ticket) is None
        assert (await house.post(address, created(ticket), identifier="one")).json()["outcome"] == "accepted"
    assert await house.names(ticket) == []


async def test_merge_flood_of_equal_hints(house: House) -> None:
    """Two hundred equal events become a few signals, every answer is a 200, and the request has heard of it by then."""
    ticket = house.create()
    async with (
        house.bridge() as address,
        loopback_client(timeout=60, limits=httpx.Limits(max_connections=50)) as many,
    ):
        await house.post(address, created(ticket))
        raw = json.dumps(updated(ticket, "Duration", "2h")).encode()

        async def deliver(number: int) -> int:
            headers = {"X-Hub-Signature": signed(raw), "X-Atlassian-Webhook-Identifier": f"flood {number}"}
            return (await many.post(f"{address}/webhooks/jira", content=raw, headers=headers)).status_code

        async with asyncio.TaskGroup() as group:
            deliveries = [group.create_task(deliver(number)) for number in range(200)]
        assert {delivery.result() for delivery in deliveries} == {200}
    heard = await house.names(ticket)
    assert heard is not None
    assert 1 <= len(heard) <= 40


async def test_answer_only_after_temporal_has_it(house: House) -> None:
    """While the ticket is still being read, there is no answer and no request; with the answer there are both."""
    ticket = house.create()
    gate = house.tickets.hold("read")
    async with house.bridge() as address:
        delivery = asyncio.create_task(house.post(address, created(ticket)))
        await gate.reached()
        assert not delivery.done()
        assert await house.heard(ticket) is None
        gate.release()
        assert (await delivery).status_code == 200
        assert await house.heard(ticket) == []


async def test_answer_503_when_it_takes_too_long(house: House) -> None:
    """A look at the ticket that hangs ends in 503 within the answer's limit, and later deliveries are served."""
    ticket = house.create()
    gate = house.tickets.hold("read")
    async with house.bridge(limits=Limits(answer_within=timedelta(milliseconds=200))) as address:
        assert (await house.post(address, created(ticket))).status_code == 503
        gate.release()

        async def is_started() -> bool:
            return await house.heard(ticket) == []

        await until(is_started)
        assert (await house.post(address, updated(ticket, "status", "Approved"))).status_code == 200


def test_read_sandbox_like_bodies_by_field_name_or_id(rules: TicketRules) -> None:
    """A bound field is known by its name and by its id; a move is passed on although the project is foreign."""
    items = [{"field": "Entitlement", "fieldId": "customfield_10101", "toString": "x"}]
    body = {"webhookEvent": "jira:issue_updated", "issue": {"id": "1", "key": "SEC-1"}, "changelog": {"items": items}}
    by_name = read_event(json.dumps(body).encode(), "acme", rules)
    assert isinstance(by_name, News)
    moved = body | {"issue": {"id": "1", "key": "OPS-1", "fields": {"project": {"key": "OPS"}}}}
    assert isinstance(read_event(json.dumps(moved).encode(), "acme", rules), Ignored)
    moved["changelog"] = {"items": [{"field": "project", "toString": "Operations"}, *items]}
    assert isinstance(read_event(json.dumps(moved).encode(), "acme", rules), News)


@pytest.fixture
def rules(house: House) -> TicketRules:
    return house.tickets.rules
