"""The reconciler, which compares who is a member with what is leased: what it ends, what it only reports, and what it leaves alone."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.api.enums.v1 import EventType

from activities.engine import MEMO_END_ONLY
from domain.catalogue import StandingException, TargetMode
from domain.drift import DriftKind
from domain.errors import RetryableError
from domain.queues import Queue
from domain.watch import ReconcileReport
from tests.house import House
from tests.queues import all_but
from tests.replay.edited import EditedLeaseWorkflow
from tests.workflows import hands
from tests.workflows.reconciling import reconcile
from tests.workflows.stories import A_MINUTE, actions, assert_proved_gone, hold, serving_leases, until_event

ENFORCE, OBSERVE = TargetMode.ENFORCE, TargetMode.OBSERVE
TOMORROW = datetime.now(UTC).date() + timedelta(days=1)
YESTERDAY = TOMORROW - timedelta(days=2)


def found(report: ReconcileReport, name: str = "admin") -> list[DriftKind]:
    """What a run found at one target, which it could look at."""
    (told,) = [target for target in report.targets if target.target == name]
    assert told.problem == ""
    return [finding.kind for finding in told.findings]


async def see_off(house: House, person: str) -> None:
    """Wait until somebody is gone, and let the lease that took them away pass its fence and close."""
    await house.until(lambda: not house.is_member(person=person))
    await house.jump(house.lease(person=person), A_MINUTE)
    await house.soon(house.lease(person=person).result())


def add_by_hand(house: House, person: str = "dave") -> None:
    house.provider.add_by_hand(house.target(), house.subject(person))


async def test_member_under_a_live_lease_is_left_alone(house: House) -> None:
    """However often it is looked at, and whatever the mode: nothing is found, and nothing is sent."""
    house.watch("admin", ENFORCE)
    async with house.working():
        ticket, handle = await hold(house)
        for _ in range(2):
            assert found(await reconcile(house)) == []
        assert house.is_member()
        await handle.signal("revoke")
        await house.soon(handle.result())
        assert found(await reconcile(house)) == []
    assert actions(house).count("removed") == 1
    assert_proved_gone(house, ticket)


async def test_member_added_by_hand_to_an_enforced_target_is_removed(jumping_house: House) -> None:
    """By a lease that only ends, with its proof and its reason on the control ticket: nobody's request stands for it."""
    house = jumping_house
    house.watch("admin", ENFORCE)
    add_by_hand(house)
    async with house.working():
        report = await reconcile(house)
        assert found(report) == [DriftKind.ORPHAN]
        await see_off(house, "dave")
        assert found(await reconcile(house)) == []
    assert not house.is_member(person="dave")
    assert house.kinds(house.control, house.lease_id(person="dave"))[-2:] == ["proved", "sessions_ended"]
    assert any("the reconciler found a member without a lease" in text for text in house.comments(house.control))


async def test_member_added_by_hand_to_an_observed_target_is_only_reported(jumping_house: House) -> None:
    """Nothing standing is stripped because somebody wrote a target into the catalogue."""
    house = jumping_house
    add_by_hand(house)
    async with house.working():
        report = await reconcile(house)
    assert found(report) == [DriftKind.ORPHAN]
    (finding,) = report.targets[0].findings
    assert "only observed" in finding.protected
    assert house.is_member(person="dave")
    assert report.targets[0].done == ()


async def test_exception_protects_a_named_account_until_its_day_is_over(jumping_house: House) -> None:
    """While it lasts it is reported with its reason; the day after, the member is removed like any other."""
    house = jumping_house
    house.watch("admin", ENFORCE, StandingException(account="00udave", reason="break glass", until=TOMORROW))
    add_by_hand(house)
    async with house.working():
        report = await reconcile(house)
        assert found(report) == [DriftKind.ORPHAN]
        assert report.targets[0].findings[0].protected == f"break glass (until {TOMORROW})"
        assert house.is_member(person="dave")
        house.watch("admin", ENFORCE, StandingException(account="00udave", reason="break glass", until=YESTERDAY))
        await reconcile(house)
        await see_off(house, "dave")
    assert not house.is_member(person="dave")


@pytest.mark.parametrize("mode", TargetMode)
async def test_request_and_lease_terminated_together_are_ended_on_their_own_ticket(
    jumping_house: House, mode: TargetMode
) -> None:
    """What we once added is removed also where a target is only observed: the judge's warrant in the run's memo says so."""
    house = jumping_house
    house.watch("admin", mode)
    async with house.working():
        ticket, handle = await hold(house)
        await house.settled(handle)
        await house.settled(house.lease())
    await hands.terminate(house, handle.id)
    await hands.terminate(house, house.lease_id())
    assert house.is_member()
    async with house.working():
        assert found(await reconcile(house)) == [DriftKind.ORPHAN]
        await see_off(house, "alice")
    assert_proved_gone(house, ticket)


async def test_later_request_that_was_refused_makes_nobody_forgotten_whom_an_earlier_one_let_in(
    jumping_house: House,
) -> None:
    """The newest run under the id bears no warrant then: the one before it does, and it names the ticket that has to tell the end."""
    house = jumping_house
    house.watch("admin", TargetMode.OBSERVE)
    async with house.working():
        ticket, handle = await hold(house)
        await house.settled(handle)
        await house.settled(house.lease())
    await hands.terminate(house, handle.id)
    await hands.terminate(house, house.lease_id())
    async with house.working():
        _, refused = await house.approved()
        await house.soon(refused.result())
        assert house.is_member()
        assert found(await reconcile(house)) == [DriftKind.ORPHAN]
        await see_off(house, "alice")
    assert_proved_gone(house, ticket)


