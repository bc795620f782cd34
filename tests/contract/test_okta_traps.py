"""What can go wrong on the wire to Okta: none of it may read as success, and no write is sent twice or too late.

The sandbox's audit log and request log are the oracle; the adapter runs on the real SDK. Signing in and settings are in
`test_okta_sign_in`, what is concluded from well-formed answers in `test_okta_looks`.
"""

from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta

import pytest

from activities.providers.okta_groups import OktaGroups
from activities.providers.okta_settings import OktaSettings
from domain.errors import (
    AuthFailedError,
    ForbiddenError,
    InvalidError,
    MalformedError,
    OutcomeUnknownError,
    RateLimitedError,
    RetryableError,
    VendorError,
)
from domain.witness import Presence
from sandbox.client import Document, SandboxClient
from tests.contract.okta_calls import (
    OPERATIONS,
    READS,
    TOKEN,
    WRITES,
    Pair,
    calls_since,
    every_operation,
    every_read,
    every_write,
    settings_for,
    vendor_calls,
)
from tests.contract.vendors import (
    INSTANCE,
    OktaVendor,
    closed_window,
    okta_subject,
    okta_target,
    open_window,
    warrant_for,
)
from tests.sandbox_process import SandboxProcess

HASTY = timedelta(seconds=1)


@pytest.fixture
async def hasty(sandbox: SandboxProcess) -> AsyncIterator[OktaGroups]:
    """An adapter that waits one second."""
    provider = OktaGroups(settings_for(sandbox, client_timeout=HASTY))
    yield provider
    await provider.close()


STATUS_ERRORS: list[tuple[int, type[VendorError], type[VendorError]]] = [
    # status, error of a read, error of a write
    (400, InvalidError, InvalidError),
    (401, AuthFailedError, AuthFailedError),
    (403, ForbiddenError, ForbiddenError),
    (404, MalformedError, OutcomeUnknownError),
    (408, RetryableError, OutcomeUnknownError),
    (422, InvalidError, InvalidError),
    (429, RateLimitedError, RateLimitedError),
    (500, RetryableError, OutcomeUnknownError),
    (501, InvalidError, InvalidError),
    (502, RetryableError, OutcomeUnknownError),
    (503, RetryableError, OutcomeUnknownError),
    (504, RetryableError, OutcomeUnknownError),
    (302, MalformedError, OutcomeUnknownError),
    (202, MalformedError, OutcomeUnknownError),
]


@every_operation
@pytest.mark.parametrize(("status", "of_read", "of_write"), STATUS_ERRORS)
async def test_status_without_a_body_raises(
    okta: OktaGroups,
    hand: SandboxClient,
    okta_vendor: OktaVendor,
    member: Pair,
    operation: str,
    status: int,
    of_read: type[VendorError],
    of_write: type[VendorError],
) -> None:
    """The SDK reports no error for an empty 4xx or 5xx; the adapter raises for each, and asks once."""
    method, call = OPERATIONS[operation]
    await hand.arm("okta", {"kind": "status", "status": status}, method=method)
    before, seen = await vendor_calls(hand), await okta_vendor.changes(*member)
    with pytest.raises(VendorError) as raised:
        await call(okta, *member)
    assert type(raised.value) is (of_write if operation in WRITES else of_read)
    assert await calls_since(hand, before) == [method]
    assert await okta_vendor.changes(*member) == seen


@every_read
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "empty"}, MalformedError),
        ({"kind": "truncate"}, RetryableError),
        ({"kind": "content_type", "value": "text/html"}, MalformedError),
        (
            {"kind": "status", "status": 200, "body": "{", "headers": {"content-type": "application/json"}},
            MalformedError,
        ),
        ({"kind": "status", "status": 200, "body": [], "headers": {"content-encoding": "gzip"}}, MalformedError),
        (
            {"kind": "status", "status": 200, "body": "null", "headers": {"content-type": "application/json"}},
            MalformedError,
        ),
        ({"kind": "status", "status": 200, "body": "a page", "headers": {"content-type": "text/html"}}, MalformedError),
        ({"kind": "status", "status": 200, "body": {"id": "somebody"}}, MalformedError),
        ({"kind": "status", "status": 200, "body": [{"name": "without an id"}]}, MalformedError),
        ({"kind": "reset", "when": "before"}, RetryableError),
        ({"kind": "reset", "when": "after"}, RetryableError),
    ],
)
async def test_unreadable_answer_to_a_read_raises(
    okta: OktaGroups, hand: SandboxClient, member: Pair, operation: str, fault: Document, expected: type[VendorError]
) -> None:
    """A body that is empty, cut, of another type or shape, or that never comes, is never an empty group."""
    await hand.arm("okta", fault, method="GET")
    with pytest.raises(expected):
        await READS[operation][1](okta, *member)


