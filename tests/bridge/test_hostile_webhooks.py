"""Strangers at the door of a real bridge process: whatever they send gets a 4xx, holds up nobody, and costs no memory."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from time import monotonic

import httpx
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from domain.ids import TicketRef
from sandbox.client import SandboxClient
from starter.intake import Limits
from starter.listening import HEAD_WITHIN_SECONDS
from tests.bridge.conftest import SECRET, House, created, signed, until
from tests.bridge.test_process import BridgeProcess, create_issue, running_bridge
from tests.sandbox_process import SandboxProcess, running_sandbox

SLACK_SECONDS = 8
"""What a busy machine may add to a limit."""

GROWTH_BYTES = 8 * 1024 * 1024
"""The memory of deliveries holds 10,000 of some hundred bytes; the rest is the allocator's."""

PROMPTLY_SECONDS = 5


@pytest.fixture(scope="module")
async def jira(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProcess]:
    async with running_sandbox(tmp_path_factory.mktemp("jira")) as process:
        yield process


@asynccontextmanager
async def besieged(house: House, jira: SandboxProcess, log: Path) -> AsyncIterator[BridgeProcess]:
    """A bridge that serves Jira's webhooks before and after whatever is done to it, and whose log shows no error of its own."""
    async with SandboxClient(jira.base_url) as hand, running_bridge(house, f"{jira.base_url}/jira", log) as bridge:
        await hand.set_jira_webhook(f"{bridge.address}/webhooks/jira", SECRET)
        await served(house, jira, hand)
        yield bridge
        await served(house, jira, hand)
        await hand.set_jira_webhook("", "")
    written = log.read_text()  # noqa: ASYNC240 - nothing else runs any more
    assert "Traceback" not in written
    assert SECRET not in written


async def served(house: House, jira: SandboxProcess, hand: SandboxClient) -> TicketRef:
    """Have a person create an issue, and return when its webhook was answered with 200 and its request runs. In time."""
    began_at = monotonic()
    ticket = await create_issue(jira, house)
    await hand.wait_for_event("webhook.delivered", issue_key=ticket.key)

    async def runs() -> bool:
        return await house.names(ticket) is not None

    await until(runs)
    assert monotonic() - began_at < PROMPTLY_SECONDS
    return ticket


async def connected(bridge: BridgeProcess) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = httpx.URL(bridge.address)
    return await asyncio.open_connection(url.host, url.port)


async def answer_to(bridge: BridgeProcess, raw: bytes) -> int | None:
    """The status of what a raw connection is answered, or None when it is closed without a word."""
    reader, writer = await connected(bridge)
    try:
        with suppress(ConnectionError):
            writer.write(raw)
            await writer.drain()
        return await status_of(reader)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def status_of(reader: asyncio.StreamReader) -> int | None:
    async with asyncio.timeout(HEAD_WITHIN_SECONDS + SLACK_SECONDS):
        try:
            line = await reader.readline()
        except ConnectionError:
            return None
    return int(line.split()[1]) if line else None


def request(
    head: bytes = b"POST /webhooks/jira HTTP/1.1", *headers: bytes, body: bytes = b"", sign: bool = True
) -> bytes:
    lines = [head, b"Host: bridge", *headers]
    if sign:
        lines.append(b"X-Hub-Signature: " + signed(body).encode())
    if not any(line.lower().startswith((b"content-length", b"transfer-encoding")) for line in headers):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


