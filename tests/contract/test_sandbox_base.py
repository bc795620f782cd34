"""The sandbox's own promises: state that survives, an audit log nobody edits, and faults that do what they say."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.audit import AuditLog
from sandbox.client import SandboxClient
from sandbox.loopback import loopback_client
from sandbox.store import Store
from tests.sandbox_process import SandboxProcess, running_sandbox

ALICE = "00ualice0000000000001"
GROUP = "00gawsprodadmin000001"
MEMBERSHIP = f"/okta/api/v1/groups/{GROUP}/users/{ALICE}"
LOGIN = {"Authorization": "SSWS sandbox-okta-token"}


@pytest.fixture(scope="module")
async def process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProcess]:
    async with running_sandbox(tmp_path_factory.mktemp("sandbox")) as process:
        yield process


@pytest.fixture
async def control(process: SandboxProcess) -> AsyncIterator[SandboxClient]:
    async with SandboxClient(process.base_url) as client:
        yield client
        await client.clear()


@pytest.fixture
async def okta(process: SandboxProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with loopback_client(base_url=process.base_url, headers=LOGIN, timeout=10) as client:
        yield client


async def last_seq(control: SandboxClient) -> int:
    return max((line["seq"] for line in await control.audit()), default=0)


async def membership_lines(control: SandboxClient, after: int) -> list[str]:
    return [line["event"] for line in await control.audit(after) if line["event"].startswith("membership.")]


def test_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """A state change and its audit line happen together or not at all."""
    store = Store(tmp_path / "state.sqlite")
    audit = AuditLog(store)

    def change_and_fail() -> None:
        with store.transaction():
            store.put("things", "a", {"n": 1})
            audit.append("okta", "thing.made", actor="test")
            raise TimeoutError

    with pytest.raises(TimeoutError):
        change_and_fail()
    assert store.get("things", "a") is None
    assert audit.entries() == []
    store.close()


def test_documents_keep_the_order_of_insertion_when_replaced(tmp_path: Path) -> None:
    """Listing order tells what came first, whatever was written since."""
    store = Store(tmp_path / "state.sqlite")
    for key in ("b", "a", "b"):
        store.put("things", key, {"key": key})
    store.delete("things", "absent")
    assert [key for key, _ in store.items("things")] == ["b", "a"]
    assert [store.next_number("issue"), store.next_number("issue"), store.next_number("other")] == [1, 2, 1]
    store.close()


@pytest.mark.parametrize("sql", ["DELETE FROM audit", "UPDATE audit SET line = '{}'"])
def test_audit_log_refuses_every_change(tmp_path: Path, sql: str) -> None:
    """Not even direct SQL alters or removes an audit line."""
    store = Store(tmp_path / "state.sqlite")
    audit = AuditLog(store)
    line = audit.append("okta", "membership.added", actor="test", group_id=GROUP)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        store.execute(sql)
    assert audit.entries() == [line]
    store.close()


async def test_state_and_audit_survive_sigkill(tmp_path: Path) -> None:
    """What was answered before a kill is there after the restart, on the same port, and the audit goes on counting."""
    async with running_sandbox(tmp_path) as process, SandboxClient(process.base_url) as control:
        await control.add_okta_member(GROUP, ALICE)
        before = await control.audit()
        await process.kill()
        await process.start()
        assert await control.audit() == before
        await control.remove_okta_member(GROUP, ALICE)
        (line,) = await control.audit(before[-1]["seq"])
        assert (line["event"], line["actor"], line["changed"]) == ("membership.removed", "admin", True)


async def test_sigterm_ends_it_cleanly_with_a_call_held(tmp_path: Path) -> None:
    """A held call does not keep a stopped sandbox alive, and a stop is a success."""
    async with running_sandbox(tmp_path) as process, SandboxClient(process.base_url) as control:
        await control.arm("okta", {"kind": "hold", "name": "for ever"})
        async with loopback_client(timeout=10) as okta:
            held = asyncio.create_task(okta.put(process.base_url + MEMBERSHIP, headers=LOGIN))
            await control.wait_until_held("for ever")
            assert await process.stop() == 0
            with pytest.raises(httpx.HTTPError):
                (await held).raise_for_status()


async def test_status_fault_answers_in_place_of_the_call(control: SandboxClient, okta: httpx.AsyncClient) -> None:
    """`times` and `skip` count matching calls; the faulted one takes no effect."""
    after = await last_seq(control)
    await control.arm("okta", {"kind": "status", "status": 503}, method="PUT", path=GROUP, times=1, skip=1)
    answers = [await okta.put(MEMBERSHIP) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [204, 503, 204]
    assert (answers[1].content, "content-type" in answers[1].headers) == (b"", False)
    assert len(await membership_lines(control, after)) == 2


async def test_json_body_of_a_status_fault_is_labelled(control: SandboxClient, okta: httpx.AsyncClient) -> None:
    """A scripted body that is no string is sent as JSON, with the headers of the rule."""
    fault = {"kind": "status", "status": 500, "body": {"errorCode": "E0000009"}, "headers": {"x-note": "1"}}
    await control.arm("okta", fault)
    answer = await okta.get("/okta/api/v1/groups/" + GROUP)
    assert (answer.status_code, answer.json(), answer.headers["x-note"]) == (500, {"errorCode": "E0000009"}, "1")


async def test_empty_fault_performs_the_call_and_drops_the_body(
    control: SandboxClient, okta: httpx.AsyncClient
) -> None:
    """A 200 without a body is a 200 without a body."""
    await control.arm("okta", {"kind": "empty"}, times=1)
    answer = await okta.get("/okta/api/v1/users/" + ALICE)
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


async def test_content_type_fault_changes_only_the_label(control: SandboxClient, okta: httpx.AsyncClient) -> None:
    """The body is the true one under another media type."""
    await control.arm("okta", {"kind": "content_type", "value": "text/html"}, times=1)
    answer = await okta.get("/okta/api/v1/users/" + ALICE)
    assert (answer.headers["content-type"], answer.json()["id"]) == ("text/html", ALICE)


async def test_truncate_fault_breaks_off_in_the_body(control: SandboxClient, okta: httpx.AsyncClient) -> None:
    """The full length is promised, half of it arrives."""
    await control.arm("okta", {"kind": "truncate"}, times=1)
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        await okta.get("/okta/api/v1/users/" + ALICE)
    assert (await okta.get("/okta/api/v1/users/" + ALICE)).status_code == 200


@pytest.mark.parametrize(("when", "lines"), [("before", []), ("after", ["membership.added"])])
async def test_reset_fault_breaks_the_connection(
    control: SandboxClient, okta: httpx.AsyncClient, when: str, lines: list[str]
) -> None:
    """A reset before the call leaves nothing behind; one after it hides a write that took effect."""
    after = await last_seq(control)
    await control.arm("okta", {"kind": "reset", "when": when}, method="PUT", times=1)
    with pytest.raises(httpx.ReadError):
        await okta.put(MEMBERSHIP)
    assert await membership_lines(control, after) == lines


@pytest.mark.parametrize(("when", "lines"), [("before", []), ("after", ["membership.removed"])])
async def test_hold_fault_keeps_the_call_until_released(
    control: SandboxClient, okta: httpx.AsyncClient, when: str, lines: list[str]
) -> None:
    """A held call has taken effect or not, as the rule says, and goes on when its name is released."""
    after = await last_seq(control)
    await control.arm("okta", {"kind": "hold", "name": "door", "when": when}, method="DELETE", times=1)
    call = asyncio.create_task(okta.delete(MEMBERSHIP))
    await control.wait_until_held("door")
    assert await membership_lines(control, after) == lines
    assert await control.release("door") == 1
    assert (await call).status_code == 204
    assert await membership_lines(control, after) == ["membership.removed"]
    assert await control.holds() == {}


async def test_held_write_lands_after_its_caller_has_gone(control: SandboxClient, okta: httpx.AsyncClient) -> None:
    """A write whose caller timed out still lands when the provider gets to it."""
    after = await last_seq(control)
    await control.arm("okta", {"kind": "hold", "name": "zombie"}, method="PUT", times=1)
    with pytest.raises(httpx.ReadTimeout):
        await okta.put(MEMBERSHIP, timeout=0.3)
    assert await membership_lines(control, after) == []
    await control.release("zombie")
    await control.wait_for_event("membership.added", after=after, user_id=ALICE)


async def test_delay_fault_waits_before_it_answers(control: SandboxClient, okta: httpx.AsyncClient) -> None:
    """A delayed answer outlasts a shorter timeout of the caller."""
    await control.arm("okta", {"kind": "delay", "seconds": 0.5, "when": "after"}, times=1)
    with pytest.raises(httpx.ReadTimeout):
        await okta.get("/okta/api/v1/users/" + ALICE, timeout=0.1)


@pytest.mark.parametrize(
    ("vendor", "path", "header", "without_reset"),
    [
        ("okta", "/okta/api/v1/groups/" + GROUP, "x-rate-limit-reset", "x-rate-limit-limit"),
        ("jira", "/jira/rest/api/3/myself", "retry-after", "x-ratelimit-limit"),
    ],
)
async def test_rate_limit_fault_speaks_as_the_vendor_does(
    control: SandboxClient, okta: httpx.AsyncClient, vendor: str, path: str, header: str, without_reset: str
) -> None:
    """429 comes in the vendor's own headers, and without a time to wait where the rule gives none."""
    await control.arm(vendor, {"kind": "rate_limit", "reset_in": 7}, times=1)
    await control.arm(vendor, {"kind": "rate_limit"}, times=1)
    first, second = await okta.get(path), await okta.get(path)
    assert (first.status_code, second.status_code) == (429, 429)
    assert header in first.headers
    assert header not in second.headers
    assert without_reset in second.headers


