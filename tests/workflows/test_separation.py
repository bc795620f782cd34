"""Nobody approves for themselves, and a yes counts once, briefly, for what was shown: otherwise nothing is provisioned."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.errors import RateLimitedError
from domain.freeze import PROPERTY
from domain.ids import TicketRef, request_workflow_id
from tests.fakes.tickets import OWN_ACCOUNT
from tests.house import APPROVED, House, thaw
from tests.workflows.stories import Handle

WAITING = "Waiting for approval"
DECLINED = "Declined"


async def ask(house: House, **people: str) -> tuple[TicketRef, Handle]:
    """A request whose question has been posted."""
    ticket = house.ask(**people)
    handle = await house.start(ticket)
    await house.asked(ticket)
    await house.settled(handle)
    return ticket, handle


async def decline(house: House, ticket: TicketRef, handle: Handle) -> None:
    house.tickets.transition_as(ticket, DECLINED, "carol")
    await handle.signal("deny", {"by": "carol"})
    await house.soon(handle.result())


def assert_nothing_was_provisioned(house: House, ticket: TicketRef, name: str = "admin") -> None:
    assert house.ledger("added") == []
    assert f"judge/{house.lease_id(name)}" not in house.chains(ticket)


@pytest.mark.parametrize(
    ("people", "by", "reason"),
    [
        ({"creator": "alice", "reporter": "dave"}, "alice", "alice is the creator"),
        ({"creator": "dave", "reporter": "alice", "subject": "dave"}, "alice", "alice is the reporter"),
        ({"creator": "dave", "subject": "alice"}, "alice", "alice is the subject"),
        ({"creator": "dave"}, "bob", "bob is the editor"),
        ({"creator": "alice"}, "alice-alt", "alice is the subject"),
        ({"creator": "dave", "subject": "alice"}, "alice-alt", "alice is the subject"),
        ({"creator": "alice"}, "ghost", "ghost is not linked with exactly one person"),
        ({"creator": "alice"}, "mallory", "mallory is not an approver"),
        ({"creator": "alice"}, OWN_ACCOUNT, "Nightlatch's own account"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_approval_of_somebody_barred_provisions_nothing(
    house: House, people: dict[str, str], by: str, reason: str
) -> None:
    """Creator, reporter, subject, editor, their second accounts, strangers and we ourselves: the ticket says why not."""
    async with house.working():
        ticket = house.ask(**people)
        house.tickets.edit(ticket, "Reason", "an incident, see above", "bob" if "editor" in reason else "dave")
        handle = await house.start(ticket)
        await house.asked(ticket)
        await house.approve(ticket, handle, by)
        await house.told(ticket, reason)
        await decline(house, ticket, handle)
    assert_nothing_was_provisioned(house, ticket)
    (answered,) = (record for record in house.chains(ticket)[request_workflow_id(ticket)] if record.kind == "answered")
    assert answered.facts["counts"] is False


async def test_approval_before_the_question_was_posted_does_not_count(house: House) -> None:
    """Who said yes to a ticket has not seen what is asked; only the yes that follows the posted question is used."""
    async with house.working():
        ticket = house.ask()
        house.tickets.transition_as(ticket, APPROVED, "bob")
        handle = await house.start(ticket)
        await house.asked(ticket)
        await handle.signal("approve", {"by": "bob"})
        await house.settled(handle)
        assert_nothing_was_provisioned(house, ticket)
        house.tickets.transition_as(ticket, WAITING, "bob")
        await house.approve(ticket, handle)
        await house.until(house.is_member)
        await handle.signal("revoke", {})
        await house.soon(handle.result())
    (armed,) = house.chains(ticket)[f"judge/{house.lease_id()}"]
    assert armed.facts["answer"] == [c for c in house.tickets.changes(ticket) if c.new == APPROVED][-1].change_id


async def test_edit_between_view_and_approval_asks_anew(house: House) -> None:
    """The yes was given to another text: a new question is posted, and only its own answer is used."""
    async with house.working():
        ticket, handle = await ask(house)
        house.tickets.edit(ticket, "Duration", "2h", "alice")
        await house.approve(ticket, handle)
        await house.asked(ticket, rounds=2)
        await house.settled(handle)
        assert_nothing_was_provisioned(house, ticket)
        house.tickets.transition_as(ticket, WAITING, "bob")
        await house.approve(ticket, handle)
        await house.until(house.is_member)
        await handle.signal("revoke", {})
        await house.soon(handle.result())
    chains = house.chains(ticket)
    asked, (armed,) = chains[f"judge/{request_workflow_id(ticket)}"], chains[f"judge/{house.lease_id()}"]
    assert [record.facts["digest"] == armed.facts["digest"] for record in asked] == [False, True]


async def test_edit_that_is_taken_back_voids_the_approval_too(house: House) -> None:
    """The text reads as it was shown, but nobody knows which of the two was approved."""
    async with house.working():
        ticket, handle = await ask(house)
        house.tickets.edit(ticket, "Duration", "2h", "alice")
        house.tickets.transition_as(ticket, APPROVED, "bob")
        house.tickets.edit(ticket, "Duration", "1h", "alice")
        await handle.signal("approve", {})
        await house.asked(ticket, rounds=2)
        await decline(house, ticket, handle)
    assert_nothing_was_provisioned(house, ticket)


def edit(house: House, ticket: TicketRef) -> None:
    house.tickets.edit(ticket, "Reason", "another incident", "alice")


def move_back(house: House, ticket: TicketRef) -> None:
    house.tickets.transition_as(ticket, WAITING, "bob")


def close(house: House, ticket: TicketRef) -> None:
    house.tickets.transition_as(ticket, "Closed", "bob")


def take_over(house: House, ticket: TicketRef) -> None:
    house.tickets.transition_as(ticket, WAITING, "alice")
    house.tickets.transition_as(ticket, APPROVED, "alice")


def move(house: House, ticket: TicketRef) -> None:
    house.tickets.move(ticket, "OPS")


def freeze(house: House, ticket: TicketRef) -> None:
    del ticket
    thaw(house, frozen=True)


def scribble_over_the_freeze(house: House, ticket: TicketRef) -> None:
    del ticket
    house.tickets.properties(house.control)[PROPERTY] = '{"frozen":false}'


def lose_the_freeze(house: House, ticket: TicketRef) -> None:
    del ticket
    del house.tickets.properties(house.control)[PROPERTY]


def hide_the_control_ticket(house: House, ticket: TicketRef) -> None:
    del ticket
    house.tickets.delete(house.control)


def drop_the_approver(house: House, ticket: TicketRef) -> None:
    del ticket
    set_route(house, approvers=("alice", "carol"))


def drop_the_entitlement(house: House, ticket: TicketRef) -> None:
    del ticket
    entitlements = {"pair": house.catalogue.entitlements["pair"]}
    house.catalogue = house.catalogue.model_copy(update={"entitlements": entitlements})


def delete_the_question(house: House, ticket: TicketRef) -> None:
    (question,) = (c for c in house.tickets.comments(ticket) if "Your answer is bound to" in c.text)
    house.tickets.edit_comment(ticket, question.comment_id, "Please approve.")


def set_route(house: House, **changes: Any) -> None:
    admin = house.catalogue.entitlements["admin"]
    changed = admin.model_copy(update={"approval": admin.approval.model_copy(update=changes)})
    entitlements = {**house.catalogue.entitlements, "admin": changed}
    house.catalogue = house.catalogue.model_copy(update={"entitlements": entitlements})


@pytest.mark.parametrize(
    ("meanwhile", "reason"),
    [
        (edit, "what is asked for has changed since it was shown"),
        (move_back, "the approval does not stand"),
        (close, "bob set the ticket to 'Closed'"),
        (take_over, "alice is the subject of this request"),
        (move, "in OPS"),
        (freeze, "frozen by carol"),
        (scribble_over_the_freeze, "does not verify"),
        (lose_the_freeze, "bears no freeze record"),
        (hide_the_control_ticket, "does not exist, or we may not see it"),
        (drop_the_approver, "what is asked for has changed since it was shown"),
        (drop_the_entitlement, "is not in the catalogue"),
        (delete_the_question, "the posted question is not on the ticket"),
    ],
)
async def test_change_between_approval_and_grant_provisions_nothing(
    house: House, meanwhile: Callable[[House, TicketRef], None], reason: str
) -> None:
    """What was judged a moment ago is judged again by whoever issues the warrant, and the ticket says why there is none."""
    gate = house.provider.hold("verify")
    async with house.working():
        ticket, handle = await ask(house)
        await house.approve(ticket, handle)
        await gate.reached()
        meanwhile(house, ticket)
        gate.release()
        await house.soon(handle.result())
    assert_nothing_was_provisioned(house, ticket)
    assert house.ledger("removed", "sessions_ended") == []
    assert "refused" in house.kinds(ticket, house.lease_id())
    assert any("was not granted" in text and reason in text for text in house.comments(ticket))


async def test_edit_while_the_warrant_is_being_judged_provisions_nothing(house: House) -> None:
    """The edit comes while the judge waits for the ticket's answer: the answer that it gets is the edited one."""
    look = house.provider.hold("verify")
    async with house.working():
        ticket, handle = await ask(house)
        await house.approve(ticket, handle)
        await look.reached()
        reading = house.tickets.hold("read")
        look.release()
        await reading.reached()
        edit(house, ticket)
        reading.release()
        await house.soon(handle.result())
    assert_nothing_was_provisioned(house, ticket)


