"""A host whose clock is wrong signs in at Okta all the same: what it signs is dated by Okta's own answers."""

from datetime import timedelta

import pytest

from activities.providers.okta_groups import OktaGroups
from domain.witness import Presence
from sandbox.client import SandboxClient
from tests.contract.okta_calls import Pair, calls_since, vendor_calls
from tests.contract.test_okta_sign_in import private_key, service_app
from tests.contract.vendors import open_window

__all__ = ["private_key", "service_app"]


@pytest.mark.parametrize("off", [timedelta(minutes=10), timedelta(minutes=-10), timedelta(days=2), timedelta(days=-2)])
async def test_refused_assertion_is_dated_anew(
    service_app: OktaGroups, hand: SandboxClient, pair: Pair, off: timedelta
) -> None:
    """The first answer of Okta's, a refusal too, tells its time; the sign-in after it succeeds, and the removal with it."""
    service_app._client._time.ahead = off
    before = await vendor_calls(hand)
    await service_app.revoke(*pair, open_window())
    assert await calls_since(hand, before) in (["POST", "DELETE"], ["POST", "POST", "DELETE"])
    assert (await service_app.verify(*pair)).presence is Presence.ABSENT
    assert abs(service_app._client._time.ahead) < timedelta(seconds=3)
