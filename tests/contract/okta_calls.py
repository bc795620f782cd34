"""Every call of the Okta adapter by name, and what the tests of its wire need to see and to steer."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from activities.providers.okta_groups import OktaGroups
from activities.providers.okta_settings import OktaSettings
from domain.ids import SubjectRef, TargetRef
from sandbox.client import Document, SandboxClient
from tests.contract.vendors import INSTANCE, open_window, warrant_for
from tests.sandbox_process import SandboxProcess

TOKEN = "sandbox-okta-token"  # noqa: S105 - opens nothing but the stand-in

Pair = tuple[TargetRef, SubjectRef]
Operation = Callable[[OktaGroups, TargetRef, SubjectRef], Awaitable[object]]


async def holders_of(okta: OktaGroups, target: TargetRef) -> list[str]:
    return [holder.subject.user_id async for holder in okta.list_holders(target)]


WRITES: dict[str, tuple[str, Operation]] = {
    "grant": ("PUT", lambda okta, t, s: okta.grant(warrant_for(t, s), open_window())),
    "revoke": ("DELETE", lambda okta, t, s: okta.revoke(t, s, open_window())),
    "end_sessions": ("DELETE", lambda okta, t, s: okta.end_sessions(t, s, open_window())),
}
READS: dict[str, tuple[str, Operation]] = {
    "verify": ("GET", lambda okta, t, s: okta.verify(t, s)),
    "preflight": ("GET", lambda okta, t, s: okta.preflight(t, s)),
    "list_holders": ("GET", lambda okta, t, _: holders_of(okta, t)),
    "last_seen": ("GET", lambda okta, t, s: okta.last_seen(s, t)),
}
OPERATIONS = WRITES | READS

every_operation = pytest.mark.parametrize("operation", OPERATIONS)
every_write = pytest.mark.parametrize("operation", WRITES)
every_read = pytest.mark.parametrize("operation", READS)


def settings_for(sandbox: SandboxProcess, **changes: Any) -> OktaSettings:
    return OktaSettings.model_validate(
        {"instance": INSTANCE, "url": f"{sandbox.base_url}/okta", "token": TOKEN} | changes
    )


async def vendor_calls(hand: SandboxClient) -> int:
    return max((call["seq"] for call in await hand.requests()), default=0)


async def calls_since(hand: SandboxClient, seq: int) -> list[str]:
    return [call["method"] for call in await hand.requests() if call["seq"] > seq]


async def arm_page(
    hand: SandboxClient, okta: OktaGroups, items: list[Document], link: str, path: str = "/groups$"
) -> None:
    """Let the next list at `path` be this one page."""
    org = okta._client._settings.url
    fault = {"kind": "status", "status": 200, "body": items, "headers": {"link": link.replace("{org}", org)}}
    await hand.arm("okta", fault, method="GET", path=path, times=1)
