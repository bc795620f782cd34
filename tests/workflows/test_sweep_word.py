"""What a sweep says when it is done: on the control ticket, to be believed by its signature, and to people."""

from datetime import UTC, datetime

from domain.canonical import SigningKey
from domain.errors import RetryableError
from domain.freeze import seal_text
from domain.ids import LeaseId
from domain.signed import Signed
from domain.sweep import PROPERTY, Removed, SweepReport, SweepWord, TargetSweep
from starter.sweep_word import page_for, read_word, write_word
from tests.house import House

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW.replace(hour=13)


def report(at: datetime, *broken: str, problems: tuple[str, ...] = ()) -> SweepReport:
    targets = tuple(
        TargetSweep(target=name, instance=f"okta/{name}", problem="no list" if name in broken else "")
        for name in ("left", "right")
    )
    return SweepReport(began_at=at, ended_at=at, targets=targets, problems=problems)


def scribe(house: House) -> SigningKey:
    assert house.keys.scribe is not None
    return house.keys.scribe


async def test_instance_that_was_not_seen_to_the_end_keeps_its_older_word(house: House) -> None:
    """So that a target that cannot be listed, or a run without the tickets, shows by its age."""
    trusted = house.keys.trusted
    for told in (report(NOW), report(LATER, "right"), report(LATER, problems=("the tickets cannot be read",))):
        await write_word(house.tickets, house.control, trusted, scribe(house), told)
    word = await read_word(house.tickets, house.control, trusted)
    assert word is not None
    assert word.looked_at == {"okta/left": LATER, "okta/right": NOW}


async def test_word_of_a_stranger_or_of_another_installation_is_none(house: House) -> None:
    """Nobody can say that all was looked at but the scribe, and only about this control ticket."""
    properties = house.tickets.properties(house.control)
    stranger = SigningKey.from_seed(b"x" * 32, scribe(house).public.role)
    other = house.control.model_copy(update={"issue_id": "99"})
    for control, key in ((house.control, stranger), (other, scribe(house))):
        word = SweepWord(ticket=control, looked_at={"okta/left": NOW})
        properties[PROPERTY] = seal_text(Signed.seal(word, key))
        assert await read_word(house.tickets, house.control, house.keys.trusted) is None
    for nonsense in ("{}", "[]", "nonsense", '{"payload": 1, "key": 2, "sig": 3}'):
        properties[PROPERTY] = nonsense
        assert await read_word(house.tickets, house.control, house.keys.trusted) is None


async def test_people_are_woken_when_the_engine_had_left_something(house: House) -> None:
    """Or when something could not be seen; nobody is for a stranger who was taken out in the usual way."""
    lease_id = str(LeaseId(target=house.target(), subject=house.subject()))
    for was_ours, told in ((False, ""), (True, "1 that the engine had left were taken away")):
        gone = Removed(lease_id=lease_id, ticket="SEC-1", was_ours=was_ours, removed_at=NOW, proved_at=NOW)
        target = TargetSweep(target="admin", instance="okta/prod", removed=(gone,))
        swept = SweepReport(began_at=NOW, ended_at=NOW, targets=(target,))
        assert await page_for(house.pager, house.control, swept) == ""
        assert [told in alarm.summary for alarm in house.pager.told] == ([True] if told else [])
    kept = Removed(lease_id=lease_id, ticket="SEC-1", was_ours=True, problem="not proved to be gone")
    target = TargetSweep(target="admin", instance="okta/prod", removed=(kept,))
    await page_for(house.pager, house.control, SweepReport(began_at=NOW, ended_at=NOW, targets=(target,)))
    assert "not proved to be gone" in house.pager.told[-1].summary
    assert "were taken away" not in house.pager.told[-1].summary
    await page_for(house.pager, house.control, report(NOW, "left"))
    assert "left: no list" in house.pager.told[-1].summary

    house.pager.failure = RetryableError("the pager answered 500")
    assert "nobody was paged: the pager answered 500" in await page_for(house.pager, house.control, report(NOW, "left"))