async def test_what_we_granted_stays_ours_under_every_lease_that_ends_it(jumping_house: House) -> None:
    """The lease that is to end it, terminated as well, has borne the judge's warrant on: an observed target spares nobody of ours."""
    house = jumping_house
    async with house.working():
        _, handle = await hold(house)
        await house.settled(handle)
        await house.settled(house.lease())
    await hands.terminate(house, handle.id)
    await hands.terminate(house, house.lease_id())
    async with house.working(all_but(Queue.LEASES)):
        assert found(await reconcile(house)) == [DriftKind.ORPHAN]
        await hands.terminate(house, house.lease_id())
        report = await reconcile(house)
    (finding,) = report.targets[0].findings
    assert (finding.was_ours, finding.protected, len(report.targets[0].done)) == (True, "", 1)
    async with house.working():
        await house.until(lambda: not house.is_member())


async def test_request_and_lease_deleted_together_are_ended_where_the_target_is_enforced(jumping_house: House) -> None:
    """With their histories goes whatever told whose the member was: it is an orphan like any other."""
    house = jumping_house
    house.watch("admin", ENFORCE)
    async with house.working():
        _, handle = await hold(house)
        await house.settled(handle)
        await house.settled(house.lease())
    await hands.delete(house, handle.id)
    await hands.delete(house, house.lease_id())
    async with house.working():
        await hands.until_forgotten(house.lease())
        assert found(await reconcile(house)) == [DriftKind.ORPHAN]
        await see_off(house, "alice")
    assert_proved_gone(house, house.control)


async def test_leases_that_cannot_move_are_replaced(house: House) -> None:
    """Its revoke paused, its revoke sent to a queue that nobody serves, its history unreadable for the build that is deployed:
    past its time, each is replaced in one step by a lease that takes away, with the same bad build."""
    others = all_but(Queue.LEASES)
    async with house.working(others, cache=0):
        async with house.working([Queue.LEASES], cache=0):
            _, request = await hold(house, entitlement="pair")
            house.provider.fail("revoke", RetryableError("503"))
            await request.signal("revoke")
            for name, verb, words in (
                ("left", "pause", ()),
                ("right", "update-options", ("--task-queue", "nobody")),
            ):
                await hands.pending(house.lease(name), "revoke_access", attempt=2)
                await hands.change_activity(house, house.lease(name), verb, "revoke_access", *words)
            house.provider.succeed("revoke")
            await hold(house, "5s")
        async with serving_leases(house, EditedLeaseWorkflow, house.activities().by_queue[Queue.LEASES]):
            await until_event(house.lease(), EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
            assert all(house.is_member(name) for name in ("admin", "left", "right"))
            async with asyncio.timeout(90):
                while any(house.is_member(name) for name in ("admin", "left", "right")):
                    await reconcile(house)
            for name in ("admin", "left", "right"):
                assert (await (await house.lease(name).describe()).memo())[MEMO_END_ONLY] is True


async def test_membership_removed_by_hand_ends_the_lease_and_is_not_put_back(jumping_house: House) -> None:
    """The lease is told, looks twice itself, and closes as removed elsewhere; the request closes with it."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        house.provider.remove_by_hand(house.target(), house.subject())
        assert found(await reconcile(house)) == [DriftKind.MISSING]
        await house.soon(handle.result())
    assert actions(house).count("added") == 1
    assert_proved_gone(house, ticket)
    await house.told(ticket, "it had been removed at the provider")


async def test_lease_that_is_told_in_error_looks_and_goes_on(house: House) -> None:
    """That somebody says the member is gone moves nothing while the provider shows it."""
    async with house.working():
        _, handle = await hold(house)
        await house.lease().signal("look_again")
        await house.until(lambda: actions(house)[-1:] == ["present"] and len(actions(house)) > 3)
        await house.settled(house.lease())
        assert house.is_member()
        await handle.signal("revoke")
        await house.soon(handle.result())


async def test_listing_that_fails_judges_nobody_and_says_so(house: House) -> None:
    """No member is taken for missing, and the target's last complete listing stays as old as it is."""
    house.watch("admin", ENFORCE)
    add_by_hand(house)
    async with house.working():
        await hold(house, entitlement="pair")
        house.provider.fail("list_holders", TimeoutError("the vendor answers nothing"))
        report = await reconcile(house)
    assert all(target.problem for target in report.targets)
    assert report.memory.listed == {}
    assert house.is_member(person="dave")


async def test_limit_puts_off_strangers_and_nothing_that_was_ours(jumping_house: House) -> None:
    """A run removes so many members whom we never granted; the next run takes the next ones. What we granted is never put off."""
    house = jumping_house
    house.watch("admin", ENFORCE)
    async with house.working():
        ticket, handle = await hold(house)
        await house.settled(handle)
        await house.settled(house.lease())
    await hands.terminate(house, handle.id)
    await hands.terminate(house, house.lease_id())
    strangers = ("carol", "dave")
    for person in strangers:
        add_by_hand(house, person)
    async with house.working():
        for left in (1, 0):
            await reconcile(house, limit=1)
            await house.until(lambda: not house.is_member())
            await house.until(
                lambda left=left: sum(house.is_member(person=person) for person in strangers) == left  # type: ignore[misc]
            )
    assert "removed" in house.kinds(ticket, house.lease_id())
