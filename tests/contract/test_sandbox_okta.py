"""The Okta stand-in, spoken to by Okta's own SDK, and by plain HTTP where the SDK hides the wire."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.client import SandboxClient
from sandbox.loopback import loopback_client
from tests.sandbox_process import SandboxProcess, running_sandbox
from tests.specs_gate import SPECS_AT_HAND, assert_official

ALICE = "00ualice0000000000001"
BOB = "00ubob000000000000001"
GROUP = "00gawsprodadmin000001"
EVERYONE = "00geveryone0000000001"
APP_GROUP = "00gworkdaystaff000001"
SSWS = {"authorizationMode": "SSWS", "token": "sandbox-okta-token"}
CLIENT_ID = "0oanightlatch00000001"
SCOPES = ["okta.groups.manage", "okta.users.read", "okta.sessions.manage", "okta.logs.read"]
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture(scope="module")
async def process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProcess]:
    """All calls of this module are judged against Okta's official description, where that is at hand."""
    async with running_sandbox(tmp_path_factory.mktemp("sandbox")) as process:
        yield process
        if SPECS_AT_HAND:
            await assert_official(process.base_url)


@pytest.fixture
async def control(process: SandboxProcess) -> AsyncIterator[SandboxClient]:
    async with SandboxClient(process.base_url) as client:
        yield client
        await client.clear()


@pytest.fixture
async def http(process: SandboxProcess) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": "SSWS sandbox-okta-token"}
    base_url = f"{process.base_url}/okta"
    async with loopback_client(base_url=base_url, headers=headers) as client:
        yield client


@pytest.fixture
async def members(control: SandboxClient) -> AsyncIterator[None]:
    """The group is left without the members that a test added."""
    yield
    for user_id in (ALICE, BOB):
        await control.remove_okta_member(GROUP, user_id)


@pytest.fixture(scope="session")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
async def registered(control: SandboxClient, private_key: str) -> str:
    """The private key of a service app that the sandbox knows."""
    key = serialization.load_pem_private_key(private_key.encode(), password=None)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    await control.register_okta_client(CLIENT_ID, public.decode(), SCOPES)
    return private_key


