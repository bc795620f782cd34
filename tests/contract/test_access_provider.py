"""What every provider promises, adapter and double alike. What only a wire can get wrong is in `test_okta_traps`."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import ForbiddenError, NotFoundError, RetryableError
from domain.warrant import WarrantKind
from domain.witness import Presence, SessionsEnded
from tests.contract.vendors import FakeVendor, OktaVendor, Vendor, closed_window, open_window, warrant_for


@pytest.fixture(params=["fake", "okta"])
def vendor(request: pytest.FixtureRequest, okta_vendor: OktaVendor) -> Vendor:
    return FakeVendor() if request.param == "fake" else okta_vendor


async def test_grant_adds_once_however_often_it_is_sent(vendor: Vendor) -> None:
    """A grant that is repeated is acknowledged and changes nothing more."""
    target, subject = await vendor.make_group(), await vendor.make_user()
    for _ in range(2):
        answered = await vendor.provider.grant(warrant_for(target, subject), open_window())
        assert answered.vendor_request_id
        assert answered.vendor_at is not None
        assert abs(answered.vendor_at - datetime.now(UTC)) < timedelta(seconds=30)
    assert await vendor.changes(target, subject) == ["added"]
    assert (await vendor.provider.verify(target, subject)).presence is Presence.PRESENT


async def test_revoke_removes_once_however_often_it_is_sent(vendor: Vendor) -> None:
    """A revoke that is repeated is acknowledged and changes nothing more."""
    target, subject = await vendor.make_group(), await vendor.make_user()
    await vendor.add_by_hand(target, subject)
    for _ in range(2):
        assert (await vendor.provider.revoke(target, subject, open_window())).vendor_request_id
    assert await vendor.changes(target, subject) == ["added", "removed"]
    assert (await vendor.provider.verify(target, subject)).presence is Presence.ABSENT


async def test_revoke_touches_no_other_pair(vendor: Vendor) -> None:
    """Taking one subject out of one target leaves their other targets and its other members alone."""
    target, other_target = await vendor.make_group(), await vendor.make_group()
    subject, other_subject = await vendor.make_user(), await vendor.make_user()
    pairs = [(target, subject), (other_target, subject), (target, other_subject)]
    for pair in pairs:
        await vendor.add_by_hand(*pair)
    await vendor.provider.revoke(target, subject, open_window())
    presences = [(await vendor.provider.verify(*pair)).presence for pair in pairs]
    assert presences == [Presence.ABSENT, Presence.PRESENT, Presence.PRESENT]


async def test_look_bears_the_vendors_clock_and_request_id(vendor: Vendor) -> None:
    """A look can be found again in the vendor's own log."""
    look = await vendor.provider.verify(await vendor.make_group(), await vendor.make_user())
    assert look.presence is Presence.ABSENT
    assert look.vendor_at is not None
    assert look.vendor_request_id


@pytest.mark.parametrize("status", ["SUSPENDED", "DEPROVISIONED", "LOCKED_OUT"])
async def test_inactive_member_is_still_a_holder(vendor: Vendor, status: str) -> None:
    """A suspended or disabled account can come back: it is present, listed, and can be removed."""
    target, subject = await vendor.make_group(), await vendor.make_user()
    await vendor.add_by_hand(target, subject)
    await vendor.set_status(subject, status)
    assert (await vendor.provider.verify(target, subject)).presence is Presence.PRESENT
    assert [(h.subject, h.status) async for h in vendor.provider.list_holders(target)] == [(subject, status)]
    await vendor.provider.revoke(target, subject, open_window())
    assert (await vendor.provider.verify(target, subject)).presence is Presence.ABSENT


async def test_user_who_is_gone_for_good_is_absent_with_a_note(vendor: Vendor) -> None:
    """Deleted beyond restore, and not among the members of a group that can be read: absent, and it says why."""
    target, subject = await vendor.make_group(), await vendor.make_user()
    await vendor.add_by_hand(target, subject)
    await vendor.delete_user(subject)
    look = await vendor.provider.verify(target, subject)
    assert look.presence is Presence.ABSENT
    assert "user" in look.note


async def test_target_is_found_until_it_is_deleted_and_when_it_is_restored(vendor: Vendor) -> None:
    """Whether the container itself stands is a question of its own; restored, it has its members again."""
    target, subject = await vendor.make_group(), await vendor.make_user()
    await vendor.add_by_hand(target, subject)
    assert (await vendor.provider.find_target(target)).presence is Presence.PRESENT
    await vendor.delete_group(target)
    assert (await vendor.provider.find_target(target)).presence is Presence.ABSENT
    await vendor.restore_group(target)
    assert (await vendor.provider.find_target(target)).presence is Presence.PRESENT
    assert (await vendor.provider.verify(target, subject)).presence is Presence.PRESENT


