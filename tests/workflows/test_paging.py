"""People are woken for a removal that is late, again while it is, and told when it is over; no removal waits for them."""

from datetime import timedelta

from domain.errors import ForbiddenError, InvalidError, RateLimitedError
from tests.house import House
from tests.workflows import phases
from tests.workflows.phases import Case
from tests.workflows.stories import assert_proved_gone, close
from workflows.options import STUCK_AFTER

A_SECOND, PUT_OFF = timedelta(seconds=1), timedelta(minutes=10)
HOURS, AN_HOUR = 2, timedelta(hours=1)
AT_MOST_APART = timedelta(seconds=4)
ROUNDING = timedelta(seconds=2)
"""The jumping server moves in whole seconds."""


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


async def test_provider_that_refuses_for_hours_is_used_within_seconds_once_it_is_back(jumping_house: House) -> None:
    """However long and often it has refused: the next attempt comes within 4 s, but where the vendor itself asks for patience."""
    house = jumping_house
    async with house.working():
        case = await late(house)
        house.provider.fail("revoke", RateLimitedError("429", delay=AN_HOUR))
        for _ in range(HOURS):
            await house.jump(house.lease(), AN_HOUR)
        assert house.is_member()
        house.provider.fail("revoke", ForbiddenError("403: our role was taken away"), times=1)
        await house.jump(house.lease(), AN_HOUR)
        await house.until(lambda: not house.is_member())
        await close(house, case.request)
    assert_proved_gone(house, case.ticket)
    (removed,) = house.ledger("removed")
    assert removed.at - house.pager.told[0].since > HOURS * AN_HOUR
    refused_at = max(each.at for each in house.ledger("sessions_ended") if each.at < removed.at - A_SECOND)
    assert removed.at - refused_at < AT_MOST_APART + ROUNDING


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
