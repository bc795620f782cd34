"""Extensions: applied once and in time, on every target or none; otherwise the old end stays, and the ticket says why."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from domain.catalogue import ExtensionTerms
from domain.errors import ForbiddenError
from domain.evidence import Record, RecordKind
from domain.extension import ExtensionVerdict
from domain.ids import TicketRef, request_workflow_id
from domain.ledger import ends_in_force
from domain.messages import ExtendInput
from domain.queues import Queue
from tests.house import House
from tests.queues import all_but
from tests.workflows.stories import PROMPTLY, Handle, hold
from workflows.access_request import AccessRequestWorkflow


async def wish(house: House, ticket: TicketRef, handle: Handle, text: str, by: str = "alice") -> ExtensionVerdict:
    """Write a wish on the ticket and return the verdict that the request answers with."""
    return await ask_about(handle, house.tickets.comment_as(ticket, text, by))


LONG_ENOUGH = "8s"
"""For a wish to be made, and to reach its gate, before the end, also on a busy machine."""


async def ask_about(handle: Handle, wish_id: str) -> ExtensionVerdict:
    return await handle.execute_update(AccessRequestWorkflow.request_extension, ExtendInput(wish_id=wish_id))


async def end(house: House, handle: Handle) -> None:
    await handle.signal("revoke", {"by": "test"})
    await house.soon(handle.result())


def judged(house: House, ticket: TicketRef, name: str = "admin") -> tuple[Record, ...]:
    return house.chains(ticket)[f"judge/{house.lease_id(name)}"]


def ends(house: House, ticket: TicketRef, name: str = "admin") -> list[datetime]:
    """The end at which this target was armed, and every end in force since, by the judge's records."""
    chain = judged(house, ticket, name)
    return ends_in_force(chain, str(chain[0].facts["run"]))


def voided(house: House, ticket: TicketRef, name: str = "admin") -> bool:
    return RecordKind.EXTENSION_VOID in {record.kind for record in judged(house, ticket, name)}


def removed_at(house: House, name: str = "admin") -> datetime:
    """When the vendor took the member out: once."""
    (at,) = (e.at for e in house.ledger("removed") if e.changed and e.target == house.target(name))
    return at


def set_terms(house: House, terms: ExtensionTerms) -> None:
    entitlements: dict[str, Any] = {
        key: entitlement.model_copy(update={"extension": terms})
        for key, entitlement in house.catalogue.entitlements.items()
    }
    house.catalogue = house.catalogue.model_copy(update={"entitlements": entitlements})


async def test_extend_in_time_moves_the_end_by_what_was_wished(jumping_house: House) -> None:
    """Access outlives the first end by exactly the span in the comment, and ends then."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        (first_end,) = ends(house, ticket)
        verdict = await wish(house, ticket, handle, "/extend 30m")
        assert (verdict.granted, verdict.new_end) == (True, first_end + timedelta(minutes=30))
        assert ends(house, ticket) == [first_end, verdict.new_end]
        await house.told(ticket, "Extended by alice's wish")
        await house.jump(house.lease(), timedelta(minutes=65))
        assert house.is_member()
        await house.jump(house.lease(), timedelta(minutes=26))
        await house.soon(handle.result())
    assert timedelta(0) <= removed_at(house) - first_end - timedelta(minutes=30) < PROMPTLY


async def test_extend_of_two_targets_moves_both_ends(jumping_house: House) -> None:
    """All targets of a request are prolonged to the same instant."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house, entitlement="pair")
        verdict = await wish(house, ticket, handle, "/extend 30m")
        assert verdict.granted
        assert ends(house, ticket, "left")[-1] == ends(house, ticket, "right")[-1] == verdict.new_end
        for name in ("left", "right"):
            await house.jump(house.lease(name), timedelta(minutes=91))
        await house.soon(handle.result())
    for name in ("left", "right"):
        assert verdict.new_end is not None
        assert timedelta(0) <= removed_at(house, name) - verdict.new_end < PROMPTLY