def sdk(process: SandboxProcess, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Any:
    """Okta's client on the sandbox's address, prefix and all."""
    for name in os.environ:
        if name.startswith("OKTA_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OKTA_TESTING_TESTINGDISABLEHTTPSCHECK", "true")
    from okta.client import Client  # noqa: PLC0415 - takes seconds, and only these tests need it

    basics = {"orgUrl": f"{process.base_url}/okta", "requestTimeout": 10, "rateLimit": {"maxRetries": 0}}
    return Client(basics | settings)


@pytest.fixture
async def client(process: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """The SDK with an SSWS token."""
    async with sdk(process, monkeypatch, **SSWS) as client:
        yield client


@pytest.mark.usefixtures("members")
async def test_sdk_adds_finds_and_removes_a_member(client: Any, control: SandboxClient) -> None:
    """Okta's own client sees a membership come and go, and each step is one audit line."""
    after = len(await control.audit())
    for call in (client.assign_user_to_group, client.assign_user_to_group):
        assert (await call(GROUP, ALICE))[-1] is None
    groups, response, error = await client.list_user_groups(ALICE)
    assert (error, response.status_code) == (None, 200)
    assert {group.id for group in groups} == {GROUP, EVERYONE}
    for _ in range(2):
        assert (await client.unassign_user_from_group(GROUP, ALICE))[-1] is None
    members, _, error = await client.list_group_users(GROUP)
    assert (members, error) == ([], None)
    lines = [(line["event"], line["changed"], line["actor"]) for line in await control.audit(after)]
    assert lines == [
        ("membership.added", True, "api-token"),
        ("membership.added", False, "api-token"),
        ("membership.removed", True, "api-token"),
        ("membership.removed", False, "api-token"),
    ]


async def test_sdk_lists_members_over_pages(client: Any) -> None:
    """Following rel=next from page to page gives each member once."""
    seen: list[str] = []
    pages = 0
    after = None
    while True:
        users, response, error = await client.list_group_users(EVERYONE, limit=2, after=after)
        assert error is None
        seen += [user.profile.login for user in users]
        pages += 1
        link = response.headers["Link"]
        after = httpx.URL(link[1 : link.index(">")]).params["after"] if 'rel="next"' in link else None
        if after is None:
            break
    names = ("alice", "bob", "carol", "dave", "erin", "mallory")
    assert (pages, sorted(seen)) == (3, [f"{name}@example.com" for name in names])


async def test_sdk_resolves_a_user_by_id_and_login(client: Any) -> None:
    """Id and login lead to the same user; nobody else's name does."""
    by_id, _, _ = await client.get_user(ALICE)
    by_login, _, _ = await client.get_user("alice@example.com")
    assert by_id.id == by_login.id == ALICE
    assert by_id.status == "ACTIVE"
    found, _, error = await client.list_users(search='profile.email eq "alice@example.com"', limit=2)
    assert ([user.id for user in found], error) == ([ALICE], None)
    *_, error = await client.get_user("nobody@example.com")
    assert (error.status, error.error_code) == (404, "E0000007")


async def test_sdk_ends_a_users_sessions(client: Any, control: SandboxClient) -> None:
    """Revoking sessions ends those of this user only, and moves `lastLogin` not at all."""
    await control.open_okta_session(ALICE)
    await control.open_okta_session(BOB)
    user, _, _ = await client.get_user(ALICE)
    assert (datetime.now(UTC) - user.last_login).total_seconds() < 60
    result = await client.revoke_user_sessions(ALICE, oauth_tokens=True, forget_devices=False)
    assert result[-1] is None
    assert await control.okta_sessions(ALICE) == []
    assert len(await control.okta_sessions(BOB)) == 1
    line = await control.wait_for_event("sessions.revoked", user_id=ALICE, oauth_tokens=True)
    assert line["ended"] == 1


@pytest.mark.usefixtures("members")
async def test_sdk_signs_in_with_a_private_key(
    process: SandboxProcess, monkeypatch: pytest.MonkeyPatch, registered: str, control: SandboxClient
) -> None:
    """A service app gets a token for its own key and acts under its own name."""
    mode = {"authorizationMode": "PrivateKey", "clientId": CLIENT_ID, "scopes": SCOPES, "privateKey": registered}
    async with sdk(process, monkeypatch, **mode) as client:
        assert (await client.assign_user_to_group(GROUP, ALICE))[-1] is None
    line = await control.wait_for_event("membership.added", actor=CLIENT_ID, user_id=ALICE)
    assert (await control.wait_for_event("token.issued"))["seq"] < line["seq"]


async def test_token_endpoint_refuses_a_strangers_key(
    process: SandboxProcess, http: httpx.AsyncClient, registered: str
) -> None:
    """Wrong key, wrong audience, stale or unsigned assertion, unregistered app, foreign scope: no token."""
    url = f"{process.base_url}/okta/oauth2/v1/token"
    now = int(datetime.now(UTC).timestamp())
    good = {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": url, "exp": now + 300}
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    attempts: list[tuple[dict[str, Any], Any, str, int]] = [
        (good, registered, "okta.logs.read", 200),
        (good, stranger, "okta.logs.read", 401),
        (good | {"aud": "https://elsewhere.example"}, registered, "okta.logs.read", 401),
        (good | {"exp": now - 1}, registered, "okta.logs.read", 401),
        (good | {"exp": now + 7200}, registered, "okta.logs.read", 401),
        (good | {"sub": "0oastranger"}, registered, "okta.logs.read", 401),
        (good, registered, "okta.roles.manage", 400),
    ]
    for claims, key, scope, status in attempts:
        form = {
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": jwt.encode(claims, key, algorithm="RS256"),
        }
        answer = await http.post("/oauth2/v1/token", data=form)
        assert answer.status_code == status, (claims, scope, answer.text)


async def test_scope_that_was_not_granted_is_missing(
    process: SandboxProcess, http: httpx.AsyncClient, registered: str
) -> None:
    """A token for reading the log adds nobody."""
    url = f"{process.base_url}/okta/oauth2/v1/token"
    claims = {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": url, "exp": int(datetime.now(UTC).timestamp()) + 300}
    form = {
        "grant_type": "client_credentials",
        "scope": "okta.logs.read",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": jwt.encode(claims, registered, algorithm="RS256"),
    }
    token = (await http.post("/oauth2/v1/token", data=form)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    refused = await http.put(f"/api/v1/groups/{GROUP}/users/{ALICE}", headers=headers)
    assert (refused.status_code, refused.json()["errorCode"]) == (403, "E0000006")
    assert (await http.get("/api/v1/logs", headers=headers)).status_code == 200


async def test_links_are_headers_of_their_own(http: httpx.AsyncClient) -> None:
    """`self` and `next` come in two Link headers, `self` first, so a client that reads only the first misses a page."""
    answer = await http.get(f"/api/v1/groups/{EVERYONE}/users?limit=2")
    relations = [link.rpartition("rel=")[2] for link in answer.headers.get_list("link")]
    assert relations == ['"self"', '"next"']
    rest = await http.get(answer.links["next"]["url"])
    assert {user["id"] for user in rest.json()}.isdisjoint(user["id"] for user in answer.json())


@pytest.mark.parametrize("header", ["", "SSWS wrong", "Bearer wrong", "Basic c2FuZGJveA=="])
async def test_call_without_good_credentials_is_refused(http: httpx.AsyncClient, header: str) -> None:
    """No, unknown or foreign credentials: 401 with E0000011."""
    answer = await http.get(f"/api/v1/users/{ALICE}", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["errorCode"]) == (401, "E0000011")
    assert set(answer.json()) == {"errorCode", "errorSummary", "errorLink", "errorId", "errorCauses"}


@pytest.mark.usefixtures("members")
async def test_written_answers_have_neither_body_nor_content_type(http: httpx.AsyncClient) -> None:
    """204 is bare, as the SDK needs it, and bears request id, quota and date."""
    for call in (http.put, http.delete):
        answer = await call(f"/api/v1/groups/{GROUP}/users/{BOB}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert "content-type" not in answer.headers
        assert {"x-okta-request-id", "x-rate-limit-limit", "x-rate-limit-remaining", "date"} <= set(answer.headers)
        reset_in = int(answer.headers["x-rate-limit-reset"]) - datetime.now(UTC).timestamp()
        assert -1 < reset_in <= 60


@pytest.mark.parametrize(
    ("group_id", "user_id", "status", "code"),
    [
        (APP_GROUP, ALICE, 403, "E0000006"),
        (EVERYONE, ALICE, 403, "E0000006"),
        ("00gnosuchgroup", ALICE, 404, "E0000007"),
        (GROUP, "00unosuchuser", 404, "E0000007"),
    ],
)
async def test_membership_that_okta_refuses_is_refused(
    http: httpx.AsyncClient, group_id: str, user_id: str, status: int, code: str
) -> None:
    """Only OKTA_GROUP groups take members, and both sides must exist, for adding as for removing."""
    for call in (http.put, http.delete):
        answer = await call(f"/api/v1/groups/{group_id}/users/{user_id}")
        assert (answer.status_code, answer.json()["errorCode"]) == (status, code)


async def test_inactive_user_is_not_added_but_removed(http: httpx.AsyncClient, control: SandboxClient) -> None:
    """A suspended holder is still listed and can be removed; only a deleted user is gone."""
    (user_id,) = await control.make_okta_users(["frank@example.com"])
    await control.add_okta_member(GROUP, user_id)
    await control.set_okta_status(user_id, "SUSPENDED")
    holders = (await http.get(f"/api/v1/groups/{GROUP}/users")).json()
    assert [(user["id"], user["status"]) for user in holders] == [(user_id, "SUSPENDED")]
    assert (await http.delete(f"/api/v1/groups/{GROUP}/users/{user_id}")).status_code == 204
    refused = await http.put(f"/api/v1/groups/{GROUP}/users/{user_id}")
    assert (refused.status_code, refused.json()["errorCode"]) == (403, "E0000038")
    await control.set_okta_status(user_id, "DELETED")
    assert (await http.get(f"/api/v1/users/{user_id}")).status_code == 404


async def test_group_deleted_by_hand_is_gone_with_its_members(http: httpx.AsyncClient, control: SandboxClient) -> None:
    """A deleted group is 404 everywhere, and no user still lists it."""
    group_id = await control.make_okta_group("short-lived")
    await control.add_okta_member(group_id, BOB)
    await control.delete_okta_group(group_id)
    assert (await http.get(f"/api/v1/groups/{group_id}")).status_code == 404
    assert (await http.get(f"/api/v1/groups/{group_id}/users")).status_code == 404
    assert group_id not in {group["id"] for group in (await http.get(f"/api/v1/users/{BOB}/groups")).json()}


async def test_group_rule_is_found_by_its_group(http: httpx.AsyncClient, control: SandboxClient) -> None:
    """Preflight can see that a rule would put members back."""
    group_id = await control.make_okta_group("ruled")
    rule_id = await control.make_okta_rule("everyone in engineering", [group_id])
    answer = await http.get("/api/v1/groups/rules", params={"search": group_id, "limit": 50})
    (rule,) = answer.json()
    assert (rule["id"], rule["status"]) == (rule_id, "ACTIVE")
    assert rule["actions"]["assignUserToGroups"]["groupIds"] == [group_id]


async def test_system_log_tells_changes_only(client: Any, http: httpx.AsyncClient, control: SandboxClient) -> None:
    """A second add of a member is no event; the filter selects by target and type, and `until` ends the pages."""
    (user_id,) = await control.make_okta_users(["grace@example.com"])
    for call in (http.put, http.put, http.delete):
        await call(f"/api/v1/groups/{GROUP}/users/{user_id}")
    chosen = f'target.id eq "{user_id}" and eventType eq "group.user_membership.add"'
    events, response, error = await client.list_log_events(
        since="2026-01-01T00:00:00Z", until="2999-01-01T00:00:00Z", filter=chosen, sort_order="ASCENDING"
    )
    assert error is None
    assert [{target.id for target in event.target} for event in events] == [{user_id, GROUP}]
    assert 'rel="next"' not in response.headers["Link"]
    polled = await http.get("/api/v1/logs", params={"filter": chosen})
    assert 'rel="next"' in polled.headers["link"]


@pytest.mark.parametrize("query", ["search=nonsense", 'filter=status+eq+"ACTIVE"+and', "limit=0"])
async def test_query_that_cannot_be_understood_is_refused(http: httpx.AsyncClient, query: str) -> None:
    """No answer is made up for a question outside the grammar: 400."""
    assert (await http.get(f"/api/v1/users?{query}")).status_code == 400
