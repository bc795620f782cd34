"""Messages that are nonsense, lies, or nothing at all: access still ends on time or earlier, and a removal is always heard."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflowservice.v1 import (
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskFailedByIdRequest,
)
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.service import RPCError, RPCStatusCode

from domain.ids import TicketRef
from domain.lease_messages import ArmResult
from domain.messages import ExtendInput
from tests.house import House
from tests.workflows.forging import complete, invented_warrant
from tests.workflows.nonsense import (
    TWO_MEGABYTES,
    UNREADABLE,
    Nonsense,
    drawn,
    json_of,
    plausible_lies,
    say,
    signal_raw,
)
from tests.workflows.porter import employ
from tests.workflows.stories import A_MINUTE, PROMPTLY, Handle, actions, assert_proved_gone, close, hold
from workflows.access_request import AccessRequestWorkflow

ONCE = ["absent", "added", "present", "removed", "absent", "absent"]


def lived(house: House) -> timedelta:
    """From the first addition to the last removal, by the vendor's clock."""
    return house.ledger("removed")[-1].at - house.ledger("added")[0].at


async def pester(house: House, sent: list[Nonsense], *handles: WorkflowHandle[Any, Any]) -> None:
    """Send all of it to each, as eight strangers at once."""

    async def stranger(number: int) -> None:
        for message in sent[number::8]:
            for handle in handles:
                await say(house.client, handle, message)

    async with asyncio.TaskGroup() as strangers:
        for number in range(8):
            strangers.create_task(stranger(number))


async def test_nonsense_while_an_approval_is_awaited_grants_nothing_and_breaks_nothing(house: House) -> None:
    """No message is an approval; the true one, afterwards, is still heard, and the access ends on time."""
    async with house.working():
        ticket = house.ask("3s")
        handle = await house.start(ticket)
        await house.asked(ticket)
        await pester(house, drawn(), handle)
        await house.settled(handle)
        assert house.provider.ledger == []
        await house.approve(ticket, handle)
        await house.soon(handle.result())
    assert_proved_gone(house, ticket)
    assert lived(house) <= timedelta(seconds=3) + PROMPTLY


async def test_nonsense_while_the_access_is_held_moves_no_end(house: House) -> None:
    """Whatever a request and its lease are told, lies in the right form too, the access is added once and ends on time."""
    async with house.working():
        ticket, handle = await hold(house, "4s")
        await pester(house, drawn() + plausible_lies(house.lease_id()), handle, house.lease())
        await house.soon(handle.result())
    assert_proved_gone(house, ticket)
    assert actions(house) == ONCE
    assert lived(house) <= timedelta(seconds=4) + PROMPTLY


async def test_nonsense_while_an_extension_is_judged_leaves_it_as_it_was_wished(house: House) -> None:
    """The one wish on the ticket is applied, once, although strangers speak between its steps; and the new end is kept."""
    async with house.working():
        ticket, handle = await hold(house, "20s")
        gate = house.provider.hold("verify")
        house.tickets.comment_as(ticket, "/extend 1m", "alice")
        await handle.signal("extend", {"by": "alice"})
        await gate.reached()
        await pester(house, [each for each in drawn() if each.kind != "update"], handle, house.lease())
        gate.release()
        await house.told(ticket, "Extended by alice's wish")
        assert sum("Extended by" in text for text in house.comments(ticket)) == 1
        await handle.signal("revoke")
        await house.soon(handle.result())
    assert_proved_gone(house, ticket)


async def test_nonsense_while_the_access_is_taken_back_keeps_none_of_it(house: House) -> None:
    """A removal that stands before the vendor goes on, whoever speaks meanwhile."""
    async with house.working():
        ticket, handle = await hold(house)
        gate = house.provider.hold("revoke")
        await handle.signal("revoke")
        await gate.reached()
        await pester(house, [each for each in drawn() if each.kind != "update"], handle, house.lease())
        gate.release()
        await house.soon(handle.result())
    assert_proved_gone(house, ticket)
    assert actions(house) == ONCE


