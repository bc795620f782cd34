"""The ticket's machine records edited, deleted or copied, at every moment: no record is authority that does not verify."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from domain.ids import TicketRef, request_workflow_id
from tests.house import APPROVED, PATIENCE_SECONDS, House
from tests.workflows.porter import employ
from tests.workflows.stories import PROMPTLY, Handle, actions, assert_proved_gone, close, hold

ONCE = ["absent", "added", "present", "removed", "absent", "absent"]
Tampering = Callable[[House, TicketRef, str], None]


def key_of(house: House, ticket: TicketRef, writer: str) -> str:
    properties = house.tickets.properties(ticket)
    return next(key for key, text in properties.items() if f'"writer":"{writer}"' in text)


def edited(house: House, ticket: TicketRef, writer: str) -> None:
    """One instant in one record is another, and the property is still well-formed."""
    properties, key = house.tickets.properties(ticket), key_of(house, ticket, writer)
    changed = properties[key].replace('"at":"20', '"at":"21', 1)
    assert changed != properties[key]
    properties[key] = changed


def deleted(house: House, ticket: TicketRef, writer: str) -> None:
    del house.tickets.properties(ticket)[key_of(house, ticket, writer)]


def copied(house: House, ticket: TicketRef, writer: str) -> None:
    """It stands on another ticket, as it was, and here is what stood there: nothing that is ours."""
    other = house.ask()
    house.tickets.properties(other)[key_of(house, ticket, writer)] = '{"records":[],"v":1}'
    key = key_of(house, ticket, writer)
    mine, theirs = house.tickets.properties(ticket), house.tickets.properties(other)
    mine[key], theirs[key] = theirs[key], mine[key]


TAMPERINGS: list[Tampering] = [edited, deleted, copied]
tampered = pytest.mark.parametrize("tamper", TAMPERINGS)


def the_judge_of_the_request(ticket: TicketRef) -> str:
    return f"judge/{request_workflow_id(ticket)}"


def the_judge_of_the_lease(house: House) -> str:
    return f"judge/{house.lease_id()}"


async def stuck_or_settled(handle: Handle) -> None:
    """Return when a request has acted on all that it was told, or has found that it cannot: an attempt has failed."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            described = (await handle.describe()).raw_description
            attempts = [each.attempt for each in described.pending_activities]
            if any(attempt > 1 for attempt in attempts):
                return
            if not attempts and not described.HasField("pending_workflow_task"):
                return
            await asyncio.sleep(0.02)


async def end(house: House, handle: Handle) -> None:
    await handle.signal("revoke")
    await house.soon(handle.result())


@tampered
async def test_question_tampered_with_before_the_approval_grants_nothing(house: House, tamper: Tampering) -> None:
    """An answer to a question that is not recorded as it was posted is no answer."""
    async with house.working():
        ticket = house.ask()
        handle = await house.start(ticket)
        await house.asked(ticket)
        await house.settled(handle)
        tamper(house, ticket, the_judge_of_the_request(ticket))
        house.tickets.transition_as(ticket, APPROVED, "bob")
        await handle.signal("approve", {"by": "bob"})
        await stuck_or_settled(handle)
        await end(house, handle)
    assert house.provider.ledger == []
    assert any("Closed:" in text for text in house.comments(ticket))


@tampered
async def test_question_tampered_with_between_approval_and_grant_grants_nothing(
    house: House, tamper: Tampering
) -> None:
    """The judge who arms reads it again, and finds no question that was answered."""
    gate = house.provider.hold("verify")
    async with house.working():
        ticket, handle = await house.approved()
        await gate.reached()
        tamper(house, ticket, the_judge_of_the_request(ticket))
        gate.release()
        await house.soon(handle.result())
    assert house.ledger("added", "removed") == []
    assert any("was not granted" in text for text in house.comments(ticket))


@tampered
async def test_armed_record_tampered_with_before_its_warrant_is_used_grants_nothing(
    jumping_house: House, tamper: Tampering
) -> None:
    """The process that holds the credential looks for the record that its warrant names, and adds nothing without it."""
    house = jumping_house
    gate = employ(house).hold("grant_access")
    async with house.working():
        ticket, handle = await house.approved()
        await gate.reached()
        tamper(house, ticket, the_judge_of_the_lease(house))
        gate.release()
        await house.until(lambda: len(house.ledger("looked")) > 1)
        await house.jump(house.lease(), timedelta(minutes=1))
        await house.soon(handle.result())
    assert house.ledger("added") == []
    assert any("granting failed" in text for text in house.comments(ticket)), house.comments(ticket)


@tampered
async def test_every_record_tampered_with_while_the_access_is_held_moves_no_end(
    house: House, tamper: Tampering
) -> None:
    """Removing reads no record: the access ends on time, and what happened is told anew where it does not verify."""
    async with house.working():
        ticket, handle = await hold(house, "3s")
        await house.settled(handle)
        for writer in (the_judge_of_the_request(ticket), the_judge_of_the_lease(house), handle.id):
            tamper(house, ticket, writer)
        await house.soon(handle.result())
    assert actions(house) == ONCE
    assert house.ledger("removed")[-1].at - house.ledger("added")[0].at <= timedelta(seconds=3) + PROMPTLY
    told = "".join(house.tickets.properties(ticket).values())
    assert '"kind":"proved"' in told
    assert '"kind":"closed"' in told


@tampered
async def test_armed_record_tampered_with_before_an_extension_extends_nothing(
    jumping_house: House, tamper: Tampering
) -> None:
    """The end in force is read from the judge's own records: without them there is none to be moved, and no paper waits for it."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house, "4s")
        tamper(house, ticket, the_judge_of_the_lease(house))
        house.tickets.comment_as(ticket, "/extend 30m", "alice")
        await handle.signal("extend", {"by": "alice"})
        await close(house, handle)
    await house.told(ticket, "Not extended, as alice wished")
    assert actions(house)[-2:] == ["absent", "absent"]
    assert house.ledger("removed")[0].at - house.ledger("added")[0].at <= timedelta(seconds=4) + PROMPTLY


async def test_comments_edited_or_gone_while_the_access_is_held_change_nothing(house: House) -> None:
    """What stands in comments is for people: not even the approvers' question, rewritten, says how long access lasts."""
    async with house.working():
        ticket, handle = await hold(house, "3s")
        comments = house.tickets.comments(ticket)
        for number, comment in enumerate(comments):
            text = "Access is active until 2099-01-01 00:00 UTC" if number % 2 else ""
            house.tickets.edit_comment(ticket, comment.comment_id, text)
        await house.soon(handle.result())
    assert_proved_gone(house, ticket)
    assert actions(house) == ONCE