async def test_approval_that_is_used_too_late_is_void(house: House) -> None:
    """An approval older than it may be used provisions nothing, whether it is found late or used late."""
    set_route(house, valid_for=timedelta(seconds=1))
    async with house.working():
        ticket, handle = await ask(house)
        house.tickets.transition_as(ticket, APPROVED, "bob")
        await age(house, ticket)
        await handle.signal("approve", {})
        await house.told(ticket, "older than it may be used")
        gate = house.provider.hold("verify")
        house.tickets.transition_as(ticket, WAITING, "bob")
        await house.approve(ticket, handle)
        await gate.reached()
        await age(house, ticket)
        gate.release()
        await house.soon(handle.result())
    assert_nothing_was_provisioned(house, ticket)
    assert any("was not granted" in text and "older than it may be used" in text for text in house.comments(ticket))


async def age(house: House, ticket: TicketRef) -> None:
    answered_at = house.tickets.changes(ticket)[-1].at
    await house.until(lambda: datetime.now(UTC) > answered_at + timedelta(seconds=1.05))


async def test_approval_that_was_moved_back_before_the_hint_provisions_nothing(house: House) -> None:
    """What counts is where the ticket stands now, not that it once stood approved."""
    async with house.working():
        ticket, handle = await ask(house)
        house.tickets.transition_as(ticket, APPROVED, "bob")
        move_back(house, ticket)
        await handle.signal("approve", {"by": "bob"})
        await house.settled(handle)
        await decline(house, ticket, handle)
    assert_nothing_was_provisioned(house, ticket)
    assert house.provider.ledger == []


