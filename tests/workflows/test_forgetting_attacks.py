"""What is done so that a lease is forgotten that must not be, or never can be: forged, flooded, reset, answered from outside."""

import asyncio

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError

from activities.records import judge_writer
from domain.lease import EndReason, Sent
from domain.lease_messages import ForgetAsk, ForgetResult, GoneResult, LeaseOutcome
from domain.messages import FollowResult
from tests.house import House
from tests.workflows import hands
from tests.workflows.forging import complete, invented_forgetting, invented_gone
from tests.workflows.giving_up import (
    ask_to_forget,
    forgotten,
    over_the_fence,
    proved_after_all,
    refusal,
    stuck,
    wish,
)
from tests.workflows.phases import heard
from tests.workflows.porter import employ
from tests.workflows.stories import actions, assert_proved_gone, hold, reset
from tests.workflows.test_keeping import current_run, following

A_THOUSAND = 1_000


async def test_hints_before_the_removal_is_late_are_heard_by_nobody(jumping_house: House) -> None:
    """While the access is held, and while its removal is in time: nobody looks at the target, and nobody judges."""
    house = jumping_house
    gate = employ(house).hold("confirm_gone")
    async with house.working():
        ticket, request = await hold(house)
        wish(house, ticket)
        await ask_to_forget(house, ticket)
        held = house.provider.hold("revoke")
        await request.signal("revoke")
        await held.reached()
        await ask_to_forget(house, ticket)
        await house.settled(request)
        held.release()
        await house.soon(request.result())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await gate.reached()
    assert_proved_gone(house, ticket)


async def test_a_thousand_hints_are_one(jumping_house: House) -> None:
    """Unreadable ones, some without a ticket and many good ones: the lease looks now and then, and the removal goes on."""
    house = jumping_house
    async with house.working():
        case = await stuck(house)
        before = len(house.ledger("looked"))
        for said in ((), ("forget it",), ({"ticket": "SEC-1"},), (1, 2, 3), ("x" * 100_000,)):
            await house.lease().signal("forget", args=said)
        asked = ForgetAsk(ticket=case.ticket, ask_id="again")
        async with asyncio.TaskGroup() as sending:
            for _ in range(A_THOUSAND):
                sending.create_task(house.lease().signal("forget", asked))
        assert "nobody has" in await refusal(house, "again")
        await heard(case)
        assert len(house.ledger("looked")) - before < 12
        assert house.kinds(case.ticket, house.lease_id()).count("forget_refused") == 1
        await proved_after_all(case)
    assert_proved_gone(house, case.ticket)


@pytest.mark.parametrize("said", ["a stranger's look", "an invented verdict", "nonsense", "failed"])
async def test_answers_of_somebody_else_forget_nothing(jumping_house: House, said: str) -> None:
    """What a writer to the namespace completes in the place of witness and judge is not believed, and is no end of the removal."""
    house = jumping_house
    name = "judge_forgetting" if said == "an invented verdict" else "confirm_gone"
    gate = employ(house).hold(name)
    async with house.working():
        case = await stuck(house)
        asked = await ask_to_forget(house, case.ticket)
        await gate.reached()
        invented: dict[str, object] = {
            "a stranger's look": GoneResult(word=invented_gone(house)),
            "an invented verdict": ForgetResult(word=invented_forgetting(house, case.ticket).word),
            "nonsense": "gone",
            "failed": ApplicationError("it is gone", non_retryable=True),
        }
        await complete(house, house.lease(), name, invented[said])
        gate.release()
        assert await refusal(house, asked)
        await proved_after_all(case)
    assert_proved_gone(house, case.ticket)
    assert "forgotten" not in str(house.kinds(case.ticket, f"judge/{house.lease_id()}"))


async def test_outcome_that_somebody_invented_closes_no_ticket(house: House) -> None:
    """A request believes that its lease was given up by the judge's word alone: here genuine looks stand beside a forged one."""
    gate = employ(house).hold("follow_lease")
    async with house.working():
        ticket, handle = await hold(house)
        await reset(house, handle)
        current = current_run(house, handle)
        await gate.reached()
        outcome = LeaseOutcome(
            lease_id=house.lease_id(),
            run_id="r",
            reason=EndReason.FORGOTTEN,
            sent=Sent.NOTHING,
            forgetting=invented_forgetting(house, ticket),
        )
        await complete(house, current, "follow_lease", FollowResult(outcome=outcome))
        await following(current)
        assert house.is_member()
        assert "closed" not in house.kinds(ticket, handle.id)
        gate.release()
        await current.signal("revoke", {"by": "carol"})
        await house.until(lambda: not house.is_member())
        await house.soon(current.result())
    assert_proved_gone(house, ticket)


async def test_closed_request_that_was_reset_takes_up_nothing_that_was_given_up(jumping_house: House) -> None:
    """Its ticket says that the request is closed and the lease forgotten: no lease is begun anew, and no more is told."""
    house = jumping_house
    async with house.working():
        case = await forgotten(house)
        said = house.comments(case.ticket)
        await hands.reset(house, case.request.id)
        await house.soon(current_run(house, case.request).result())
        described = await house.lease().describe()
    assert described.status is WorkflowExecutionStatus.COMPLETED
    assert house.comments(case.ticket) == said


async def test_lease_that_was_reset_after_it_was_given_up_is_judged_anew(jumping_house: House) -> None:
    """The new run looks twice itself, asks the judge itself, and tells no end that the run before it has not told."""
    house = jumping_house
    async with house.working():
        case = await forgotten(house)
        first = (await house.lease().describe()).run_id
        await hands.reset(house, house.lease_id(), to=await hands.task_before(house.lease(), "confirm_gone"))
        await over_the_fence(house)
        outcome: LeaseOutcome = await house.client.get_workflow_handle(
            house.lease_id(), result_type=LeaseOutcome
        ).result()
    records = house.chains(case.ticket)[judge_writer(house.lease_id())]
    assert [record.facts["run"] for record in records if record.kind == "forgotten"] == [first, outcome.run_id]
    assert (outcome.reason, outcome.proof) == (EndReason.FORGOTTEN, None)
    assert actions(house).count("removed") == 0
