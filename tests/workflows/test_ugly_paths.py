"""Ugly paths: what breaks at the vendor or in the ticket system, and access that ends all the same."""

import asyncio
from datetime import timedelta

import pytest

from domain.errors import (
    ForbiddenError,
    MalformedError,
    OutcomeUnknownError,
    RateLimitedError,
    RetryableError,
    VendorError,
)
from domain.values import parse_instant
from tests.house import APPROVED, PATIENCE_SECONDS, House
from tests.workflows.stories import A_MINUTE, PROMPTLY, actions, assert_proved_gone, close, hold
from workflows.options import STUCK_AFTER, fence

FENCE = fence(timedelta(seconds=2))
LEASE_KINDS = ["granted", "ending", "removed", "proved", "sessions_ended"]

# The grant.


async def test_kill_the_callback_from_the_idp_and_access_ends(jumping_house: House) -> None:
    """The vendor added the member and its answer never came: treated as granted, and taken back behind the fence."""
    house = jumping_house
    house.provider.land_late("grant", timedelta(seconds=0.05))
    async with house.working():
        ticket, handle = await house.approved()
        await house.until(house.is_member)
        house.provider.fail("grant", ForbiddenError("no second time"))
        await close(house, handle)
    assert_proved_gone(house, ticket)
    assert house.ledger("looked")[-1].at >= house.ledger("added")[0].at + FENCE
    assert any("Closed: not provisioned" in text for text in house.comments(ticket))


async def test_refuse_the_read_back_of_a_grant_and_access_ends(jumping_house: House) -> None:
    """A grant that was acknowledged and cannot be read back is no grant to rely on, and is taken back."""
    house = jumping_house
    gate = house.provider.hold("grant", "after")
    async with house.working():
        ticket, handle = await house.approved()
        await gate.reached()
        house.provider.fail("verify", ForbiddenError("no reading here"), times=1)
        gate.release()
        await close(house, handle)
    assert_proved_gone(house, ticket)
    assert any(
        "Closed: not provisioned (admin: granting failed (no reading here))" in c for c in house.comments(ticket)
    )


async def test_zombie_grant_that_lands_after_the_revoke_is_removed_before_the_lease_closes(
    jumping_house: House,
) -> None:
    """An attempt that was given up lands late: the second look comes behind the fence, finds it, and it begins again."""
    house = jumping_house
    house.provider.land_late("grant", timedelta(seconds=3))
    async with house.working():
        ticket, handle = await house.approved()
        await house.until(lambda: not house.provider.script._delays)
        house.provider.fail("grant", ForbiddenError("no second time"))
        await house.until(lambda: actions(house) == ["absent", "(removed)", "absent"])
        await house.provider.settle()
        assert house.is_member()
        await house.jump(house.lease(), FENCE)
        await close(house, handle)
    assert actions(house)[3:] == ["added", "present", "removed", "absent", "absent"]
    assert_proved_gone(house, ticket)


async def test_fail_the_approval_transition_and_nothing_is_provisioned(house: House) -> None:
    """Hints say yes, but the ticket does not: the transition failed, or the ticket cannot be read. The vendor hears nothing."""
    async with house.working():
        ticket = house.ask()
        handle = await house.start(ticket)
        await house.asked(ticket)
        for _ in range(3):
            await handle.signal("approve", {"by": "bob", "note": "transition failed with 409"})
        await house.settled(handle)
        house.tickets.fail("read", RetryableError("the ticket system is ill"), times=2)
        await handle.signal("approve", {"by": "bob"})
        await house.settled(handle)
        assert house.provider.ledger == []
        house.tickets.transition_as(ticket, "Declined", "bob")
        await handle.signal("deny", {"by": "bob"})
        await house.soon(handle.result())
    assert house.provider.ledger == []


async def test_pull_the_mapped_group_and_the_grant_is_refused_nothing_half_done(house: House) -> None:
    """The group is gone when the lease looks: nothing is sent for it, and its sibling is not left behind."""
    async with house.working():
        ticket = house.ask(entitlement="pair")
        handle = await house.start(ticket)
        await house.asked(ticket)
        house.provider.delete_group(house.target("right"))
        await house.approve(ticket, handle)
        await house.soon(handle.result())
    assert not house.is_member("left")
    assert actions(house, "right") == []
    assert any("was not granted" in text and "group 00gright does not exist" in text for text in house.comments(ticket))
    if "added" in actions(house, "left"):
        assert_proved_gone(house, ticket, "left")


