"""Polling finds what no webhook told, once, and remembers how far it came."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.errors import MalformedError, RetryableError
from starter.desk import Desk
from starter.high_water import FIRST_LOOK_BACK, Mark, load_mark, save_mark
from starter.poller import OVERLAP, Poller
from tests.bridge.conftest import House, created, until

BOB = "712020:bob"


@pytest.fixture
def poller(house: House) -> Poller:
    return make_poller(house)


def make_poller(house: House, late: timedelta = timedelta(0)) -> Poller:
    """A poller as after a fresh start, whose clock may be ahead by `late`."""
    desk = Desk(house.settings(), house.client, house.tickets, window=timedelta(milliseconds=1))
    return Poller(
        desk,
        house.tickets,
        state=house.state,
        interval=timedelta(minutes=1),
        clock=lambda: datetime.now(UTC) + late,
    )


async def test_start_request_whose_webhook_was_lost(house: House, poller: Poller) -> None:
    """A ticket that no webhook told of has its request after the next round."""
    ticket = house.create()
    await poller.poll_once()
    assert await house.names(ticket) == ["approve"]


async def test_catch_lost_webhook_after_restart(house: House) -> None:
    """What changed while the bridge was away is found from the stored mark on, by a bridge that polls by itself."""
    ticket = house.create()
    async with house.bridge(poll_seconds=3600) as address:
        await house.post(address, created(ticket))
        await until(house.state.exists)
    house.tickets.comment_as(ticket, "/extend 30m", "712020:alice")
    async with house.bridge(poll_seconds=0.1):

        async def is_told() -> bool:
            return "extend" in (await house.names(ticket) or [])

        await until(is_told)


async def test_tell_unchanged_ticket_once(house: House, poller: Poller) -> None:
    """Rounds over an unchanged ticket, or one that only we ourselves have written on, signal nothing more."""
    ticket = house.create()
    await poller.poll_once()
    house.tickets.comment_as(ticket, "Asked bob.", house.tickets.rules.own_account)
    house.tickets.transition_as(ticket, "Access active", house.tickets.rules.own_account)
    for _ in range(3):
        await poller.poll_once()
    assert await house.names(ticket) == ["approve"]
    house.tickets.edit(ticket, "Reason", "another", BOB)
    await poller.poll_once()
    assert await house.names(ticket) == ["approve", "approve"]


async def test_pass_on_wishes_and_taking_away_first(house: House, poller: Poller) -> None:
    """Commands in comments and a closed ticket are told as hints; which of them is new is for the request to know."""
    ticket = house.create()
    await poller.poll_once()
    house.tickets.comment_as(ticket, "/extend 30m", BOB)
    house.tickets.transition_as(ticket, "Closed", BOB)
    await poller.poll_once()
    assert await house.names(ticket) == ["approve", "extend", "deny"]


async def test_skip_tickets_whose_request_is_over(house: House, poller: Poller) -> None:
    """Closed and foreign tickets start nothing."""
    closed = house.create()
    house.tickets.transition_as(closed, "Declined", BOB)
    gone = house.create()
    house.tickets.comment_as(gone, "/revoke", BOB)
    house.tickets.properties(gone)["nightlatch.0011223344556677.0"] = "{}"
    await poller.poll_once()
    assert await house.heard(closed) is None
    assert await house.heard(gone) is None


async def test_keep_mark_when_a_round_fails(house: House, poller: Poller) -> None:
    """With Jira down the mark stays, and the next round finds what this one could not."""
    await poller.poll_once()
    before = load_mark(house.state, datetime.now(UTC))
    ticket = house.create()
    house.tickets.fail("read", RetryableError("the ticket system is down"))
    with pytest.raises(RetryableError):
        await poller.poll_once()
    assert load_mark(house.state, datetime.now(UTC)) == before
    await poller.poll_once()
    assert await house.names(ticket) == ["approve"]
    assert load_mark(house.state, datetime.now(UTC)).high_water_at > before.high_water_at


async def test_owe_ticket_that_cannot_be_read(house: House, poller: Poller) -> None:
    """One unreadable ticket holds no other up, and is tried again after a restart though the mark has passed it."""
    broken, sound = house.create(), house.create()
    house.tickets.fail("read", MalformedError("page 2 does not add up"))
    await poller.poll_once()
    assert await house.heard(broken) is None
    assert await house.names(sound) == ["approve"]
    assert [ticket.key for ticket in load_mark(house.state, datetime.now(UTC)).owed] == [broken.key]
    await make_poller(house).poll_once()
    assert await house.names(broken) == ["approve"]
    assert load_mark(house.state, datetime.now(UTC)).owed == ()


async def test_stay_alive_and_unready_when_the_mark_cannot_be_written(house: House) -> None:
    """Polling that fails for whatever reason stops neither webhooks nor the next round, and is told by `/readyz`."""
    house.state.mkdir(parents=True)
    ticket = house.create()
    async with house.bridge(poll_seconds=0.05) as address:
        assert (await house.post(address, created(ticket))).json()["outcome"] == "accepted"
        assert (await house.http.get(f"{address}/readyz")).status_code == 503
        house.state.rmdir()

        async def is_ready() -> bool:
            return (await house.http.get(f"{address}/readyz")).status_code == 200

        await until(is_ready)


async def test_come_back_to_a_mark_that_could_not_be_read_for_a_while(house: House, poller: Poller) -> None:
    """What it says may be older than a day: it is not written over meanwhile, and counts again as soon as it can be read."""
    await poller.poll_once()
    stored = house.state.read_bytes()
    house.state.unlink()
    house.state.mkdir()
    ticket = house.create()
    later = make_poller(house, late=timedelta(days=2))
    with pytest.raises(IsADirectoryError):
        await later.poll_once()
    assert await house.heard(ticket) is None
    house.state.rmdir()
    house.state.write_bytes(stored)
    await later.poll_once()
    assert await house.names(ticket) == ["approve"]


async def test_owe_ticket_whose_records_cannot_be_read(house: House, poller: Poller) -> None:
    """What is found out only at the desk holds no other ticket up either."""
    broken, sound = house.create(), house.create()
    house.tickets.fail("read_properties", MalformedError("a page is missing"))
    await poller.poll_once()
    assert await house.heard(broken) is None
    await poller.poll_once()
    assert await house.names(broken) == await house.names(sound) == ["approve"]


async def test_look_back_to_the_stored_mark(house: House, poller: Poller) -> None:
    """After two days away polling begins at the mark, not a day back."""
    await poller.poll_once()
    ticket = house.create()
    await make_poller(house, late=timedelta(days=2)).poll_once()
    assert await house.names(ticket) == ["approve"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"high_water_at": "2026-01-01T00:00:00"}', b"[]"])
def test_look_a_day_back_when_the_mark_is_corrupt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    """An unusable mark costs repeated hints and loses none; it is said."""
    now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    file = tmp_path / "bridge.json"
    file.write_bytes(content)
    assert load_mark(file, now) == Mark(high_water_at=now - FIRST_LOOK_BACK)
    assert "cannot be used" in caplog.text


def test_look_a_day_back_when_the_mark_is_from_the_future(tmp_path: Path) -> None:
    """A mark ahead of time would hide changes: it is not believed."""
    now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    file = tmp_path / "bridge.json"
    save_mark(file, Mark(high_water_at=now + timedelta(minutes=5)))
    assert load_mark(file, now).high_water_at == now - FIRST_LOOK_BACK


def test_store_and_load_mark(tmp_path: Path) -> None:
    """What was stored is what is loaded, and no draft is left behind."""
    now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    file = tmp_path / "deep" / "bridge.json"
    mark = Mark(high_water_at=now - OVERLAP)
    save_mark(file, mark)
    assert load_mark(file, now) == mark
    assert [path.name for path in file.parent.iterdir()] == ["bridge.json"]