TEN_MEGABYTES = b"x" * 10_000_000
REFUSED = {
    "no http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "preface of http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "target of two words": b"GET /a b HTTP/1.1\r\nHost: bridge\r\n\r\n",
    "target that is no path": request(b"POST http://bridge/webhooks/jira HTTP/1.1"),
    "path that climbs": request(b"POST /webhooks/../webhooks/jira HTTP/1.1"),
    "path with a nought": request(b"POST /v1/requests/1%00/revoke HTTP/1.1"),
    "path that is long": request(b"POST /" + b"x" * 100_000 + b" HTTP/1.1"),
    "path of a call, unsigned": request(b"POST /v1/requests/10001/revoke HTTP/1.1", body=b"{}"),
    "method get": request(b"GET /webhooks/jira HTTP/1.1"),
    "method connect": b"CONNECT bridge:443 HTTP/1.1\r\nHost: bridge\r\n\r\n",
    "method of no kind": request(b"BREW /webhooks/jira HTTP/1.1"),
    "no host": b"POST /webhooks/jira HTTP/1.1\r\n\r\n",
    "host of no kind": b"POST /v1/requests/1/revoke HTTP/1.1\r\nHost: [\r\nContent-Length: 0\r\n\r\n",
    "ten thousand headers": request(b"POST /webhooks/jira HTTP/1.1", *[b"X: y"] * 10_000),
    "header of a megabyte": request(b"POST /webhooks/jira HTTP/1.1", b"X: " + b"y" * 1_000_000),
    "header that goes on": request(b"POST /webhooks/jira HTTP/1.1", b"X: y\r\n z", b": w"),
    "two lengths": request(b"POST /webhooks/jira HTTP/1.1", b"Content-Length: 2", b"Content-Length: 3", body=b"{}"),
    "length below nothing": request(b"POST /webhooks/jira HTTP/1.1", b"Content-Length: -1"),
    "length beyond counting": request(b"POST /webhooks/jira HTTP/1.1", b"Content-Length: " + b"9" * 5_000),
    "two signatures": request(b"POST /webhooks/jira HTTP/1.1", b"X-Hub-Signature: sha256=" + b"0" * 64, body=b"{}"),
    "no signature": request(body=b"{}", sign=False),
    "ten megabytes": request(body=TEN_MEGABYTES),
    "ten megabytes, unannounced": request(
        b"POST /webhooks/jira HTTP/1.1", b"Transfer-Encoding: chunked", body=b"989680\r\n" + TEN_MEGABYTES
    ),
    "chunk of no size": request(b"POST /webhooks/jira HTTP/1.1", b"Transfer-Encoding: chunked", body=b"zz\r\n"),
    "chunks in another coding": request(b"POST /webhooks/jira HTTP/1.1", b"Transfer-Encoding: gzip", body=b"{}"),
    "upgrade": request(b"POST /webhooks/jira HTTP/1.1", b"Connection: Upgrade", b"Upgrade: websocket", body=b"{}"),
}


def ended(head: bytes) -> bytes:
    """So that nobody waits for more of it."""
    return head + b"\r\n\r\n"


def drawn(strategy: st.SearchStrategy[bytes], count: int) -> list[bytes]:
    """So many examples, the same ones in every run."""
    found: list[bytes] = []

    @settings(max_examples=count, derandomize=True, database=None, phases=[Phase.generate], deadline=None)
    @given(example=strategy)
    def collect(example: bytes) -> None:
        found.append(example)

    collect()
    return found


_scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.floats(allow_nan=False)
_values = st.recursive(_scalars, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part))
_events = st.sampled_from(["jira:issue_created", "jira:issue_updated", "comment_created", "", "x"])
_bodies = st.fixed_dictionaries(
    {"webhookEvent": _events | _values},
    optional=dict.fromkeys(("issue", "user", "changelog", "comment", "timestamp"), _values),
).map(lambda body: json.dumps(body).encode())
NONSENSE = [
    b"",
    b"\x00",
    b"null",
    b"NaN",
    b'{"webhookEvent": Infinity}',
    b'{"webhookEvent": "\\ud800"}',
    b"\xef\xbb\xbf{}",
    '{"webhookEvent": "jira:issue_created"}'.encode("utf-16"),
    b'{"webhookEvent": "jira:issue_created", "issue": ' + b"9" * 100_000 + b"}",
    b"[" * 100_000,
    b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
]


async def side_by_side(work: Iterable[bytes], bridge: BridgeProcess) -> list[int | None]:
    """What each of these is answered, eight at a time."""
    limit = asyncio.Semaphore(8)

    async def one(raw: bytes) -> int | None:
        async with limit:
            return await answer_to(bridge, raw)

    async with asyncio.TaskGroup() as strangers:
        asked = [strangers.create_task(one(raw)) for raw in work]
    return [each.result() for each in asked]


async def test_whatever_is_no_webhook_is_refused(house: House, jira: SandboxProcess, tmp_path: Path) -> None:
    """Bytes of any kind, heads beyond measure, odd methods, paths and lengths: a 4xx or a closed connection, never a 5xx."""
    async with besieged(house, jira, tmp_path / "bridge.log") as bridge:
        answers = await side_by_side(REFUSED.values(), bridge)
        said = dict(zip(REFUSED, answers, strict=True))
        assert {name: status for name, status in said.items() if status is not None and not 400 <= status < 500} == {}
        assert said["ten megabytes"] == said["ten megabytes, unannounced"] == 413
        assert said["no signature"] == said["two signatures"] == 401
        noise = await side_by_side(drawn(st.binary(max_size=200).map(ended), 150), bridge)
        assert {status for status in noise if status is not None} <= {400, 408}