async def test_extend_while_one_of_two_targets_refuses_moves_neither(jumping_house: House) -> None:
    """The target that could be prolonged keeps its old end too, and its record of the new one is void."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house, entitlement="pair")
        (first_end,) = ends(house, ticket, "left")
        house.provider.remove_by_hand(house.target("right"), house.subject())
        answer = asyncio.create_task(wish(house, ticket, handle, "/extend 30m"))
        looks = len(house.ledger("looked"))
        await house.until(lambda: len(house.ledger("looked")) >= looks + 3)
        await house.jump(house.lease("right"), timedelta(seconds=10))
        verdict = await house.soon(answer)
        assert isinstance(verdict, ExtensionVerdict)
        assert not verdict.granted
        assert "read back absent" in verdict.reason
        for name in ("left", "right"):
            await house.until(lambda name=name: voided(house, ticket, name))  # type: ignore[misc]
            assert ends(house, ticket, name) == [first_end]
            await house.jump(house.lease(name), timedelta(minutes=62))
        await house.soon(handle.result())
    assert timedelta(0) <= removed_at(house, "left") - first_end < PROMPTLY


async def test_extend_in_final_second_is_applied_once(house: House) -> None:
    """A wish that is settled before the end counts, however late, and however often it is hinted at."""
    async with house.working():
        ticket, handle = await hold(house, LONG_ENOUGH)
        (first_end,) = ends(house, ticket)
        gate = house.provider.hold("verify")
        answer = asyncio.create_task(wish(house, ticket, handle, "/extend 3s"))
        for _ in range(3):
            await handle.signal("extend", {"by": "alice"})
        await gate.reached()
        await house.until(lambda: datetime.now(UTC) >= first_end - timedelta(seconds=0.9))
        gate.release()
        verdict = await answer
        assert verdict.granted, verdict.reason
        assert ends(house, ticket) == [first_end, first_end + timedelta(seconds=3)]
        await house.soon(handle.result())
    assert removed_at(house) >= first_end + timedelta(seconds=3)
    assert len(house.ledger("added")) == 1


async def test_extend_that_arrived_in_time_and_is_settled_too_late_is_void(jumping_house: House) -> None:
    """What counts is the instant of the deed, not of the wish: the old end is in force, and access ends on it."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house, LONG_ENOUGH)
        (first_end,) = ends(house, ticket)
        gate = house.provider.hold("verify")
        answer = asyncio.create_task(wish(house, ticket, handle, "/extend 30m"))
        await gate.reached()
        await house.until(lambda: bool(house.ledger("removed")))
        gate.release()
        await house.jump(house.lease(), timedelta(minutes=1))
        await house.soon(handle.result())
        assert not (await answer).granted
    assert voided(house, ticket)
    assert ends(house, ticket) == [first_end]
    assert timedelta(0) <= removed_at(house) - first_end < PROMPTLY


async def test_extend_that_nobody_commits_leaves_the_old_end(jumping_house: House) -> None:
    """A target that has prolonged waits for the word that all have; the request is away, and the lease ends at its time."""
    house = jumping_house
    async with house.working(all_but(Queue.REQUESTS)):
        async with house.working([Queue.REQUESTS]):
            ticket, handle = await hold(house)
            (first_end,) = ends(house, ticket)
            gate = house.provider.hold("verify")
            house.tickets.comment_as(ticket, "/extend 30m", "alice")
            await handle.signal("extend", {"by": "alice"})
            await gate.reached()
        gate.release()
        await house.settled(house.lease())
        await house.jump(house.lease(), timedelta(minutes=61))
        await house.until(lambda: not house.is_member())
        async with house.working([Queue.REQUESTS]):
            await house.jump(house.lease(), timedelta(minutes=1))
            await house.soon(handle.result())
    assert ends(house, ticket) == [first_end]
    assert timedelta(0) <= removed_at(house) - first_end < PROMPTLY
    assert any("Not extended" in text for text in house.comments(ticket))


async def test_extend_after_expiry_is_refused_and_the_ticket_says_so(house: House) -> None:
    """A wish that comes while access is being taken away, or was taken away, adds nothing and still gets its verdict."""
    async with house.working():
        ticket, handle = await hold(house, "2s")
        gate = house.provider.hold("revoke")
        await gate.reached()
        verdict = await wish(house, ticket, handle, "/extend 30m")
        assert not verdict.granted
        house.tickets.comment_as(ticket, "/extend 20m", "alice")
        gate.release()
        await house.soon(handle.result())
    assert sum("already ended" in text for text in house.comments(ticket)) == 2
    assert house.kinds(ticket, request_workflow_id(ticket)).count("extension_judged") == 2
    assert len(house.ledger("added")) == 1
    assert not house.is_member()


async def test_extend_hinted_many_times_is_applied_once(house: House) -> None:
    """One comment is one wish, whatever number of hints and questions speak of it."""
    async with house.working():
        ticket, handle = await hold(house)
        (first_end,) = ends(house, ticket)
        wish_id = house.tickets.comment_as(ticket, "/extend 30m", "alice")
        for _ in range(20):
            await handle.signal("extend", {"by": "alice"})
        verdicts = {await ask_about(handle, wish_id) for _ in range(3)}
        assert [verdict.new_end for verdict in verdicts] == [first_end + timedelta(minutes=30)]
        await end(house, handle)
    assert ends(house, ticket) == [first_end, first_end + timedelta(minutes=30)]
    assert sum("Extended by" in text for text in house.comments(ticket)) == 1


async def test_two_wishes_are_applied_in_order(house: House) -> None:
    """Each counts on top of the one before it."""
    async with house.working():
        ticket, handle = await hold(house)
        (first_end,) = ends(house, ticket)
        house.tickets.comment_as(ticket, "/extend 10m", "alice")
        verdict = await wish(house, ticket, handle, "/extend 20m")
        assert verdict.granted
        await end(house, handle)
    spans = [moved - first_end for moved in ends(house, ticket)]
    assert spans == [timedelta(0), timedelta(minutes=10), timedelta(minutes=30)]


