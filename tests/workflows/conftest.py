"""Servers for kernel tests: one in real time, one that skips time; and houses on them."""

from collections.abc import AsyncIterator, Iterator

import pytest
from temporalio.testing import WorkflowEnvironment

from tests.engine import start_server, start_skipping_server
from tests.house import House, build_house


@pytest.fixture(scope="session")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    async with await start_server() as environment:
        yield environment


@pytest.fixture(scope="session")
async def skipping_server() -> AsyncIterator[WorkflowEnvironment]:
    async with await start_skipping_server() as environment:
        yield environment


@pytest.fixture
def house(server: WorkflowEnvironment) -> House:
    return build_house(server.client)


@pytest.fixture
def skipping_house(skipping_server: WorkflowEnvironment) -> House:
    return build_house(skipping_server.client)


@pytest.fixture
def jumping_house(skipping_server: WorkflowEnvironment) -> Iterator[House]:
    """Runs in real time until a test lets one workflow's clock jump."""
    with skipping_server.with_time_skipping_disabled():
        yield build_house(skipping_server.client, skipping_server)