@pytest.mark.parametrize("kind", ["no encoding", "unknown protobuf", "lone surrogate", "deep nesting", "two megabytes"])
async def test_removal_that_cannot_be_read_is_obeyed_by_the_lease(house: House, kind: str) -> None:
    """`revoke` counts by its name alone: what is in it may be undecodable or huge."""
    async with house.working():
        ticket, handle = await hold(house)
        await signal_raw(house.client, house.lease(), "revoke", [UNREADABLE[kind]])
        await house.until(lambda: not house.is_member(), PROMPTLY.total_seconds())
        await house.soon(handle.result())
    assert_proved_gone(house, ticket)


@pytest.mark.parametrize("name", ["revoke", "deny"])
async def test_removal_that_cannot_be_read_is_obeyed_by_the_request(house: House, name: str) -> None:
    """Nor does a request need to read it, however many parts it has."""
    async with house.working():
        ticket, handle = await hold(house)
        await signal_raw(house.client, handle, name, [UNREADABLE["unknown protobuf"], UNREADABLE["no encoding"]])
        await house.until(lambda: not house.is_member(), PROMPTLY.total_seconds())
        await house.soon(handle.result())
    assert_proved_gone(house, ticket)


async def test_words_of_a_stranger_reach_the_ticket_cut_and_printable(house: House) -> None:
    """Control characters and reversed writing do not come into a comment, where a vendor may refuse or a reader misread them."""
    async with house.working():
        ticket, handle = await hold(house)
        await handle.signal("revoke", {"note": "well\x00\u202e\r\n" + "meant" * 400})
        await house.soon(handle.result())
    assert_proved_gone(house, ticket)
    (closing,) = (text for text in house.comments(ticket) if "Closed: ended" in text)
    assert "revoked well    meant" in closing
    assert len(closing) < 1_000


async def test_offer_of_two_megabytes_does_not_hold_the_access_on(house: House) -> None:
    """A step built around such a message would be beyond the engine's limit, and the lease's task would fail for ever."""
    async with house.working():
        ticket, handle = await hold(house, "3s")
        until = house.ledger("added")[0].at + timedelta(minutes=1)
        offer = json_of({"wish_id": "w" * (TWO_MEGABYTES - 100), "new_end": until})
        await signal_raw(house.client, house.lease(), "offer_extension", [offer])
        await house.soon(handle.result())
    assert_proved_gone(house, ticket)
    assert lived(house) <= timedelta(seconds=3) + PROMPTLY


async def test_answer_of_two_megabytes_does_not_hold_the_access_on(jumping_house: House) -> None:
    """A warrant invented that large is no warrant: nothing is prolonged with it, and the lease ends on time."""
    house = jumping_house
    porter = employ(house)
    async with house.working():
        ticket, handle = await hold(house, "4s")
        gate = porter.hold("arm_extension")
        until = house.ledger("added")[0].at + timedelta(minutes=1)
        await signal_raw(house.client, house.lease(), "offer_extension", [json_of({"wish_id": "7", "new_end": until})])
        await gate.reached()
        warrant = invented_warrant(house.order(ticket, lasts=A_MINUTE))
        huge = warrant.model_copy(update={"payload": "x" * (TWO_MEGABYTES - 600)})
        await complete(house, house.lease(), "arm_extension", ArmResult(warrant=huge))
        gate.release()
        await close(house, handle)
    assert_proved_gone(house, ticket)
    assert lived(house) <= timedelta(seconds=4) + PROMPTLY