async def test_ticket_that_was_moved_before_approval_is_refused(house: House) -> None:
    """Another project has other approvers and other readers: the request ends there, and says so."""
    async with house.working():
        ticket, handle = await ask(house)
        move(house, ticket)
        await house.approve(ticket, handle)
        await house.soon(handle.result())
    assert house.provider.ledger == []
    assert any("Closed: refused" in text and "in OPS" in text for text in house.comments(ticket))


async def test_freeze_that_cannot_be_read_is_a_freeze(house: House) -> None:
    """With the control ticket unreadable for longer than arming may take, nothing is granted."""
    gate = house.provider.hold("verify")
    async with house.working():
        ticket, handle = await ask(house)
        await house.approve(ticket, handle)
        await gate.reached()
        busy = RateLimitedError("the ticket system is ill", delay=timedelta(minutes=5))
        house.tickets.fail("read_properties", busy)
        gate.release()
        await house.soon(handle.result())
    assert_nothing_was_provisioned(house, ticket)
    assert any("was not granted" in text and "is ill" in text for text in house.comments(ticket))


async def test_approval_of_a_request_that_has_lapsed_does_not_revive_it(house: House) -> None:
    """The ticket bears the end of its request: whoever reopens and approves it, and starts it again, has to ask anew."""
    set_route(house, lapse_after=timedelta(seconds=1))
    async with house.working():
        ticket, handle = await ask(house)
        await house.soon(handle.result())
        house.tickets.transition_as(ticket, APPROVED, "bob")
        again = await house.start(ticket)
        await house.soon(again.result())
    assert_nothing_was_provisioned(house, ticket)
    assert house.provider.ledger == []