async def test_extend_by_others_or_with_a_doubtful_comment_is_refused(house: House) -> None:
    """Strangers, approvers, unknown accounts, our own account, edited and unreadable comments move nothing."""
    async with house.working():
        ticket, handle = await hold(house)
        only = "only the requester or the subject may extend"
        for account in ("mallory", "bob", "nobody-knows", house.tickets.rules.own_account):
            assert (await wish(house, ticket, handle, "/extend 30m", account)).reason == only
        edited = house.tickets.comment_as(ticket, "/extend 5m", "alice")
        house.tickets.edit_comment(ticket, edited, "/extend 55m")
        assert "edited" in (await ask_about(handle, edited)).reason
        assert "not a duration" in (await wish(house, ticket, handle, "/extend soon")).reason
        assert "no such wish" in (await ask_about(handle, "99999")).reason
        await end(house, handle)
    assert len(ends(house, ticket)) == 1


@pytest.mark.parametrize(
    ("each", "total", "count", "wishes", "reason"),
    [
        (60, 120, 2, ["61m"], "more than the 1h allowed at a time"),
        (60, 90, 5, ["1h", "31m"], "only 30m more is allowed in total"),
        (60, 120, 2, ["10m", "10m", "10m"], "it has been extended 2 times"),
    ],
)
async def test_extend_over_a_cap_is_refused_with_the_cap(
    house: House, each: int, total: int, count: int, wishes: list[str], reason: str
) -> None:
    """Per extension, in total and by number: the last wish here goes over one, and only that wish is refused."""
    set_terms(house, ExtensionTerms(each=timedelta(minutes=each), total=timedelta(minutes=total), count=count))
    async with house.working():
        ticket, handle = await hold(house)
        verdicts = [await wish(house, ticket, handle, f"/extend {span}") for span in wishes]
        assert [verdict.granted for verdict in verdicts] == [True] * (len(wishes) - 1) + [False]
        assert reason in verdicts[-1].reason
        await end(house, handle)
    assert len(ends(house, ticket)) == len(wishes)


async def test_extend_while_the_provider_fails_leaves_the_old_end_in_force(jumping_house: House) -> None:
    """The verdict gives the vendor's words, the ticket voids the new end, and access ends at the old one."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        (first_end,) = ends(house, ticket)
        house.provider.fail("verify", ForbiddenError("the vendor says no"))
        verdict = await wish(house, ticket, handle, "/extend 30m")
        assert (verdict.granted, verdict.reason) == (False, "the vendor says no")
        house.provider.succeed("verify")
        await house.until(lambda: voided(house, ticket))
        assert ends(house, ticket) == [first_end]
        await house.told(ticket, "Not extended, as alice wished: the vendor says no")
        await house.jump(house.lease(), timedelta(minutes=62))
        await house.soon(handle.result())
    assert timedelta(0) <= removed_at(house) - first_end < PROMPTLY


async def test_revoke_overtakes_an_extension(jumping_house: House) -> None:
    """Access that is told to end while it is being prolonged ends; the wish gets its no."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        gate = house.provider.hold("verify")
        wish_id = house.tickets.comment_as(ticket, "/extend 30m", "alice")
        answer = asyncio.create_task(ask_about(handle, wish_id))
        await gate.reached()
        await handle.signal("revoke", {"by": "carol"})
        await house.until(lambda: bool(house.ledger("removed")))
        gate.release()
        await house.jump(house.lease(), timedelta(seconds=60))
        verdict = await house.soon(answer)
        await house.soon(handle.result())
    assert isinstance(verdict, ExtensionVerdict)
    assert not verdict.granted
    assert removed_at(house) < ends(house, ticket)[0]


async def test_extend_while_the_ticket_cannot_be_read_leaves_the_old_end(house: House) -> None:
    """With Jira down nobody can say who wished what: access ends at its time, and the verdict follows when Jira is back."""
    async with house.working():
        ticket, handle = await hold(house, "3s")
        (first_end,) = ends(house, ticket)
        house.tickets.comment_as(ticket, "/extend 30m", "alice")
        house.tickets.down()
        await handle.signal("extend", {"by": "alice"})
        await house.until(lambda: not house.is_member())
        assert timedelta(0) <= removed_at(house) - first_end < PROMPTLY
        house.tickets.up()
        await house.soon(handle.result())
    assert any("already ended" in text for text in house.comments(ticket))
    assert len(house.ledger("added")) == 1


async def test_request_extension_is_refused_before_anything_is_granted(house: House) -> None:
    """Before the lease is active there is nothing to prolong, and the asker is told so at once."""
    async with house.working():
        ticket = house.ask()
        handle = await house.start(ticket)
        await house.asked(ticket)
        await house.settled(handle)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await wish(house, ticket, handle, "/extend 30m")
        assert "is pending" in str(refused.value.cause)
        await handle.cancel()
        await house.soon(handle.result())
    assert house.provider.ledger == []
