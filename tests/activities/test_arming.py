"""The judge's hand: what must stand on the ticket at the very moment in which a warrant is issued, and after."""

from datetime import datetime, timedelta

import pytest
from temporalio.exceptions import ApplicationError

from activities.records import judge_writer
from domain.errors import RetryableError
from domain.evidence import RecordKind
from domain.lease_messages import ArmExtensionInput, ArmInput, ArmResult, GrantInput, LeaseOrder, VoidExtensionInput
from domain.ledger import ends_in_force
from domain.values import parse_instant
from domain.warrant import Warrant
from tests.activities.office import LEASE, RUN, Office

HALF_AN_HOUR = timedelta(minutes=30)


async def kinds(office: Office, order: LeaseOrder) -> list[str]:
    return [str(record.kind) for record in await office.chain(order.ticket, judge_writer(LEASE))]


async def extend(
    office: Office, order: LeaseOrder, wish: str, old: datetime, new: datetime, run: str = RUN
) -> ArmResult:
    request = ArmExtensionInput(order=order, wish_id=wish, current_end=old, new_end=new)
    return await office.call(office.arming.arm_extension, request, LEASE, run)


async def wished(office: Office, text: str = "/extend 30m", by: str = "alice") -> tuple[GrantInput, str]:
    armed = await office.armed()
    office.at += timedelta(seconds=5)
    return armed, office.tickets.comment_as(armed.order.ticket, text, by)


async def test_arming_writes_the_end_on_the_ticket_before_the_warrant(office: Office) -> None:
    """The warrant names the record of its own run, which stands on the ticket with the same end."""
    request = await office.armed()
    warrant = request.warrant.open(Warrant, office.keys.trusted)
    (record,) = await office.chain(request.order.ticket, judge_writer(LEASE))
    assert (record.kind, record.hash) == (RecordKind.ARMED, warrant.record)
    assert parse_instant(record.facts["until"]) == warrant.expires_at == request.order.expires_at
    assert (warrant.lease_id, warrant.run_id) == (LEASE, RUN)


async def test_arming_again_for_the_same_run_writes_nothing_new(office: Office) -> None:
    """A retry whose first reply was lost finds its own record and gets a warrant for the same end."""
    request = await office.armed()
    again = await office.arm(request.order)
    assert again.warrant is not None
    assert await kinds(office, request.order) == ["armed"]


async def test_second_arming_on_one_approval_is_refused(office: Office) -> None:
    """An approval is good once: another run of the lease is told who has used it."""
    request = await office.armed()
    second = await office.arm(request.order, run="run-2")
    assert second.warrant is None
    assert "already used by run run-1" in second.refused[0]
    assert await kinds(office, request.order) == ["armed"]


async def test_same_run_cannot_be_armed_with_another_end(office: Office) -> None:
    """Asking again with other words is not a retry."""
    request = await office.armed()
    minute, order = timedelta(minutes=1), request.order
    ends = {"expires_at": order.expires_at - minute, "never_after": order.never_after - minute}
    shorter = order.model_copy(update=ends)
    assert "another end" in (await office.arm(shorter)).refused[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"expires_at": timedelta(days=400)}, "is not the approval plus the duration"),
        ({"never_after": timedelta(days=400)}, "beyond the extension terms"),
        ({"entitlement": "pair"}, "not what the ticket asks for"),
        ({"terms_digest": "sha256:other"}, "the approval does not stand"),
        ({"end_only": True}, "only ends access"),
    ],
    ids=["end", "last end", "entitlement", "digest", "end_only"],
)
async def test_order_that_nobody_approved_is_not_armed(office: Office, change: dict[str, object], reason: str) -> None:
    """The order is a wish, the ticket is the truth: whatever exceeds it gets no warrant and leaves no record."""
    order = await office.approved()
    told = {name: office.at + value if isinstance(value, timedelta) else value for name, value in change.items()}
    result = await office.arm(order.model_copy(update=told))
    assert result.warrant is None
    assert reason in result.refused[0]
    assert await kinds(office, order) == []


async def test_only_the_lease_itself_is_armed(office: Office) -> None:
    """Lease id and run id come from the server: nobody can ask for somebody else's warrant."""
    order = await office.approved()
    for caller in ("request:example/1", LEASE.replace("alice", "bob"), None):
        with pytest.raises(ApplicationError, match="spoke for") as caught:
            await office.call(office.arming.arm_lease, ArmInput(order=order), caller)
        assert caught.value.non_retryable


async def test_ticket_without_an_approval_arms_nothing(office: Office) -> None:
    """No approval, no warrant, whatever the order says."""
    ticket = office.ask()
    order = office.order(ticket, await office.open(ticket))
    assert "the approval does not stand" in (await office.arm(order)).refused[0]


async def test_frozen_house_arms_nothing(office: Office) -> None:
    """Frozen, unreadable or without a word on the control ticket: nothing is armed."""
    order = await office.approved()
    office.freeze(frozen=True)
    assert "frozen by carol" in (await office.arm(order)).refused[0]
    office.tickets.properties(office.control).clear()
    assert "bears no freeze record" in (await office.arm(order)).refused[0]
    office.tickets.fail("read_properties", RetryableError("down"))
    with pytest.raises(ApplicationError):
        await office.arm(order)