async def test_group_that_is_gone_proves_nothing(vendor: Vendor) -> None:
    """A target that cannot be read is no proof of absence, and its removal is no success."""
    target, subject = await vendor.make_group(), await vendor.make_user()
    await vendor.add_by_hand(target, subject)
    await vendor.delete_group(target)
    look = await vendor.provider.verify(target, subject)
    assert look.presence is Presence.UNKNOWN
    assert "group" in look.note
    with pytest.raises(NotFoundError) as gone:
        await vendor.provider.revoke(target, subject, open_window())
    assert gone.value.thing == "group"
    with pytest.raises(NotFoundError) as gone:
        _ = [holder async for holder in vendor.provider.list_holders(target)]
    assert gone.value.thing == "group"


async def test_grant_says_which_of_the_two_is_missing(vendor: Vendor) -> None:
    """A 404 tells whether the user or the group does not exist."""
    target, subject = await vendor.make_group(), await vendor.make_user()
    deleted_target, deleted_subject = await vendor.make_group(), await vendor.make_user()
    await vendor.delete_group(deleted_target)
    await vendor.delete_user(deleted_subject)
    for pair, thing in [((deleted_target, subject), "group"), ((target, deleted_subject), "user")]:
        with pytest.raises(NotFoundError) as gone:
            await vendor.provider.grant(warrant_for(*pair), open_window())
        assert gone.value.thing == thing
        with pytest.raises(NotFoundError) as gone:
            await vendor.provider.preflight(*pair)
        assert gone.value.thing == thing


async def test_preflight_has_nothing_against_a_plain_pair(vendor: Vendor) -> None:
    """An assignable group without rules and an active user: no objection."""
    assert await vendor.provider.preflight(await vendor.make_group(), await vendor.make_user()) == ()


async def test_preflight_refuses_a_group_that_takes_no_direct_members(vendor: Vendor) -> None:
    """A container that the vendor fills itself is refused before anything is sent."""
    target, subject = await vendor.make_unassignable_group(), await vendor.make_user()
    assert len(await vendor.provider.preflight(target, subject)) == 1
    with pytest.raises(ForbiddenError):
        await vendor.provider.grant(warrant_for(target, subject), open_window())
    assert await vendor.changes(target, subject) == []


async def test_preflight_refuses_a_group_that_a_rule_fills(vendor: Vendor) -> None:
    """A rule could put a subject back in: only the group that it names is concerned."""
    target, other, subject = await vendor.make_group(), await vendor.make_group(), await vendor.make_user()
    await vendor.make_rule(target)
    assert "rule" in "".join(await vendor.provider.preflight(target, subject))
    assert await vendor.provider.preflight(other, subject) == ()


@pytest.mark.parametrize("status", ["SUSPENDED", "STAGED"])
async def test_preflight_and_grant_refuse_an_inactive_user(vendor: Vendor, status: str) -> None:
    """Nobody is granted access into an account that they cannot use today."""
    target, subject = await vendor.make_group(), await vendor.make_user()
    await vendor.set_status(subject, status)
    assert status in "".join(await vendor.provider.preflight(target, subject))
    with pytest.raises(ForbiddenError):
        await vendor.provider.grant(warrant_for(target, subject), open_window())
    assert await vendor.changes(target, subject) == []


async def test_resolve_finds_the_one_account_of_that_login(vendor: Vendor) -> None:
    """A login leads to an immutable id; special characters in it lead nowhere else."""
    subject = await vendor.make_user("zoe+ops#1?@example.com")
    assert await vendor.provider.resolve_subject("zoe+ops#1?@example.com") == subject


async def test_resolve_refuses_what_is_not_an_active_accounts_whole_login(vendor: Vendor) -> None:
    """Neither a part of a login, nor an id, nor a suspended account is a person to grant to."""
    subject = await vendor.make_user("yan@example.com")
    for text in ["yan", subject.user_id, "nobody@example.com"]:
        with pytest.raises(NotFoundError):
            await vendor.provider.resolve_subject(text)
    await vendor.set_status(subject, "SUSPENDED")
    with pytest.raises(NotFoundError):
        await vendor.provider.resolve_subject("yan@example.com")


async def test_list_holders_reads_every_page(vendor: Vendor) -> None:
    """Nobody is left out of a group that is larger than a page."""
    target = await vendor.make_group()
    subjects = [await vendor.make_user() for _ in range(203)]
    for subject in subjects:
        await vendor.add_by_hand(target, subject)
    holders = [holder.subject.user_id async for holder in vendor.provider.list_holders(target)]
    assert sorted(holders) == sorted(subject.user_id for subject in subjects)


