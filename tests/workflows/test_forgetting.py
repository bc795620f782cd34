"""Giving up a removal whose target is gone for good: what two people can do, and that it shields nobody afterwards."""

from datetime import timedelta

import pytest

from activities.records import judge_writer
from domain.catalogue import TargetMode
from domain.drift import DriftKind
from domain.errors import ForbiddenError
from domain.lease import EndReason, LeaseState
from domain.lease_messages import LeaseOutcome, SessionsResult
from domain.messages import RequestResult
from domain.request import RequestOutcome
from domain.witness import SessionsEnded
from tests.house import House
from tests.workflows import hands
from tests.workflows.forging import complete
from tests.workflows.giving_up import (
    A_SECOND,
    BECAUSE,
    ask_to_forget,
    forgotten,
    over_the_fence,
    proved_after_all,
    refusal,
    stuck,
    until_state,
    wish,
)
from tests.workflows.porter import employ
from tests.workflows.reconciling import reconcile
from tests.workflows.stories import A_MINUTE, actions, assert_proved_gone
from tests.workflows.test_reconcile import found, see_off
from tests.workflows.test_sweep import LATE, admin, sweep


async def test_two_people_forget_what_nobody_can_prove(jumping_house: House) -> None:
    """The ticket closes and says by whom, why, and that nothing was proved; whoever was paged is told."""
    house = jumping_house
    async with house.working():
        case = await forgotten(house)
        result: RequestResult = await case.request.result()
    (outcome,) = result.leases
    assert (result.outcome, outcome.reason, outcome.proof) == (RequestOutcome.ENDED, EndReason.FORGOTTEN, None)
    assert outcome.forgetting is not None
    told = house.kinds(case.ticket, house.lease_id())
    assert ("proved" in told, told[-2:]) == (False, ["target_gone", "target_gone"])
    judged = house.chains(case.ticket)[judge_writer(house.lease_id())][-1]
    assert (judged.kind, judged.facts["by"], judged.facts["reason"]) == ("forgotten", "bob and carol", BECAUSE)
    words = f"admin: forgotten, not proved: by bob and carol because {BECAUSE}."
    assert any(words in text for text in house.comments(case.ticket))
    assert house.tickets.field(case.ticket, "Access state") == "Closed: forgotten, not proved: admin"
    assert house.tickets.field(case.ticket, "status") == "Closed"
    assert [(alarm.over, "forgotten, not proved" in alarm.summary) for alarm in house.pager.told][-1] == (True, True)


@pytest.mark.parametrize("mode", TargetMode)
async def test_group_that_is_restored_with_its_member_is_emptied_by_the_reconciler(
    jumping_house: House, mode: TargetMode
) -> None:
    """What was given up shields nobody, and was ours: whatever the catalogue says of the target, the access ends and is proved."""
    house = jumping_house
    house.watch("admin", mode)
    async with house.working():
        case = await forgotten(house)
        house.provider.restore_group(house.target())
        assert house.is_member()
        assert found(await reconcile(house)) == [DriftKind.ORPHAN]
        await see_off(house, "alice")
    assert_proved_gone(house, case.ticket)


async def test_group_that_is_restored_with_its_member_is_emptied_by_the_sweep(jumping_house: House) -> None:
    """Without the engine, by the tickets alone; until then the sweep has nothing to do about it, and nothing to complain of."""
    house = jumping_house
    async with house.working():
        await forgotten(house)
    house.clock.ahead = LATE
    kept = house.catalogue
    house.catalogue = kept.model_copy(update={"targets": {n: t for n, t in kept.targets.items() if n != "admin"}})
    assert (await sweep(house)).faults == ()
    house.provider.restore_group(kept.targets["admin"].ref)
    report = await sweep(house)
    assert [gone.was_ours for gone in admin(report).removed] == [True]
    assert not house.provider.is_member(kept.targets["admin"].ref, house.subject())


async def test_target_that_is_gone_and_forgotten_is_no_hole_in_the_reconcilers_net(jumping_house: House) -> None:
    """Nobody is woken for ever for a group that no longer exists, once the catalogue does not name it and no lease runs for it."""
    house = jumping_house
    async with house.working():
        await forgotten(house)
        assert [each.problem for each in (await reconcile(house)).targets if each.target == "admin"] != [""]
        targets = {name: target for name, target in house.catalogue.targets.items() if name != "admin"}
        house.catalogue = house.catalogue.model_copy(update={"targets": targets})
        (told,) = [each for each in (await reconcile(house)).targets if each.target == "admin"]
    assert (told.problem, told.members) == ("", 0)