async def test_signed_nonsense_is_refused_or_ignored(house: House, jira: SandboxProcess, tmp_path: Path) -> None:
    """A good signature over what Jira never sends: 400 with the reason, or 200 and nothing done; whatever the content type."""
    async with besieged(house, jira, tmp_path / "bridge.log") as bridge:
        for raw in NONSENSE:
            answer = await house.post(bridge.address, raw, headers={"Content-Type": "text/html; charset=latin-1"})
            assert answer.status_code == 400, raw[:40]
            assert answer.json()["error"]
        for raw in drawn(_bodies, 100):
            assert (await house.post(bridge.address, raw)).status_code in {200, 400}, raw


async def test_slow_senders_hold_nobody_up(house: House, jira: SandboxProcess, tmp_path: Path) -> None:
    """Heads and bodies that drip in, and bodies in chunks without an end, are given up in time; webhooks are served meanwhile."""
    heads = [request(body=b"{}")[:20]] * 60 + [b""] * 20
    chunked = request(b"POST /webhooks/jira HTTP/1.1", b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\n")
    both = request(b"POST /webhooks/jira HTTP/1.1", b"Content-Length: 9", b"Transfer-Encoding: chunked", body=b"{}")
    announced = request(b"POST /webhooks/jira HTTP/1.1", b"Content-Length: 100000", body=b"{")
    async with besieged(house, jira, tmp_path / "bridge.log") as bridge, SandboxClient(jira.base_url) as hand:
        async with asyncio.TaskGroup() as strangers:
            dripping = [
                strangers.create_task(drip(bridge, raw))
                for raw in [*heads, *[chunked, announced, both] * 25, b"GET /\r\n"]
            ]
            await served(house, jira, hand)
        assert {status for status, _ in (each.result() for each in dripping)} <= {400, 408}
        assert max(seconds for _, seconds in (each.result() for each in dripping)) < longest_patience()


def longest_patience() -> float:
    return max(HEAD_WITHIN_SECONDS, Limits().body_within.total_seconds()) + SLACK_SECONDS


async def drip(bridge: BridgeProcess, beginning: bytes) -> tuple[int | None, float]:
    """Send the beginning, and then a byte every half second until there is an answer: its status, and how long it took."""
    reader, writer = await connected(bridge)
    began_at = monotonic()
    writer.write(beginning)
    answer = asyncio.create_task(status_of(reader))
    try:
        while not answer.done():
            await asyncio.wait([answer], timeout=0.5)
            with suppress(ConnectionError):
                writer.write(b"1")
                await writer.drain()
        return await answer, monotonic() - began_at
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def break_off(bridge: BridgeProcess, raw: bytes) -> None:
    """Say so much, and go."""
    _, writer = await connected(bridge)
    writer.write(raw)
    await writer.drain()
    writer.transport.abort()


def resident_bytes(bridge: BridgeProcess) -> int:
    return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(bridge.process.pid)])) * 1024


async def test_thousands_of_requests_leave_the_memory_as_it_was(
    house: House, jira: SandboxProcess, tmp_path: Path
) -> None:
    """Taken, ignored, refused and broken off alike: what they brought is forgotten, but for a bounded memory of deliveries."""
    numbers = count(1)
    ticket = TicketRef(site=house.site, issue_id="1", key="SEC-1")
    foreign = json.dumps(created(ticket, project="ELSE") | {"padding": "x" * 20_000}).encode()

    async def stranger(bridge: BridgeProcess, rounds: int) -> None:
        for _ in range(rounds):
            identifier = {"X-Atlassian-Webhook-Identifier": f"{next(numbers)}-{'i' * 500}"}
            assert (await house.post(bridge.address, foreign, headers=identifier)).status_code == 200
            assert (await house.post(bridge.address, b"[" * 50_000)).status_code == 400
            assert (await house.post(bridge.address, foreign, headers={"X-Hub-Signature": "x"})).status_code == 401
            await break_off(bridge, request(body=foreign)[:10_000])
            house.said.clear()

    async def visits(bridge: BridgeProcess, rounds: int) -> None:
        async with asyncio.TaskGroup() as strangers:
            for _ in range(8):
                strangers.create_task(stranger(bridge, rounds))

    async with besieged(house, jira, tmp_path / "bridge.log") as bridge:
        await visits(bridge, 20)
        before = resident_bytes(bridge)
        await visits(bridge, 60)
        assert resident_bytes(bridge) - before < GROWTH_BYTES
