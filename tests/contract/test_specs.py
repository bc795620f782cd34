"""The judge itself: what it must pass, what it must name, and that it never breaks the call that it judges."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.specs import ANSWER_EXCEPTIONS, MAX_KEPT_VIOLATIONS, SpecChecker
from tests.contract.spec_examples import ADF, BROKEN, COMMENT, COMMENTS, JSON, MEMBER, SOUND, TOKEN, TOKEN_FORM
from tests.specs_gate import SPECS_FOLDER, assert_official, needs_specs

# Hypothesis repeats a test's body, not its fixtures; this judge's counts are not looked at.
SHARED = SpecChecker(SPECS_FOLDER)


@pytest.fixture
def checker() -> SpecChecker:
    return SpecChecker(SPECS_FOLDER)


def judge(
    checker: SpecChecker,
    call: str,
    *,
    query: str = "",
    body: Any = None,
    form: bytes = b"",
    status: int = 200,
    answer: Any = None,
    answer_headers: dict[str, str] | None = None,
) -> list[str]:
    """`call` is "<vendor> <METHOD> <path>"; bodies are values, None is no body."""
    vendor, method, path = call.split(" ")
    sent = form or (b"" if body is None else json.dumps(body).encode())
    kind = {"content-type": "application/x-www-form-urlencoded"} if form else JSON
    got = b"" if answer is None else json.dumps(answer).encode()
    headers = answer_headers if answer_headers is not None else (JSON if got else {})
    return checker.check(vendor, method, path, query, kind if sent else {}, sent, status, headers, got)


@needs_specs
@pytest.mark.parametrize("name", SOUND)
def test_pass_a_sound_exchange(checker: SpecChecker, name: str) -> None:
    """A call as the vendor documents it is no violation."""
    assert judge(checker, **SOUND[name]) == []


@needs_specs
@pytest.mark.parametrize("name", BROKEN)
def test_name_what_is_broken(checker: SpecChecker, name: str) -> None:
    """A broken part is named with vendor, method, path, side, place and rule."""
    case, expected = BROKEN[name]
    assert [violation for violation in judge(checker, **case) if violation.startswith(f"{case['call']}: {expected}")]


@needs_specs
def test_count_operations_by_their_template(checker: SpecChecker) -> None:
    """The report tells how often each operation was seen, whatever ids were in its path."""
    judge(checker, f"okta PUT {MEMBER}", status=204)
    judge(checker, "okta PUT /api/v1/groups/00g2/users/00u2", status=204)
    report = checker.report()
    assert report["operations"] == {"okta PUT /api/v1/groups/{groupId}/users/{userId}": 2}
    assert (report["checked"], report["violation_count"], report["violations"]) == (2, 0, [])


@needs_specs
def test_report_stays_bounded_when_violations_pour_in(checker: SpecChecker) -> None:
    """Every violation is counted, but a runaway client cannot fill the memory with them."""
    for number in range(MAX_KEPT_VIOLATIONS + 50):
        judge(checker, f"okta GET /nowhere/{number}")
    report = checker.report()
    assert report["violation_count"] == MAX_KEPT_VIOLATIONS + 50
    assert len(report["violations"]) == MAX_KEPT_VIOLATIONS


@needs_specs
def test_excuse_an_answer_only_with_a_reason_in_the_report(checker: SpecChecker) -> None:
    """An excused answer is counted under its reason, so that an exception which hides too much is seen."""
    judge(checker, f"jira POST {COMMENTS}", body={"body": ADF}, status=201, answer=COMMENT)
    assert checker.report()["excused"] == {ANSWER_EXCEPTIONS[0].reason: 1}


@needs_specs
def test_violation_repeats_no_value_of_a_body(checker: SpecChecker) -> None:
    """Assertions and tokens in a wrong body do not reach the report."""
    form = TOKEN_FORM.replace(b"client_credentials", b"client_secret-hush")
    found = judge(checker, "okta POST /oauth2/v1/token", form=form, answer=TOKEN | {"expires_in": "secret.number"})
    assert len(found) >= 2
    assert not [violation for violation in found if "secret." in violation or "hush" in violation]


def test_missing_description_is_a_violation(checker: SpecChecker) -> None:
    """A vendor without a description is not silently taken for correct."""
    found = judge(checker, "nobody GET /v1/thing")
    assert found == ["nobody GET /v1/thing: no file nobody.json in the folder of API descriptions; add it"]


@needs_specs
@settings(max_examples=60, deadline=None)
@given(
    call=st.sampled_from([
        f"okta PUT {MEMBER}",
        "okta POST /oauth2/v1/token",
        "okta GET /api/v1/logs",
        f"jira POST {COMMENTS}",
        f"jira GET {COMMENTS}",
        "jira POST /rest/api/3/issue/SEC-1/attachments",
        "jira GET /%ff//?",
    ]),
    query=st.text(max_size=20),
    media=st.sampled_from(["application/json", "application/x-www-form-urlencoded", "", "\x00"]),
    body=st.one_of(st.binary(max_size=40), st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
            st.sampled_from(["body", "comments", "update", "comment", "add", "type"]), inner, max_size=3),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())),
    status=st.integers(min_value=-1, max_value=1000),
)  # fmt: skip
def test_never_raises(call: str, query: str, media: str, body: bytes, status: int) -> None:
    """No request or answer, however malformed, breaks the call that is judged or makes the judge itself fail."""
    vendor, method, path = call.split(" ")
    headers = {"content-type": media}
    found = SHARED.check(vendor, method, path, query, headers, body, status, headers, body)
    assert not [violation for violation in found if "the check itself failed" in violation]


def test_internal_failure_is_a_violation() -> None:
    """A judge that cannot judge says so instead of passing or raising."""
    headers: Any = None
    found = SHARED.check("okta", "PUT", MEMBER, "", headers, b"", 204, {}, b"")
    assert "the check itself failed: AttributeError" in found[0]


@contextlib.asynccontextmanager
async def reporting(report: dict[str, Any]) -> AsyncIterator[str]:
    """A loopback server that answers /control/spec-report with `report`."""

    async def answer(_: Request) -> JSONResponse:
        return JSONResponse(report)

    app = Starlette(routes=[Route("/control/spec-report", answer)])
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


async def test_gate_opens_when_calls_were_judged_and_sound() -> None:
    """A clean report passes."""
    async with reporting({"checked": 3, "operations": {}, "violations": [], "violation_count": 0}) as base:
        await assert_official(base)


async def test_gate_refuses_when_nothing_was_judged() -> None:
    """A sandbox that judged nothing is not a clean one."""
    async with reporting({"checked": 0, "operations": {}, "violations": [], "violation_count": 0}) as base:
        with pytest.raises(AssertionError, match="judged no call"):
            await assert_official(base)


async def test_gate_lists_violations() -> None:
    """A session with violations fails with each of them in words."""
    report = {"checked": 3, "operations": {}, "violations": ["okta GET /x: request: ..."], "violation_count": 9}
    async with reporting(report) as base:
        with pytest.raises(AssertionError, match=r"9 violations[\s\S]*okta GET /x: request"):
            await assert_official(base)
