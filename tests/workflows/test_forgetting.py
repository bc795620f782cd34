"""Giving up a removal whose target is gone for good: what two people can do, what nobody else can, and that it shields nobody."""

from activities.records import judge_writer
from domain.lease import EndReason
from domain.messages import RequestResult
from domain.request import RequestOutcome
from tests.house import House
from tests.workflows.giving_up import BECAUSE, ask_to_forget, over_the_fence, stuck, wish
from tests.workflows.phases import Case


async def forgotten(house: House) -> Case:
    """A lease that two people have given up, and whose request has closed."""
    case = await stuck(house)
    wish(house, case.ticket)
    await ask_to_forget(house, case.ticket)
    await over_the_fence(house)
    await house.soon(case.request.result())
    return case


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
    assert (judged.kind, judged.facts["by"], judged.facts["reason"]) == (
        "forgotten",
        "bob and carol",
        f"{BECAUSE}; {BECAUSE}",
    )
    assert any(
        f"admin: forgotten, not proved: by bob and carol because {BECAUSE}" in text
        for text in house.comments(case.ticket)
    )
    assert house.tickets.field(case.ticket, "Access state") == "Closed: forgotten, not proved: admin"
    assert house.tickets.field(case.ticket, "status") == "Closed"
    assert [(alarm.over, "forgotten" in alarm.summary) for alarm in house.pager.told][-1] == (True, True)
