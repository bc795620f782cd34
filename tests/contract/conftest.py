"""The one sandbox of this folder's session, and hands to steer it. What a port's suite needs beyond that is in its own module."""

from collections.abc import AsyncIterator

import pytest

from activities.providers.okta_groups import OktaGroups
from sandbox.client import SandboxClient
from tests.contract.okta_calls import Pair, settings_for
from tests.contract.vendors import OktaVendor
from tests.sandbox_process import SandboxProcess, running_sandbox
from tests.specs_gate import SPECS_AT_HAND, assert_official


@pytest.fixture(scope="session")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProcess]:
    """At its end every call that was made has fitted the official descriptions, where those are at hand."""
    async with running_sandbox(tmp_path_factory.mktemp("sandbox")) as process:
        yield process
        if SPECS_AT_HAND:
            await assert_official(process.base_url)


@pytest.fixture(scope="session")
async def sandbox_client(sandbox: SandboxProcess) -> AsyncIterator[SandboxClient]:
    """Shared, because opening an HTTP client costs more than most tests."""
    async with SandboxClient(sandbox.base_url) as client:
        yield client


@pytest.fixture
async def hand(sandbox_client: SandboxClient) -> AsyncIterator[SandboxClient]:
    """An administrator's hand in the sandbox, and its fault knobs; a test leaves no fault behind."""
    yield sandbox_client
    await sandbox_client.clear()


@pytest.fixture(scope="session")
async def okta(sandbox: SandboxProcess) -> AsyncIterator[OktaGroups]:
    provider = OktaGroups(settings_for(sandbox))
    yield provider
    await provider.close()


@pytest.fixture
def okta_vendor(hand: SandboxClient, okta: OktaGroups) -> OktaVendor:
    return OktaVendor(hand, okta)


@pytest.fixture
async def pair(okta_vendor: OktaVendor) -> Pair:
    """A fresh group and a fresh user of the sandbox's Okta."""
    return await okta_vendor.make_group(), await okta_vendor.make_user()


@pytest.fixture
async def member(okta_vendor: OktaVendor, pair: Pair) -> Pair:
    await okta_vendor.add_by_hand(*pair)
    return pair
