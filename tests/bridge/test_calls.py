"""The bridge's own calls, its health, and what it says while Temporal is away."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.service import RetryConfig

from activities.data_converter import data_converter
from domain.errors import InvalidInputError, RetryableError
from domain.values import parse_instant
from starter.connection import connect, ensure_search_attributes
from starter.intake import Limits
from tests.bridge.conftest import House, created, requests_worker, until, updated
from tests.engine import start_server


async def test_give_the_requests_own_verdict_on_a_wish(house: House) -> None:
    """A wish is answered with the new end or the reason, by the request itself; asked twice, the answer is the same."""
    ticket = house.create()
    path = f"/v1/requests/{ticket.issue_id}/extensions"
    async with house.bridge() as address:
        await house.post(address, created(ticket))
        first, again = [(await house.call(address, path, {"wish_id": "12"})).json() for _ in range(2)]
        refused = await house.call(address, path, {"wish_id": "13"})
    assert first["granted"]
    assert parse_instant(first["new_end"]) > datetime.now(UTC)
    assert first == again
    assert (refused.status_code, refused.json()) == (200, {"granted": False, "new_end": None, "reason": "not by you"})


async def test_say_no_to_a_wish_without_request(house: House) -> None:
    """Where no request runs, a wish is declined with the remedy, and nothing is started."""
    ticket = house.create()
    async with house.bridge() as address:
        answer = await house.call(address, f"/v1/requests/{ticket.issue_id}/extensions", {"wish_id": "12"})
    assert not answer.json()["granted"]
    assert "open a new one" in answer.json()["reason"]
    assert await house.heard(ticket) is None


async def test_revoke_while_jira_is_down(house: House) -> None:
    """Taking away asks nobody but Temporal."""
    ticket = house.create()
    path = f"/v1/requests/{ticket.issue_id}/revoke"
    async with house.bridge() as address:
        await house.post(address, created(ticket))
        house.tickets.down()
        answer = await house.call(address, path, {"by": "carol", "note": "laptop stolen"})
        assert (answer.status_code, answer.json()["outcome"]) == (200, "accepted")
        assert await house.heard(ticket) == [("revoke", "carol")]

        async def is_over() -> bool:
            return (await house.call(address, path, {})).status_code == 404

        await until(is_over)


async def test_refuse_call_signed_for_another_ticket(house: House) -> None:
    """A call's signature is good for its own path alone, and a webhook's for none."""
    ticket = house.create()
    path = f"/v1/requests/{ticket.issue_id}/revoke"
    async with house.bridge() as address:
        await house.post(address, created(ticket))
        foreign = await house.call(address, path, {}, signed_path="/v1/requests/1/revoke")
        unsigned = await house.http.post(f"{address}{path}", content=b"{}")
    assert (foreign.status_code, unsigned.status_code) == (401, 401)
    assert await house.names(ticket) == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/requests/SEC-1/revoke", {}),
        ("/v1/requests/" + "9" * 5000 + "/revoke", {}),
        ("/v1/requests/1/revoke", {"why": "unknown field"}),
        ("/v1/requests/1/revoke", {"note": "x" * 501}),
        ("/v1/requests/1/extensions", {}),
        ("/v1/requests/1/extensions", {"wish_id": "../13"}),
    ],
)
async def test_refuse_malformed_call(house: House, path: str, body: dict[str, str]) -> None:
    """What is signed and not in form is 400."""
    async with house.bridge() as address:
        assert (await house.call(address, path, body)).status_code == 400


async def test_be_ready_only_after_a_complete_poll(house: House) -> None:
    """Alive at once; ready when Temporal answers and polling works, and the reasons are named otherwise."""
    async with house.bridge() as address:
        assert (await house.http.get(f"{address}/healthz")).status_code == 200
        unready = await house.http.get(f"{address}/readyz")
    assert unready.status_code == 503
    assert unready.json()["reasons"] == ["no poll has been completed yet"]
    async with house.bridge(poll_seconds=0.1) as address:

        async def answers(status: int) -> bool:
            return (await house.http.get(f"{address}/readyz")).status_code == status

        await until(lambda: answers(200))
        house.tickets.fail("changed_since", RetryableError("the search is down"), times=None)
        await until(lambda: answers(503))


async def test_answer_503_while_temporal_is_down_and_take_the_retry(house: House, tmp_path: Path) -> None:
    """Nothing is answered 2xx that Temporal has not; when it is back, the same delivery is taken."""
    where = {"dev_server_database_filename": str(tmp_path / "temporal.db")}
    async with await start_server(**where) as environment:
        target = environment.client.service_client.config.target_host
    house.client = await _impatient_client(target, where)
    ticket = house.create()
    async with house.bridge() as address:
        answer = await house.post(address, created(ticket), identifier="one")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        revoke = await house.call(address, f"/v1/requests/{ticket.issue_id}/revoke", {})
        assert revoke.status_code == 503
        ready = await house.http.get(f"{address}/readyz")
        assert ready.status_code == 503
        assert "Temporal" in ready.json()["reasons"][0]
        port = int(target.rpartition(":")[2])
        async with await start_server(port=port, **where) as environment, requests_worker(environment.client):

            async def is_taken() -> bool:
                return (await house.post(address, created(ticket), identifier="one")).status_code == 200

            await until(is_taken)
            assert await house.names(ticket) == []


async def _impatient_client(target: str, where: dict[str, str]) -> Client:
    """A client that knows the server on this port, which is down again by the time it is returned."""
    async with await start_server(port=int(target.rpartition(":")[2]), **where):
        return await Client.connect(
            target, data_converter=data_converter(), retry_config=RetryConfig(max_elapsed_time_millis=200)
        )


async def test_answer_503_when_temporal_does_not_answer(house: House) -> None:
    """A Temporal that takes the connection and says nothing costs the answer's limit, not the worker."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        house.client = await Client.connect(f"127.0.0.1:{port}", data_converter=data_converter(), lazy=True)
        async with house.bridge(limits=Limits(answer_within=timedelta(milliseconds=300))) as address:
            answer = await house.post(address, updated(house.create(), "status", "Approved"))
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
            assert (await house.http.get(f"{address}/readyz")).status_code == 503


