"""The reconciler when parts of it fail, and what one run leaves to the next; the lease that is asked whether its access is there."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio import activity

from activities.bundle import Activities
from domain.catalogue import TargetMode
from domain.drift import DriftKind, Known
from domain.errors import InvalidInputError, RetryableError
from domain.queues import Queue
from domain.watch import Memory, ReconcileReport
from tests.house import House
from tests.workflows import hands
from tests.workflows.reconciling import reconcile, reconcile_after
from tests.workflows.stories import actions, close, hold
from workflows.service import make_workers


async def test_catalogue_that_cannot_be_read_takes_no_leased_target_off_the_watch(jumping_house: House) -> None:
    """What we granted there is still ended when nothing covers it; the problem is told."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        await house.until_listed(ticket)
        house.catalogue_fault = InvalidInputError("line 3: no such person")
        house.provider.add_by_hand(house.target(), house.subject("dave"))
        report = await reconcile(house)
        house.catalogue_fault = None
        await handle.signal("revoke")
        await house.soon(handle.result())
    assert "line 3: no such person" in report.problem
    (admin,) = report.targets
    assert (admin.target, [finding.kind for finding in admin.findings]) == ("admin", [DriftKind.ORPHAN])
    assert house.is_member(person="dave")


async def test_run_that_cannot_tell_its_targets_completes_and_says_so(house: House) -> None:
    """It fails no schedule, and hands on what the run before it knew."""
    house.catalogue_fault = RuntimeError("a defect")
    async with house.working():
        report = await reconcile(house)
    assert "a defect" in report.problem
    assert report.targets == ()


@activity.defn(name="remedy_drift")
async def broken_remedy(_request: Any) -> None:
    raise RuntimeError("the engine takes nothing")


@asynccontextmanager
async def with_a_broken_remedy(house: House) -> AsyncIterator[None]:
    served = house.activities().by_queue[Queue.RECONCILE]
    kept = [function for function in served if function.__name__ != "remedy_drift"]
    activities = Activities(by_queue={Queue.RECONCILE: [*kept, broken_remedy]})
    async with AsyncExitStack() as stack:
        for worker in make_workers(house.client, house.prefix, activities, [Queue.RECONCILE]):
            await stack.enter_async_context(worker)
        yield


async def test_remedy_that_fails_is_told_and_tried_by_the_next_run(jumping_house: House) -> None:
    """The member is found again: nothing is taken for done that was not."""
    house = jumping_house
    house.watch("admin", TargetMode.ENFORCE)
    house.provider.add_by_hand(house.target(), house.subject("dave"))
    async with with_a_broken_remedy(house):
        report = await reconcile(house)
    admin = next(target for target in report.targets if target.target == "admin")
    assert (admin.done, "failed: the engine takes nothing" in admin.problem) == ((), True)
    assert report.memory.known[house.lease_id(person="dave")].since is not None
    assert house.is_member(person="dave")
    async with house.working():
        await reconcile(house)
        await house.until(lambda: not house.is_member(person="dave"))


async def test_run_goes_on_from_what_the_run_before_it_left(jumping_house: House) -> None:
    """Since when a member has had no lease, and when a target that fails now was last listed, is not forgotten."""
    house = jumping_house
    house.provider.add_by_hand(house.target(), house.subject("dave"))
    house.watch("admin", TargetMode.OBSERVE)
    async with house.working():
        first = await reconcile(house)
        second = await reconcile_after(house, first)
        house.provider.fail("list_holders", RetryableError("503"))
        third = await reconcile_after(house, second)
    key = str(house.target())
    assert first.memory.listed[key] < second.memory.listed[key] == third.memory.listed[key]
    assert all(target.problem for target in third.targets)


async def test_memory_of_thousands_is_handed_on_whole(house: House) -> None:
    """More than any other message of ours, and not forgotten for its size."""
    known = {f"{house.lease_id()}{number}": Known(was_ours=True) for number in range(3_000)}
    house.catalogue_fault = RuntimeError("a defect")
    async with house.working():
        report = await reconcile_after(house, ReconcileReport(memory=Memory(known=known)))
    assert report.memory.known == known