async def test_clearing_all_faults_lets_held_calls_go(control: SandboxClient, okta: httpx.AsyncClient) -> None:
    """No call stays held by a rule that is gone."""
    await control.arm("okta", {"kind": "hold", "name": "door"})
    call = asyncio.create_task(okta.get("/okta/api/v1/users/" + ALICE))
    await control.wait_until_held("door")
    await control.clear()
    assert (await call).status_code == 200


async def test_held_call_that_is_lost_is_not_performed(control: SandboxClient, okta: httpx.AsyncClient) -> None:
    """The connection breaks, and nothing has happened."""
    mark = await last_seq(control)
    await control.arm("okta", {"kind": "hold", "name": "door"}, method="PUT", times=1)
    call = asyncio.create_task(okta.put(MEMBERSHIP))
    await control.wait_until_held("door")
    assert await control.lose("door") == 1
    with pytest.raises(httpx.TransportError):
        await call
    assert await membership_lines(control, mark) == []


async def test_cleared_fault_strikes_no_more(control: SandboxClient, okta: httpx.AsyncClient) -> None:
    """A rule without `times` stands until it is cleared by its id."""
    rule_id = await control.arm("okta", {"kind": "status", "status": 502})
    assert (await okta.get("/okta/api/v1/users/" + ALICE)).status_code == 502
    await control.clear(rule_id)
    assert (await okta.get("/okta/api/v1/users/" + ALICE)).status_code == 200