async def test_refusal_is_told_on_the_ticket_and_the_removal_goes_on(jumping_house: House) -> None:
    """One person has asked: who is missing is said once, however often it is asked; the access is proved gone when it can be."""
    house = jumping_house
    async with house.working():
        case = await stuck(house)
        wish(house, case.ticket, "bob")
        for _ in range(2):
            why = await refusal(house, await ask_to_forget(house, case.ticket))
            assert "2 operators have to write `/forget lease:" in why
            assert "; bob has" in why
            await house.jump(house.lease(), timedelta(seconds=5))
        await house.told(case.ticket, "is not forgotten, and goes on: ")
        assert house.kinds(case.ticket, house.lease_id()).count("forget_refused") == 1
        await proved_after_all(case)
    assert_proved_gone(house, case.ticket)


async def test_group_that_is_there_again_is_not_forgotten(jumping_house: House) -> None:
    """Two people may say what they like: while the vendor shows the target, the lease takes the access away."""
    house = jumping_house
    async with house.working():
        case = await stuck(house)
        wish(house, case.ticket)
        house.provider.restore_group(house.target())
        why = await refusal(house, await ask_to_forget(house, case.ticket))
        assert why == "admin is there, and the account is present in it"
        await proved_after_all(case)
    assert_proved_gone(house, case.ticket)


@pytest.mark.parametrize("proved", [False, True])
async def test_removal_that_succeeds_while_it_is_judged_is_proved(jumping_house: House, *, proved: bool) -> None:
    """Seen absent once, or proved, before the verdict came: nothing is left to be forgotten, and the proof stands."""
    house = jumping_house
    gate = employ(house).hold("judge_forgetting", "after")
    async with house.working():
        case = await stuck(house, asked_again_after=A_SECOND)
        wish(house, case.ticket)
        asked = await ask_to_forget(house, case.ticket)
        await gate.reached()
        house.provider.restore_group(house.target())
        await house.until(lambda: not house.is_member())
        if not proved:
            await until_state(house, LeaseState.PROVING)
            gate.release()
            assert "which is now being proved" in await refusal(house, asked)
        await proved_after_all(case)
        gate.release()
    assert_proved_gone(house, case.ticket)
    assert "forgotten, not proved" not in house.comments(case.ticket)[-1]


@pytest.mark.parametrize("ended", ["ended", "failed", "invented", "nonsense"])
async def test_sessions_are_ended_as_far_as_anybody_answers(jumping_house: House, ended: str) -> None:
    """The account may live though its group does not. That its sessions cannot be ended refuses nothing, and is told."""
    house = jumping_house
    gate = employ(house).hold("end_sessions")
    words = {
        "ended": "Sessions of the account were ended.",
        "failed": "Sessions of the account could not be ended: ",
        "invented": "Sessions of the account were ended by nobody who may say so.",
        "nonsense": "Sessions of the account could not be ended: end_sessions gave an answer that cannot be read.",
    }
    async with house.working():
        case = await stuck(house)
        wish(house, case.ticket)
        await ask_to_forget(house, case.ticket)
        await over_the_fence(house)
        await gate.reached()
        if ended == "invented":
            await complete(house, house.lease(), "end_sessions", SessionsResult(sessions=SessionsEnded.ENDED))
        elif ended == "nonsense":
            await complete(house, house.lease(), "end_sessions", "done")
        elif ended == "failed":
            house.provider.fail("end_sessions", ForbiddenError("403"))
            gate.release()
            await hands.pending(house.lease(), "end_sessions", attempt=2)
            await house.jump(house.lease(), A_MINUTE)
        gate.release()
        await house.soon(case.request.result())
    assert any(words[ended] in text for text in house.comments(case.ticket))
    assert ("sessions_ended" in house.kinds(case.ticket, house.lease_id())) == (ended == "ended")


async def test_ticket_that_is_gone_too_has_its_records_on_the_control_ticket(jumping_house: House) -> None:
    """Two people ask on the control ticket, and there stand the judge's record and the looks."""
    house = jumping_house
    async with house.working():
        case = await stuck(house)
        house.tickets.delete(case.ticket)
        wish(house, house.control)
        await ask_to_forget(house, house.control)
        await over_the_fence(house)
        outcome: LeaseOutcome = await house.client.get_workflow_handle(
            house.lease_id(), result_type=LeaseOutcome
        ).result()
        await house.soon(case.request.result())
    assert outcome.reason is EndReason.FORGOTTEN
    assert await house.kept_aside(case.ticket, judge_writer(house.lease_id())) == ["forgotten"]
    assert (await house.kept_aside(case.ticket, house.lease_id()))[-2:] == ["target_gone", "target_gone"]


async def test_workers_that_remember_nothing_forget_the_same(jumping_house: House) -> None:
    """Every task is replayed from the beginning, and no worker sees more than one step."""
    house = jumping_house
    async with house.working(cache=0):
        case = await stuck(house)
        wish(house, case.ticket)
        await ask_to_forget(house, case.ticket)
        await over_the_fence(house)
        result = await house.soon(case.request.result())
    assert "forgotten" in str(result)
    assert actions(house).count("removed") == 0
