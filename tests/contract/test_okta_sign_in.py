"""How the Okta adapter signs in, what it takes its settings from, and what it keeps to itself."""

import logging
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from activities.providers.okta_groups import OktaGroups
from activities.providers.okta_settings import OktaSettings
from activities.send_window import SendWindow
from domain.errors import (
    AuthFailedError,
    InvalidInputError,
    MalformedError,
    OutcomeUnknownError,
    RateLimitedError,
    RetryableError,
    VendorError,
)
from domain.witness import Presence
from sandbox.client import Document, SandboxClient
from tests.contract.okta_calls import TOKEN, Pair, calls_since, settings_for, vendor_calls
from tests.contract.vendors import INSTANCE, open_window, warrant_for
from tests.sandbox_process import SandboxProcess

CLIENT_ID = "0oanightlatchtraps001"


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
async def service_app(sandbox: SandboxProcess, hand: SandboxClient, private_key: str) -> AsyncIterator[OktaGroups]:
    """An adapter that signs in with its private key, not yet signed in."""
    key = serialization.load_pem_private_key(private_key.encode(), password=None)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    settings = settings_for(sandbox, token=None, client_id=CLIENT_ID, private_key=private_key)
    await hand.register_okta_client(CLIENT_ID, public.decode(), list(settings.scopes))
    provider = OktaGroups(settings)
    yield provider
    await provider.close()


async def test_private_key_signs_in_once_for_many_calls(
    service_app: OktaGroups, hand: SandboxClient, pair: Pair
) -> None:
    """The service app's token is asked for once; the vendor's log names the app."""
    before = await vendor_calls(hand)
    await service_app.grant(warrant_for(*pair), open_window())
    await service_app.revoke(*pair, open_window())
    await service_app.end_sessions(*pair, open_window())
    assert await calls_since(hand, before) == ["POST", "PUT", "DELETE", "DELETE"]
    removed = await hand.wait_for_event("membership.removed", user_id=pair[1].user_id)
    assert removed["actor"] == CLIENT_ID


async def test_withdrawn_token_is_replaced_once(service_app: OktaGroups, hand: SandboxClient, pair: Pair) -> None:
    """A 401 makes one new sign-in, with which the call succeeds."""
    await service_app.verify(*pair)
    await hand.arm("okta", {"kind": "status", "status": 401}, method="PUT", times=1)
    before = await vendor_calls(hand)
    await service_app.grant(warrant_for(*pair), open_window())
    assert await calls_since(hand, before) == ["PUT", "POST", "PUT"]


async def test_second_401_is_final(service_app: OktaGroups, hand: SandboxClient, pair: Pair) -> None:
    """A credential that stays refused is an error for people, not a loop."""
    await hand.arm("okta", {"kind": "status", "status": 401}, method="PUT")
    before = await vendor_calls(hand)
    with pytest.raises(AuthFailedError):
        await service_app.grant(warrant_for(*pair), open_window())
    assert await calls_since(hand, before) == ["POST", "PUT", "POST", "PUT"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "status", "status": 400, "body": {"error": "invalid_scope"}}, AuthFailedError),
        ({"kind": "status", "status": 401, "body": {"error": "invalid_client"}}, AuthFailedError),
        ({"kind": "status", "status": 503}, RetryableError),
        ({"kind": "rate_limit", "reset_in": None}, RateLimitedError),
        ({"kind": "reset", "when": "after"}, RetryableError),
        ({"kind": "empty"}, MalformedError),
        ({"kind": "status", "status": 200, "body": {}}, MalformedError),
        ({"kind": "status", "status": 200, "body": []}, MalformedError),
    ],
)
async def test_failed_sign_in_sends_no_write(
    service_app: OktaGroups, hand: SandboxClient, pair: Pair, fault: Document, expected: type[VendorError]
) -> None:
    """Without a token nothing is sent, so the outcome of the write is known: it did not happen."""
    await hand.arm("okta", fault, method="POST", path="/token$")
    before = await vendor_calls(hand)
    with pytest.raises(expected):
        await service_app.grant(warrant_for(*pair), open_window())
    assert set(await calls_since(hand, before)) == {"POST"}


async def test_slow_sign_in_can_close_the_window(service_app: OktaGroups, hand: SandboxClient, pair: Pair) -> None:
    """The window is asked after sign-in, right before the write."""
    ticks = iter([0.0])
    window = SendWindow(timedelta(seconds=1), monotonic=lambda: next(ticks, 2.0))
    before = await vendor_calls(hand)
    with pytest.raises(RetryableError, match="not sent"):
        await service_app.grant(warrant_for(*pair), window)
    assert await calls_since(hand, before) == ["POST"]