async def test_refusal_that_cannot_be_written_down_does_not_hold_its_sibling_on(jumping_house: House) -> None:
    """Told to the request before its own paper: while Jira takes no comment, the target that was granted is taken back."""
    house = jumping_house
    async with house.working():
        ticket = house.ask(entitlement="pair")
        handle = await house.start(ticket)
        await house.asked(ticket)
        house.provider.delete_group(house.target("right"))
        house.tickets.fail("comment", RetryableError("503"), times=None)
        await house.approve(ticket, handle)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await handle.query("status"))["state"] != "revoking":
                await asyncio.sleep(0.05)
        await house.until(lambda: not house.is_member("left"))
        house.tickets.succeed("comment")
        await house.jump(house.lease("left"), A_MINUTE)
        await house.soon(handle.result())
    assert not house.is_member("left")


async def test_pull_the_mapped_group_between_look_and_grant_and_nothing_is_half_done(jumping_house: House) -> None:
    """The grant is refused, the sibling is taken back, and the lease goes on asking until the vendor can prove absence."""
    house = jumping_house
    gate = house.provider.hold("grant")
    async with house.working():
        ticket, handle = await house.approved(entitlement="pair")
        await house.until(lambda: actions(house, "left") == actions(house, "right") == ["absent"])
        await gate.reached()
        house.provider.delete_group(house.target("right"))
        gate.release()
        await house.until(lambda: "removed" in actions(house, "left"))
        house.provider.make_group("00gright")
        await close(house, handle, "left", "right")
    assert "added" not in actions(house, "right")
    for name in ("left", "right"):
        assert_proved_gone(house, ticket, name)
    assert any("group 00gright does not exist" in text for text in house.comments(ticket))


async def test_one_of_two_targets_fails_to_grant_and_the_other_is_revoked(jumping_house: House) -> None:
    """All or nothing: the target that was granted is taken back at once, and the ticket names the one that was not."""
    house = jumping_house
    gate = house.provider.hold("grant")
    async with house.working():
        ticket, handle = await house.approved(entitlement="pair")
        await house.until(lambda: actions(house, "left") == actions(house, "right") == ["absent"])
        await gate.reached()
        house.provider.groups["00gright"].assignable = False
        gate.release()
        await house.until(lambda: "removed" in actions(house, "left"))
        await close(house, handle, "left", "right")
    assert "added" in actions(house, "left")
    assert "added" not in actions(house, "right")
    for name in ("left", "right"):
        assert_proved_gone(house, ticket, name)
    assert any("not provisioned (right: granting failed" in text for text in house.comments(ticket))


async def test_standing_member_is_refused_and_nothing_is_sent(house: House) -> None:
    """Who was a member before is not ours to add or to take away: the ticket says so, and the membership stands."""
    house.provider.add_by_hand(house.target(), house.subject())
    async with house.working():
        ticket, handle = await house.approved()
        await house.soon(handle.result())
    assert [entry.action for entry in house.provider.ledger] == ["added", "looked"]
    assert house.is_member()
    assert any("already a member, and nothing standing is touched" in text for text in house.comments(ticket))


# The removal.


