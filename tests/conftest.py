"""What tests of several folders share: one stack of real processes a session; each test leaves it whole."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.figures import Measured, telling
from tests.real_stack import RealStack, running_stack

pytest_plugins = ["tests.side_by_side", "tests.tracing"]


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealStack]:
    async with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Measured:
    return telling(record_property)
