"""What tests of several folders share: one stack of real processes a session; each test leaves it whole."""

from collections.abc import AsyncIterator

import pytest

from tests.real_stack import RealStack, running_stack


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealStack]:
    async with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running