async def test_request_log_tells_what_was_called_and_faulted(control: SandboxClient, okta: httpx.AsyncClient) -> None:
    """Each call is logged with its status and the fault that struck it; a reset one has no status."""
    await control.arm("okta", {"kind": "reset"}, times=1)
    with pytest.raises(httpx.ReadError):
        await okta.get("/okta/api/v1/users?limit=1")
    await okta.get("/okta/api/v1/users?limit=1")
    faulted, performed = (await control.requests())[-2:]
    expected = {"vendor": "okta", "caller": "", "method": "GET", "path": "/api/v1/users", "query": "limit=1"}
    assert expected | {"status": None, "fault": "reset"} == {
        key: faulted[key] for key in faulted if key not in {"seq", "at"}
    }
    assert (performed["status"], performed["fault"]) == (200, None)


async def test_caller_with_a_name_of_its_own_is_told_apart(control: SandboxClient, okta: httpx.AsyncClient) -> None:
    """A rule for one caller strikes nobody else, and the request log gives that caller's calls alone."""
    await control.arm("okta", {"kind": "status", "status": 502}, caller="worker-1")
    statuses = {
        prefix: (await okta.get(f"{prefix}/okta/api/v1/users/{ALICE}")).status_code
        for prefix in ("/as/worker-1", "/as/worker-2", "")
    }
    assert statuses == {"/as/worker-1": 502, "/as/worker-2": 200, "": 200}
    assert [call["path"] for call in await control.requests("worker-2")] == [f"/api/v1/users/{ALICE}"]


@pytest.mark.parametrize(
    "rule",
    [
        {"vendor": "okta", "fault": {"kind": "explode"}},
        {"vendor": "okta", "path": "(", "fault": {"kind": "empty"}},
        {"vendor": "okta", "when": "before", "fault": {"kind": "empty"}},
    ],
)
async def test_rule_that_would_never_strike_is_refused(process: SandboxProcess, rule: dict[str, Any]) -> None:
    """A misspelt fault rule is an error at once, not a test that passes because nothing went wrong."""
    async with loopback_client(base_url=process.base_url) as http:
        assert (await http.post("/control/faults", json=rule)).status_code == 400