@pytest.mark.parametrize("how", ["failed with details that cannot be read", "completed without a result"])
async def test_removal_answered_with_what_cannot_be_read_is_done_again(jumping_house: House, how: str) -> None:
    """Decoded by the engine, such a failure would fail the lease's task for ever, with the access still on."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        gate = house.provider.hold("revoke")
        await handle.signal("revoke")
        await gate.reached()
        await answer_raw(house, "revoke_access", fails=how.startswith("failed"))
        house.provider.succeed("revoke")
        gate.release()
        await close(house, handle)
    assert_proved_gone(house, ticket)


async def answer_raw(house: House, activity: str, *, fails: bool) -> None:
    """Answer the pending activity of alice's lease over the wire, in a way that no client library would."""
    described = await house.lease().describe()
    pending = described.raw_description.pending_activities
    (activity_id,) = [each.activity_id for each in pending if each.activity_type.name == activity]
    if not fails:
        done = RespondActivityTaskCompletedByIdRequest(
            namespace=house.client.namespace,
            workflow_id=described.id,
            run_id=described.run_id,
            activity_id=activity_id,
        )
        await house.client.workflow_service.respond_activity_task_completed_by_id(done)
        return
    details = Payloads(payloads=[UNREADABLE["unknown protobuf"]])
    info = ApplicationFailureInfo(type="x", non_retryable=True, details=details)
    failed = RespondActivityTaskFailedByIdRequest(
        namespace=house.client.namespace,
        workflow_id=described.id,
        run_id=described.run_id,
        activity_id=activity_id,
        failure=Failure(message="x", application_failure_info=info, encoded_attributes=UNREADABLE["no json"]),
    )
    await house.client.workflow_service.respond_activity_task_failed_by_id(failed)


async def ask_about(handle: Handle, wish_id: str, update_id: str = "") -> object:
    wish = ExtendInput(wish_id=wish_id)
    return await handle.execute_update(AccessRequestWorkflow.request_extension, wish, id=update_id or None)


async def test_update_with_the_same_id_twice_is_one_question(house: House) -> None:
    """Both senders get the one verdict, and the access is extended once."""
    async with house.working():
        ticket, handle = await hold(house)
        wish_id = house.tickets.comment_as(ticket, "/extend 30m", "alice")
        async with asyncio.TaskGroup() as senders:
            asked = [senders.create_task(ask_about(handle, wish_id, "the same")) for _ in range(2)]
        verdicts = [await asked[0], await asked[1], await ask_about(handle, wish_id, "another")]
        assert verdicts[0] == verdicts[1] == verdicts[2]
        await handle.signal("revoke")
        await house.soon(handle.result())
    assert sum("Extended by alice" in text for text in house.comments(ticket)) == 1


async def test_update_that_comes_before_or_after_the_access_is_refused(house: House) -> None:
    """Nothing is waiting to be extended then, and the sender hears so at once."""
    async with house.working():
        ticket = house.ask()
        handle = await house.start(ticket)
        await house.asked(ticket)
        with pytest.raises(WorkflowUpdateFailedError):
            await ask_about(handle, "7")
        await handle.signal("revoke")
        await house.soon(handle.result())
        with pytest.raises(RPCError) as caught:
            await ask_about(handle, "7")
    assert caught.value.status is RPCStatusCode.NOT_FOUND
    assert house.provider.ledger == []


async def closed_after(house: House, ticket: TicketRef, handle: Handle) -> None:
    await handle.signal("revoke")
    await house.soon(handle.result())
    assert_proved_gone(house, ticket)


async def test_hundreds_of_updates_are_answered_and_the_access_still_ends(house: House) -> None:
    """Each is refused or gets its no; many are answered by one look at the ticket, and a revoke is heard among them."""
    async with house.working():
        ticket, handle = await hold(house)
        async with asyncio.TaskGroup() as strangers:
            answered = [strangers.create_task(many_updates(handle, number)) for number in range(10)]
        assert sum(each.result() for each in answered) == 400
        assert house.is_member()
        await closed_after(house, ticket, handle)


async def many_updates(handle: Handle, stranger: int) -> int:
    """Forty questions of one stranger, half of them not even in form; returns how many were answered."""
    answered = 0
    for number in range(40):
        wish = RawValue(json_of({"wish_id": f"{stranger}{number:03}"} if number % 2 else {"wish_id": ["x"]}))
        try:
            await handle.execute_update("request_extension", wish, result_type=RawValue)
        except WorkflowUpdateFailedError:
            assert number % 2 == 0
        answered += 1
    return answered
