"""What the Okta adapter concludes from what it reads: absence only from a whole, readable answer about the very pair."""

import pytest

from activities.providers.okta_groups import OktaGroups
from domain.errors import (
    ForbiddenError,
    MalformedError,
    NotFoundError,
    RetryableError,
)
from domain.witness import Presence
from sandbox.client import Document, SandboxClient
from tests.contract.okta_calls import (
    READS,
    Pair,
    arm_page,
    calls_since,
    vendor_calls,
)
from tests.contract.vendors import (
    OktaVendor,
    open_window,
)


async def test_404_that_is_not_oktas_own_proves_nothing(okta: OktaGroups, hand: SandboxClient, member: Pair) -> None:
    """A gateway's 404 is not the word of the directory: no look calls the user gone for it."""
    await hand.arm("okta", {"kind": "status", "status": 404, "body": {"message": "no Route matched"}})
    with pytest.raises(MalformedError):
        await okta.verify(*member)


async def test_404_for_a_user_who_is_still_listed_is_present(
    okta: OktaGroups, hand: SandboxClient, member: Pair
) -> None:
    """A user whom Okta denies on one page and lists on another holds access."""
    await hand.arm("okta", {"kind": "status", "status": 404, "body": {"errorCode": "E0000007"}}, path="/api/v1/users/")
    look = await okta.verify(*member)
    assert look.presence is Presence.PRESENT


@pytest.mark.parametrize("path", ["/api/v1/groups/[^/]+$", "/api/v1/groups/[^/]+/users$"])
async def test_group_that_is_hidden_from_us_is_not_absence(
    okta: OktaGroups, hand: SandboxClient, okta_vendor: OktaVendor, pair: Pair, path: str
) -> None:
    """What our role may not see is missing from a user's list too: no absence without a sight of the group."""
    if path.endswith("users$"):
        await okta_vendor.delete_user(pair[1])
    hidden = {"kind": "status", "status": 403, "body": {"errorCode": "E0000006"}}
    await hand.arm("okta", hidden, method="GET", path=path)
    with pytest.raises(ForbiddenError):
        await okta.verify(*pair)


async def test_revoke_that_is_told_404_looks_before_it_believes(
    okta: OktaGroups, hand: SandboxClient, okta_vendor: OktaVendor, member: Pair
) -> None:
    """A 404 for a membership that is still there is no acknowledgement; for one that is gone it is."""
    await hand.arm("okta", {"kind": "status", "status": 404, "body": {"errorCode": "E0000007"}}, method="DELETE")
    with pytest.raises(RetryableError):
        await okta.revoke(*member, open_window())
    await okta_vendor.delete_user(member[1])
    assert (await okta.revoke(*member, open_window())).vendor_request_id


@pytest.mark.parametrize("operation", ["verify", "preflight", "list_holders"])
async def test_list_that_fails_on_its_second_page_raises(
    okta: OktaGroups, hand: SandboxClient, member: Pair, operation: str
) -> None:
    """Half a list is no list: of holders, of a user's groups, of rules."""
    path = {"verify": "/groups$", "preflight": "/rules$", "list_holders": "/users$"}[operation]
    await arm_page(hand, okta, [], '<{org}/api/v1/second-page>; rel="next"', path)
    await hand.arm("okta", {"kind": "status", "status": 503}, method="GET", path="/second-page$")
    with pytest.raises(RetryableError):
        await READS[operation][1](okta, *member)


async def test_membership_on_the_second_page_is_seen(okta: OktaGroups, hand: SandboxClient, member: Pair) -> None:
    """An absence is read to the last page."""
    await arm_page(
        hand, okta, [{"id": "00gother00000000000001"}], f'<{{org}}/api/v1/users/{member[1].user_id}/groups>; rel="next"'
    )
    # The second page is the sandbox's own answer; only its address must differ from the first.
    look = await okta.verify(*member)
    assert look.presence is Presence.PRESENT


@pytest.mark.parametrize(
    "next_url",
    [
        "https://elsewhere.example.com/api/v1/groups",
        "{org}/elsewhere",
        "{org}.example.com/api/v1/x",
        "http://[bad",
        "/api/v1/x",
    ],
)
async def test_next_page_elsewhere_is_not_followed(
    okta: OktaGroups, hand: SandboxClient, member: Pair, next_url: str
) -> None:
    """A link to another host would carry our token there and bring back anything."""
    await arm_page(hand, okta, [], f'<{next_url}>; rel="next"')
    before = await vendor_calls(hand)
    with pytest.raises(MalformedError):
        await okta.verify(*member)
    assert await calls_since(hand, before) == ["GET"]