async def test_target_that_cannot_be_listed_for_three_intervals_wakes_people_once_an_hour(jumping_house: House) -> None:
    """They hear of each such target, again when an hour has passed, and when it is over."""
    house = jumping_house
    key, now = f"unwatched:{house.target()}", datetime.now(UTC)
    listed = {str(house.target()): now - timedelta(minutes=2)}
    house.provider.fail("list_holders", RetryableError("503"))
    async with house.working():
        quiet = await reconcile_after(house, ReconcileReport(memory=Memory(listed=listed)))
        assert house.pager.told == []
        long_ago = {name: at - timedelta(minutes=2) for name, at in quiet.memory.listed.items()}
        memory = quiet.memory.model_copy(update={"listed": long_ago})
        first = await reconcile_after(house, ReconcileReport(memory=memory))
        (alarm,) = house.pager.told
        assert (alarm.key, "503" in alarm.summary, alarm.since) == (key, True, long_ago[str(house.target())])
        assert (await reconcile_after(house, first)).memory.said == first.memory.said
        assert len(house.pager.told) == 1
        memory = first.memory.model_copy(update={"said": {key: now - timedelta(hours=1)}})
        again = await reconcile_after(house, ReconcileReport(memory=memory))
        assert [alarm.key for alarm in house.pager.told] == [key, key]
        house.provider.succeed("list_holders")
        over = await reconcile_after(house, again)
    assert (house.pager.told[-1].over, over.memory.said, over.memory.unlisted) == (True, {}, {})


async def test_pager_that_fails_fails_no_run_and_is_tried_again(jumping_house: House) -> None:
    """What people could not be told is told by the next run; a target that was never listed counts from its first failure."""
    house = jumping_house
    unlisted = {
        str(house.target(name)): datetime.now(UTC) - timedelta(minutes=4) for name in ("admin", "left", "right")
    }
    house.provider.fail("list_holders", RetryableError("503"))
    house.pager.failure = RetryableError("the pager answered 500")
    async with house.working():
        report = await reconcile_after(house, ReconcileReport(memory=Memory(unlisted=unlisted)))
        assert (report.memory.said, report.memory.unlisted) == ({}, unlisted)
        house.pager.failure = None
        report = await reconcile_after(house, report)
    assert report.memory.said.keys() == {alarm.key for alarm in house.pager.told}
    assert [alarm.key for alarm in house.pager.told] == [f"unwatched:{house.provider.instance}"]


@pytest.mark.parametrize("last", ["no report", {"memory": {"listed": "never"}}])
async def test_run_before_it_that_cannot_be_read_is_no_ground_to_fail(house: House, last: Any) -> None:
    """Then everything is looked at as if for the first time."""
    async with house.working():
        report = await reconcile_after(house, last)
    assert set(report.memory.listed) == {str(house.target(name)) for name in ("admin", "left", "right")}


async def test_access_that_was_only_gone_for_a_moment_is_held_on(house: House) -> None:
    """One look at nothing proves nothing: the second one sees it, and the lease goes on to its end."""
    async with house.working():
        _, handle = await hold(house)
        house.provider.remove_by_hand(house.target(), house.subject())
        await house.lease().signal("look_again")
        await house.until(lambda: actions(house)[-1] == "absent" and len(actions(house)) > 3)
        house.provider.add_by_hand(house.target(), house.subject())
        await house.until(lambda: actions(house)[-1] == "present")
        await house.settled(house.lease())
        assert house.is_member()
        await handle.signal("revoke")
        await house.soon(handle.result())
    assert not house.is_member()


async def test_doubt_that_nobody_can_settle_holds_no_revoke_up(jumping_house: House) -> None:
    """The provider answers no look: the lease ends when it is told to, all the same."""
    house = jumping_house
    async with house.working():
        _, handle = await hold(house)
        house.provider.fail("verify", RetryableError("503"))
        await house.lease().signal("look_again")
        await hands.pending(house.lease(), "observe_access", attempt=2)
        await handle.signal("revoke")
        await house.until(lambda: not house.is_member())
        house.provider.succeed("verify")
        await close(house, handle)
