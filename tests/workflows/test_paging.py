"""People are woken for a removal that is late, again while it is, and told when it is over; no removal waits for them."""

from datetime import timedelta

from domain.errors import InvalidError, RateLimitedError
from tests.house import House
from tests.workflows import phases
from tests.workflows.phases import Case
from tests.workflows.stories import assert_proved_gone, close
from workflows.options import STUCK_AFTER

A_SECOND, PUT_OFF = timedelta(seconds=1), timedelta(minutes=10)


async def late(house: House) -> Case:
    """A removal that the vendor has put off for ten minutes, and that is late by now."""
    case = await phases.active(house)
    house.provider.fail("revoke", RateLimitedError("429", delay=PUT_OFF))
    await phases.end(case)
    await house.until(lambda: bool(house.ledger("sessions_ended")))
    await house.jump(house.lease(), STUCK_AFTER + A_SECOND)
    return case


async def test_late_removal_pages_again_and_again_and_says_when_it_is_over(jumping_house: House) -> None:
    """All of it about one thing, by one key, with the ticket and since when; each time a longer while later."""
    house = jumping_house
    async with house.working():
        case = await late(house)
        await house.until(lambda: len(house.pager.told) == 1)
        await house.jump(house.lease(), 2 * STUCK_AFTER)
        await house.until(lambda: len(house.pager.told) == 2)
        house.provider.succeed("revoke")
        await house.jump(house.lease(), PUT_OFF)
        await close(house, case.request)
    assert_proved_gone(house, case.ticket)
    first, second, *_, last = house.pager.told
    assert first.summary == f"{case.ticket.key}: the removal from admin is late"
    assert ([first.times, second.times], [first.over, second.over, last.over]) == ([1, 2], [False, False, True])
    assert {alarm.key for alarm in house.pager.told} == {first.key}
    assert first.since == second.since
    assert first.key.startswith(house.lease_id())


async def test_removal_in_time_pages_nobody(jumping_house: House) -> None:
    """Neither that it is late, nor that it is over."""
    house = jumping_house
    async with house.working():
        case = await phases.active(house)
        await case.request.signal("revoke")
        await close(house, case.request)
    assert house.pager.told == []


async def test_pager_that_fails_holds_no_removal_up(jumping_house: House) -> None:
    """Given up after a minute, and asked again the next time; the removal goes on, is proved, and its ticket closes."""
    house = jumping_house
    house.pager.failure = InvalidError("the pager answered 400")
    async with house.working():
        case = await late(house)
        await house.until(lambda: house.pager.asked > 0)
        house.provider.succeed("revoke")
        await house.jump(house.lease(), PUT_OFF)
        await house.until(lambda: not house.is_member())
        house.pager.failure = None
        await close(house, case.request)
    assert_proved_gone(house, case.ticket)
