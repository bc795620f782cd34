"""The freeze as the kernel obeys it: by whichever word it was frozen, until two people have lifted it."""

from datetime import UTC, datetime

from domain.canonical import SigningKey
from starter.freezing import freeze
from starter.lifting import lift
from tests.house import House
from tests.workflows.stories import assert_proved_gone, hold


async def frozen(house: House, judge: SigningKey | None) -> None:
    now = datetime.now(UTC)
    await freeze(house.tickets, house.control, judge, by="erin", reason="an incident", now=now)


async def test_freeze_stops_what_adds_and_nothing_that_takes_away(house: House) -> None:
    """Frozen with a key: refused, with the reason. Lifted by two: granted. Frozen without a key: access ends all the same."""
    house.catalogue = house.catalogue.model_copy(update={"operators": ("bob", "carol")})
    async with house.working():
        await frozen(house, house.keys.judge)
        refused, request = await house.approved()
        await house.soon(request.result())
        assert any("frozen by erin: an incident" in text for text in house.comments(refused))
        assert house.ledger("added") == []
        for person in ("bob", "carol"):
            house.tickets.comment_as(house.control, "/unfreeze it is over", person)
        assert await lift(house.tickets, house.control, house.keys, house.catalogue, clock=lambda: datetime.now(UTC))
        ticket, request = await hold(house)
        await frozen(house, None)
        second, late = await house.approved(entitlement="pair")
        await house.soon(late.result())
        assert any("does not verify" in text for text in house.comments(second))
        await request.signal("revoke")
        await house.until(lambda: not house.is_member())
        await house.soon(request.result())
    assert_proved_gone(house, ticket)
    assert [entry.target for entry in house.ledger("added")] == [house.target()]