async def test_prolong_sends_nothing_where_the_vendor_holds_no_deadline(vendor: Vendor) -> None:
    """Without native expiry a prolongation is nobody's business but the lease's."""
    target, subject = await vendor.make_group(), await vendor.make_user()
    assert not vendor.provider.capabilities.native_expiry
    await vendor.provider.prolong(warrant_for(target, subject, WarrantKind.PROLONG), closed_window())
    assert await vendor.changes(target, subject) == []


async def test_sessions_end(vendor: Vendor) -> None:
    """Every session of the subject is ended, and saying it twice does no harm."""
    target, subject = await vendor.make_group(), await vendor.make_user()
    await vendor.open_session(subject)
    for _ in range(2):
        receipt = await vendor.provider.end_sessions(target, subject, open_window())
        assert receipt.achieved is SessionsEnded.ENDED
        assert await vendor.sessions(subject) == 0


async def test_sessions_of_a_user_who_is_gone_are_ended_with_a_note(vendor: Vendor) -> None:
    """Who does not exist has no session."""
    target, subject = await vendor.make_group(), await vendor.make_user()
    await vendor.delete_user(subject)
    receipt = await vendor.provider.end_sessions(target, subject, open_window())
    assert receipt.achieved is SessionsEnded.ENDED
    assert "user" in receipt.note


@pytest.mark.parametrize(("before", "after"), [("ACTIVE", "SUSPENDED"), ("DEPROVISIONED", "DEPROVISIONED")])
async def test_suspended_account_signs_in_nowhere(vendor: Vendor, before: str, after: str) -> None:
    """Saying it twice does no harm, and an account that cannot sign in anyway stays as it is. Membership is another matter."""
    target, subject = await vendor.make_group(), await vendor.make_user()
    await vendor.add_by_hand(target, subject)
    await vendor.set_status(subject, before)
    for _ in range(2):
        answered = await vendor.provider.suspend(target, subject, open_window())
        assert answered.vendor_request_id
        assert await vendor.status(subject) == after
    assert (await vendor.provider.verify(target, subject)).presence is Presence.PRESENT


async def test_account_that_may_still_sign_in_is_not_called_suspended(vendor: Vendor) -> None:
    """Who is locked out gets in again by a new password, and cannot be suspended: it goes on being tried, by name."""
    target, subject = await vendor.make_group(), await vendor.make_user()
    await vendor.set_status(subject, "LOCKED_OUT")
    with pytest.raises(RetryableError, match="LOCKED_OUT"):
        await vendor.provider.suspend(target, subject, open_window())


async def test_user_who_is_not_seen_is_not_called_suspended(vendor: Vendor) -> None:
    """Gone, or hidden from us: whether anything is left to take away, the removal itself finds out."""
    target, subject = await vendor.make_group(), await vendor.make_user()
    await vendor.delete_user(subject)
    with pytest.raises(NotFoundError) as gone:
        await vendor.provider.suspend(target, subject, open_window())
    assert gone.value.thing == "user"


async def test_last_seen_is_the_last_sign_in(vendor: Vendor) -> None:
    """None before the first sign-in, then an aware instant."""
    target, subject = await vendor.make_group(), await vendor.make_user()
    assert await vendor.provider.last_seen(subject, target) is None
    await vendor.open_session(subject)
    seen_at = await vendor.provider.last_seen(subject, target)
    assert seen_at is not None
    assert abs(seen_at - datetime.now(UTC)) < timedelta(seconds=30)


async def test_closed_window_sends_no_write(vendor: Vendor) -> None:
    """An attempt that was held up too long does nothing, so that no write lands after its fence."""
    target, subject = await vendor.make_group(), await vendor.make_user()
    member = await vendor.make_user()
    await vendor.add_by_hand(target, member)
    await vendor.open_session(member)
    with pytest.raises(RetryableError):
        await vendor.provider.grant(warrant_for(target, subject), closed_window())
    with pytest.raises(RetryableError):
        await vendor.provider.revoke(target, member, closed_window())
    with pytest.raises(RetryableError):
        await vendor.provider.end_sessions(target, member, closed_window())
    with pytest.raises(RetryableError):
        await vendor.provider.suspend(target, member, closed_window())
    assert await vendor.changes(target, subject) == []
    assert await vendor.changes(target, member) == ["added"]
    assert await vendor.sessions(member) == 1
    assert await vendor.status(member) == "ACTIVE"