async def test_user_of_an_unknown_status_blocks_nobody(okta: OktaGroups, hand: SandboxClient, member: Pair) -> None:
    """The SDK's models refuse a whole page for a status they do not know; a holder is a holder."""
    users = [{"id": member[1].user_id, "status": "ABDUCTED"}]
    await hand.arm("okta", {"kind": "status", "status": 200, "body": users}, path="/users$")
    assert [holder.status async for holder in okta.list_holders(member[0])] == ["ABDUCTED"]


async def test_answer_about_somebody_else_raises(okta: OktaGroups, hand: SandboxClient, member: Pair) -> None:
    """An answer is only about the id that was asked for."""
    other = {"id": "00usomebodyelse0000001", "status": "ACTIVE", "lastLogin": None}
    await hand.arm("okta", {"kind": "status", "status": 200, "body": other}, path="/users/")
    with pytest.raises(MalformedError):
        await okta.last_seen(member[1], member[0])


async def test_rule_that_does_not_say_where_it_assigns_raises(
    okta: OktaGroups, hand: SandboxClient, pair: Pair
) -> None:
    """A rule that cannot be read could put the subject back in."""
    await hand.arm("okta", {"kind": "status", "status": 200, "body": [{"id": "0pr1", "actions": {}}]}, path="/rules")
    with pytest.raises(MalformedError):
        await okta.preflight(*pair)


async def test_every_look_asks_the_vendor_anew(okta: OktaGroups, hand: SandboxClient, pair: Pair) -> None:
    """No cache stands between a look and the truth."""
    assert (await okta.verify(*pair)).presence is Presence.ABSENT
    await hand.add_okta_member(pair[0].container_id, pair[1].user_id)
    assert (await okta.verify(*pair)).presence is Presence.PRESENT
    assert await okta.preflight(*pair) == ()
    await hand.set_okta_status(pair[1].user_id, "SUSPENDED")
    assert len(await okta.preflight(*pair)) == 1


async def test_what_is_gone_is_named(okta: OktaGroups, okta_vendor: OktaVendor, pair: Pair) -> None:
    """A 404 of Okta's own bears its request id and the thing."""
    await okta_vendor.delete_user(pair[1])
    with pytest.raises(NotFoundError) as gone:
        await okta.last_seen(pair[1], pair[0])
    assert gone.value.thing == "user"
    assert gone.value.vendor_request_id


@pytest.mark.parametrize(
    ("fault", "is_done"),
    [
        ({"kind": "status", "status": 200, "body": {}}, False),
        ({"kind": "status", "status": 500}, False),
        ({"kind": "reset", "when": "after"}, True),
        ({"kind": "empty"}, True),
    ],
)
async def test_suspension_is_what_the_status_says_afterwards(
    okta: OktaGroups, hand: SandboxClient, okta_vendor: OktaVendor, pair: Pair, fault: Document, is_done: bool
) -> None:
    """An acknowledgement without effect is none, and an effect whose acknowledgement was lost is one."""
    await hand.arm("okta", fault, method="POST", path="/lifecycle/suspend$", times=1)
    if is_done:
        assert (await okta.suspend(*pair, open_window())).vendor_request_id
    else:
        with pytest.raises(RetryableError, match="status ACTIVE"):
            await okta.suspend(*pair, open_window())
    assert await okta_vendor.status(pair[1]) == ("SUSPENDED" if is_done else "ACTIVE")


@pytest.mark.parametrize(
    ("fault", "path", "error"),
    [
        ({"kind": "status", "status": 404, "body": {"message": "no Route matched"}}, "/groups/", MalformedError),
        ({"kind": "status", "status": 403, "body": {"errorCode": "E0000006"}}, "/groups/", ForbiddenError),
        ({"kind": "status", "status": 403, "body": {"errorCode": "E0000006"}}, "/users$", ForbiddenError),
        ({"kind": "status", "status": 503}, "/groups/", RetryableError),
        ({"kind": "status", "status": 503}, "/users$", RetryableError),
        ({"kind": "status", "status": 404}, "/groups/", MalformedError),
        ({"kind": "status", "status": 200, "body": []}, "/users$", MalformedError),
        ({"kind": "truncate"}, "/groups/", RetryableError),
    ],
)
async def test_group_is_gone_only_by_oktas_own_word(
    okta: OktaGroups,
    hand: SandboxClient,
    okta_vendor: OktaVendor,
    member: Pair,
    fault: dict[str, object],
    path: str,
    error: type[Exception],
) -> None:
    """A gateway's 404, a right that we lost, an outage, half an answer, or an empty list of members: none of it says "gone"."""
    await okta_vendor.delete_group(member[0])
    await hand.arm("okta", fault, method="GET", path=path)
    with pytest.raises(error):
        await okta.find_target(member[0])