async def test_say_unavailable_when_the_namespace_is_not_there(house: House) -> None:
    """A wrong namespace is not mistaken for a request that is over."""
    config = house.client.config()
    house.client = Client(**(config | {"namespace": "nowhere"}))
    ticket = house.create()
    async with house.bridge() as address:
        assert (await house.call(address, f"/v1/requests/{ticket.issue_id}/revoke", {})).status_code == 503
        assert (await house.post(address, updated(ticket, "status", "Approved"))).status_code == 503


async def test_take_away_before_anything_else(house: House) -> None:
    """Of what comes for one ticket in one moment, a revocation goes first."""
    ticket = house.create()
    async with house.bridge() as address:
        await house.post(address, created(ticket))
        async with asyncio.TaskGroup() as group:
            for body in (updated(ticket, "status", "Approved"), updated(ticket, "status", "Closed")):
                group.create_task(house.post(address, body))
    assert await house.names(ticket) == ["deny", "approve"]


async def test_register_search_attributes_twice(temporal: Client) -> None:
    """Registering again changes nothing and is no error."""
    await ensure_search_attributes(temporal)
    await ensure_search_attributes(temporal)


async def test_connect_by_the_standard_environment(temporal: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """`TEMPORAL_ADDRESS` names the server; nobody there is one clear error in bounded time."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.service_client.config.target_host)
    client = await connect()
    assert client.namespace == "default"
    await ensure_search_attributes(client)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    with pytest.raises(InvalidInputError, match=r"127\.0\.0\.1:1 .*TEMPORAL_ADDRESS"):
        await connect(patience=timedelta(seconds=2))
    monkeypatch.setenv("TEMPORAL_PROFILE", "no-such-profile")
    with pytest.raises(InvalidInputError, match="no-such-profile"):
        await connect()