@every_write
@pytest.mark.parametrize("when", ["before", "after"])
async def test_reply_to_a_write_that_is_lost_is_an_unknown_outcome(
    okta: OktaGroups, hand: SandboxClient, okta_vendor: OktaVendor, pair: Pair, operation: str, when: str
) -> None:
    """Connection lost before or after the write took effect: the same error, one request, and a look tells the truth."""
    method, call = WRITES[operation]
    if operation == "revoke":
        await okta_vendor.add_by_hand(*pair)
    await hand.arm("okta", {"kind": "reset", "when": when}, method=method)
    before = await vendor_calls(hand)
    with pytest.raises(OutcomeUnknownError):
        await call(okta, *pair)
    assert await calls_since(hand, before) == [method]
    look = await okta.verify(*pair)
    happened = when == "after"
    expected = {"grant": happened, "revoke": not happened, "end_sessions": False}[operation]
    assert (look.presence is Presence.PRESENT) == expected


@every_operation
async def test_answer_that_does_not_come_in_time_is_no_success(
    hasty: OktaGroups, hand: SandboxClient, member: Pair, operation: str
) -> None:
    """A call ends after the client timeout: a read may be asked again, a write has an unknown outcome."""
    method, call = OPERATIONS[operation]
    await hasty.last_seen(member[1], member[0])
    await hand.arm("okta", {"kind": "hold", "name": "silence"}, method=method)
    with pytest.raises(OutcomeUnknownError if operation in WRITES else RetryableError):
        await call(hasty, *member)


@every_operation
async def test_vendor_that_is_not_there_is_retryable(operation: str, member: Pair, unused_tcp_port: int) -> None:
    """Refused before anything was sent: even a write is known not to have happened."""
    settings = OktaSettings.model_validate(
        {"instance": INSTANCE, "url": f"http://127.0.0.1:{unused_tcp_port}", "token": TOKEN}
    )
    okta = OktaGroups(settings)
    with pytest.raises(RetryableError):
        await OPERATIONS[operation][1](okta, *member)
    await okta.close()


@pytest.mark.parametrize(
    ("fault", "shortest", "longest"),
    [
        ({"kind": "rate_limit", "reset_in": 30}, 29, 32),
        ({"kind": "rate_limit", "reset_in": 86_400}, 300, 300),
        ({"kind": "rate_limit", "reset_in": -60}, 1, 1),
        ({"kind": "rate_limit", "reset_in": None}, 2, 2),
        ({"kind": "status", "status": 429, "headers": {"x-rate-limit-reset": "soon"}}, 2, 2),
        (
            {
                "kind": "status",
                "status": 429,
                "headers": {
                    "x-rate-limit-limit": "0",
                    "x-rate-limit-remaining": "0",
                    "x-rate-limit-reset": "9999999999",
                },
            },
            2,
            2,
        ),
    ],
)
async def test_rate_limit_bears_the_vendors_delay(
    okta: OktaGroups, hand: SandboxClient, member: Pair, fault: Document, shortest: int, longest: int
) -> None:
    """Reset less the vendor's own Date, within 1 s and 5 min; short where there is none or it means nothing."""
    await hand.arm("okta", fault)
    for call in (okta.verify(*member), okta.revoke(*member, open_window())):
        with pytest.raises(RateLimitedError) as refused:
            await call
        assert refused.value.delay is not None
        assert timedelta(seconds=shortest) <= refused.value.delay <= timedelta(seconds=longest)


@pytest.mark.parametrize(
    ("group_id", "user_id"),
    [
        ("00gawsprodadmin000001", "alice"),
        ("00gawsprodadmin000001", "alice@example.com"),
        ("aws-prod-admin", "00ualice0000000000001"),
    ],
)
async def test_name_in_the_place_of_an_id_is_refused(
    okta: OktaGroups, hand: SandboxClient, group_id: str, user_id: str
) -> None:
    """Okta takes logins where it takes ids; a login can pass to another person, so none is sent."""
    before = await vendor_calls(hand)
    for call in WRITES.values():
        with pytest.raises(InvalidError):
            await call[1](okta, okta_target(group_id), okta_subject(user_id))
    assert await calls_since(hand, before) == []


@every_write
async def test_closed_window_lets_nothing_reach_the_vendor(
    okta: OktaGroups, hand: SandboxClient, member: Pair, operation: str
) -> None:
    """An attempt past its time sends nothing at all."""
    late: dict[str, Awaitable[object]] = {}
    match operation:
        case "grant":
            late[operation] = okta.grant(warrant_for(*member), closed_window())
        case "revoke":
            late[operation] = okta.revoke(*member, closed_window())
        case _:
            late[operation] = okta.end_sessions(*member, closed_window())
    before = await vendor_calls(hand)
    with pytest.raises(RetryableError, match="not sent"):
        await late[operation]
    assert await calls_since(hand, before) == []