async def test_word_from_before_a_freeze_that_is_put_back_over_it_arms_nothing(office: Office) -> None:
    """Who may write the control ticket still lifts no freeze by copying: a process that has read the newer word remembers it."""
    order = await office.approved()
    earlier = dict(office.tickets.properties(office.control))
    office.at += timedelta(seconds=5)
    office.freeze(frozen=True)
    assert "frozen by carol" in (await office.arm(order)).refused[0]
    office.tickets.properties(office.control).update(earlier)
    assert "is older than one of" in (await office.arm(order)).refused[0]


async def test_approval_that_was_edited_away_arms_nothing(office: Office) -> None:
    """What was changed after the approval is not what was approved."""
    order = await office.approved()
    office.tickets.edit(order.ticket, "Reason", "another reason", "alice")
    assert "changed" in (await office.arm(order)).refused[0]


async def test_extension_moves_the_end_by_its_own_record(office: Office) -> None:
    """A wish of the requester is recorded with both ends, and the warrant permits exactly the new one."""
    armed, wish = await wished(office)
    old = armed.order.expires_at
    result = await extend(office, armed.order, wish, old, old + HALF_AN_HOUR)
    assert result.warrant is not None
    assert result.warrant.open(Warrant, office.keys.trusted).expires_at == old + HALF_AN_HOUR
    again = await extend(office, armed.order, wish, old, old + HALF_AN_HOUR)
    assert again.warrant is not None, "a retry of the same wish is not a second use"
    assert await kinds(office, armed.order) == ["armed", "extended"]


@pytest.mark.parametrize(
    ("text", "by", "add", "reason"),
    [
        ("/extend 30m", "alice", timedelta(hours=2), "not those that the ticket's records allow"),
        ("/extend 30m", "mallory", HALF_AN_HOUR, "only the requester or the subject"),
        ("more, please", "alice", HALF_AN_HOUR, "not an extension wish"),
        ("/extend 2h", "alice", timedelta(hours=2), "is more than"),
    ],
    ids=["another end", "a stranger", "no wish", "over the cap"],
)
async def test_extension_beyond_the_wish_is_refused(
    office: Office, text: str, by: str, add: timedelta, reason: str
) -> None:
    """No argument moves an end: the wish on the ticket, its author and the terms do."""
    armed, wish = await wished(office, text, by)
    old = armed.order.expires_at
    result = await extend(office, armed.order, wish, old, old + add)
    assert (result.warrant, reason in result.refused[0]) == (None, True), result.refused


async def test_extension_of_a_run_that_was_never_armed_is_refused(office: Office) -> None:
    """The end in force is read from the records of the calling run; a run without any has none."""
    armed, wish = await wished(office)
    old = armed.order.expires_at
    result = await extend(office, armed.order, wish, old, old + HALF_AN_HOUR, run="run-2")
    assert "no longer stands" in result.refused[0]


@pytest.mark.parametrize("what", ["frozen", "closed", "skewed", "late"])
async def test_extension_needs_an_open_house_and_ticket(office: Office, what: str) -> None:
    """What forbids a grant forbids more time as well."""
    armed, wish = await wished(office)
    old = armed.order.expires_at
    match what:
        case "frozen":
            office.freeze(frozen=True)
        case "closed":
            office.tickets.transition_as(armed.order.ticket, "Closed", "carol")
        case "late":
            office.at = old
        case _:
            began = office.at
            office.at += timedelta(minutes=1)
            office.tickets.edit(armed.order.ticket, "Access state", "late", "carol")
            office.at = began
    result = await extend(office, armed.order, wish, old, old + HALF_AN_HOUR)
    assert result.warrant is None
    assert result.refused[0]


async def test_void_extension_leaves_the_old_end_in_force(office: Office) -> None:
    """A voided extension counts neither as an end nor as one of the times; its wish cannot be used again."""
    armed, wish = await wished(office)
    order, old = armed.order, armed.order.expires_at
    await extend(office, order, wish, old, old + HALF_AN_HOUR)
    for _ in range(2):
        await office.call(office.arming.void_extension, VoidExtensionInput(order=order, wish_id=wish, end=old))
    assert await kinds(office, order) == ["armed", "extended", "extension_void"]
    assert ends_in_force(await office.chain(order.ticket, judge_writer(LEASE)), RUN) == [old]
    assert "was used before" in (await extend(office, order, wish, old, old + HALF_AN_HOUR)).refused[0]


async def test_void_of_an_unknown_wish_writes_nothing(office: Office) -> None:
    """What was never extended needs no voiding."""
    armed = await office.armed()
    void = VoidExtensionInput(order=armed.order, wish_id="404", end=armed.order.expires_at)
    await office.call(office.arming.void_extension, void)
    assert await kinds(office, armed.order) == ["armed"]