@pytest.mark.parametrize(
    ("call", "error", "times"),
    [
        ("revoke", RetryableError("503"), 2),
        ("revoke", RateLimitedError("429", delay=timedelta(seconds=2)), 1),
        ("revoke", ForbiddenError("403"), 2),
        ("revoke", OutcomeUnknownError("the connection was reset"), 1),
        ("verify", MalformedError("the answer ends in the middle"), 1),
        ("end_sessions", RetryableError("503"), 2),
    ],
    ids=str,
)
async def test_provider_that_recovers_is_asked_until_the_removal_is_proved(
    jumping_house: House, call: str, error: VendorError, times: int
) -> None:
    """No answer but a readable one ends the asking; after a failed write the second look comes behind the fence."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        house.provider.fail(call, error, times)
        await handle.signal("revoke", {"by": "carol"})
        await close(house, handle)
    assert_proved_gone(house, ticket)
    first, second = house.ledger("looked")[-2:]
    assert second.at - first.at >= (timedelta(seconds=1) if call == "end_sessions" else timedelta(seconds=15))


async def test_revoke_that_hangs_is_waited_for_and_then_proved(house: House) -> None:
    """A vendor that takes its time still gets there: the lease neither gives up nor believes that it is over."""
    async with house.working():
        ticket, handle = await hold(house)
        gate = house.provider.hold("revoke")
        await handle.signal("revoke", {})
        await gate.reached()
        assert house.is_member()
        assert "removed" not in house.kinds(ticket, house.lease_id())
        gate.release()
        await house.soon(handle.result())
    assert_proved_gone(house, ticket)


async def test_removal_that_stays_refused_is_named_stuck_and_goes_on(jumping_house: House) -> None:
    """Late is a state with a name, on the ticket, and not an end: the vendor goes on being asked until it yields."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        house.provider.fail("revoke", ForbiddenError("403"))
        await handle.signal("revoke", {})
        await house.until(lambda: bool(house.ledger("sessions_ended")))
        await house.jump(house.lease(), STUCK_AFTER + timedelta(seconds=1))
        await house.told(ticket, "The removal from admin is late: it was due at")
        assert house.is_member()
        assert "stuck" in house.kinds(ticket, house.lease_id())
        await house.until(lambda: house.tickets.field(ticket, "Access state") == "Removal late: admin")
        house.provider.succeed("revoke")
        await house.jump(house.lease(), A_MINUTE)
        await close(house, handle)
    assert_proved_gone(house, ticket)
    assert house.tickets.field(ticket, "Access state") == "Closed: ended"


# The ticket system.


async def test_jira_down_at_expiry_access_ends_on_time_and_evidence_arrives_later_in_order(
    jumping_house: House,
) -> None:
    """No removal waits for paper: it happens at its time, and the records that follow bear the instants of what they tell."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        await house.settled(handle)
        house.tickets.down()
        await house.jump(house.lease(), timedelta(hours=1, seconds=10))
        await house.until(lambda: not house.is_member())
        assert house.kinds(ticket, house.lease_id()) == []
        house.tickets.up()
        await close(house, handle)
    (armed,) = house.chains(ticket)[f"judge/{house.lease_id()}"]
    late = house.ledger("removed")[0].at - parse_instant(str(armed.facts["until"]))
    assert timedelta(0) <= late < PROMPTLY
    chain = house.chains(ticket)[house.lease_id()]
    assert [record.kind for record in chain] == LEASE_KINDS
    assert [record.at for record in chain] == sorted(record.at for record in chain)
    assert chain[2].at - parse_instant(str(armed.facts["until"])) < PROMPTLY


async def test_closed_ticket_that_is_started_again_grants_nothing(house: House) -> None:
    """The ticket remembers what the engine may have forgotten: neither closed nor reopened does it give access again."""
    async with house.working():
        ticket, handle = await hold(house)
        await handle.signal("revoke", {})
        await house.soon(handle.result())
        again = await house.start(ticket)
        await house.soon(again.result())
        house.tickets.transition_as(ticket, APPROVED, "bob")
        reopened = await house.start(ticket)
        await house.soon(reopened.result())
    assert len(house.ledger("added")) == 1
    assert not house.is_member()


async def test_ticket_deleted_mid_lease_ends_the_access_and_frees_the_pair(jumping_house: House) -> None:
    """Told that its ticket is gone the request revokes; records are kept on the control ticket, and the next request is served."""
    house = jumping_house
    async with house.working():
        ticket, handle = await hold(house)
        house.tickets.delete(ticket)
        await handle.signal("revoke", {"note": "its ticket was deleted"})
        await close(house, handle)
        assert actions(house)[-2:] == ["absent", "absent"]
        kept = await house.kept_aside(ticket, house.lease_id())
        assert kept == LEASE_KINDS
        await hold(house)
    assert any(ticket.key in text for text in house.comments(house.control))
