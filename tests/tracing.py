"""What counts for coverage: the domain and the workflows by their own tests. No other test pays for the tracer."""

from collections.abc import Generator

import pytest
from coverage import Coverage

COUNTING = {"domain", "workflows"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool, bool]:
    tracer = Coverage.current()
    if tracer is None or item.path.parent.name in COUNTING:
        return (yield)
    tracer.stop()
    try:
        return (yield)
    finally:
        tracer.start()