@pytest.mark.parametrize("body", ["-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"])
async def test_unusable_key_is_not_quoted(sandbox: SandboxProcess, pair: Pair, body: str) -> None:
    """What the SDK says of a key that it cannot read stays out of our errors."""
    okta = OktaGroups(settings_for(sandbox, token=None, client_id=CLIENT_ID, private_key=body))
    with pytest.raises(MalformedError) as raised:
        await okta.verify(*pair)
    assert "c2VjcmV0" not in str(raised.value)
    assert raised.value.__suppress_context__
    await okta.close()


async def test_ambient_okta_settings_change_nothing(
    sandbox: SandboxProcess, hand: SandboxClient, pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither OKTA_CLIENT_* nor an okta.yaml nor a proxy of the environment reaches the adapter."""
    okta_yaml = tmp_path / "okta.yaml"
    okta_yaml.write_text(
        "okta: {client: {connectionTimeout: 1, proxy: {host: 127.0.0.1, port: 1}, rateLimit: {maxRetries: 5}}}"
    )
    okta = OktaGroups(settings_for(sandbox))
    await okta.verify(*pair)
    await okta.close()
    monkeypatch.setattr("okta.config.config_setter._LOCAL_YAML_PATH", str(okta_yaml))
    for name, value in {
        "OKTA_CLIENT_ORGURL": "http://127.0.0.1:1",
        "OKTA_CLIENT_TOKEN": "ambient",
        "OKTA_CLIENT_AUTHORIZATIONMODE": "Bearer",
        "OKTA_CLIENT_PROXY_HOST": "127.0.0.1",
        "OKTA_CLIENT_CACHE_ENABLED": "true",
        "OKTA_CLIENT_DPOPENABLED": "true",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "ALL_PROXY": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    await hand.arm("okta", {"kind": "status", "status": 503}, method="PUT")
    before = await vendor_calls(hand)
    with pytest.raises(OutcomeUnknownError):
        await okta.grant(warrant_for(*pair), open_window())
    assert await calls_since(hand, before) == ["PUT"]
    assert (await okta.verify(*pair)).presence is Presence.ABSENT
    await okta.close()


async def test_no_secret_is_logged_or_shown(
    okta: OktaGroups, sandbox: SandboxProcess, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    """The token is in no log line, whatever the level, and in no representation."""
    with caplog.at_level(logging.DEBUG):
        await okta.verify(*pair)
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(settings_for(sandbox))


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://example.okta.com"},
        {"url": "https://user:pass@example.okta.com"},
        {"url": "ftp://127.0.0.1"},
        {"token": None},
        {"private_key": "-----BEGIN PRIVATE KEY-----", "client_id": CLIENT_ID},
        {"token": None, "private_key": '{"kty": "RSA"}', "client_id": CLIENT_ID},
        {"token": None, "private_key": "-----BEGIN PRIVATE KEY-----"},
        {"proxy": "http://127.0.0.1:1"},
    ],
)
def test_settings_that_could_leak_or_confuse_are_refused(sandbox: SandboxProcess, changes: Document) -> None:
    """One way to sign in, over https, and no setting that nobody knows."""
    with pytest.raises(ValidationError):
        settings_for(sandbox, **changes)


async def test_https_check_of_the_sdk_stays_on_for_a_real_org(monkeypatch: pytest.MonkeyPatch, pair: Pair) -> None:
    """Only a loopback address switches it off."""
    monkeypatch.delenv("OKTA_TESTING_TESTINGDISABLEHTTPSCHECK", raising=False)
    settings = OktaSettings.model_validate({"instance": INSTANCE, "url": "https://org.invalid", "token": TOKEN})
    okta = OktaGroups(settings)
    with pytest.raises(RetryableError, match="before sending"):
        await okta.verify(*pair)
    assert "OKTA_TESTING_TESTINGDISABLEHTTPSCHECK" not in os.environ
    await okta.close()


async def test_settings_that_the_sdk_refuses_are_an_input_error(pair: Pair) -> None:
    """An admin console's address is named as such before the first call."""
    settings = OktaSettings.model_validate(
        {"instance": INSTANCE, "url": "https://example-admin.okta.com", "token": TOKEN}
    )
    with pytest.raises(InvalidInputError, match="okta/prod"):
        await OktaGroups(settings).verify(*pair)
