"""How the suite is spread over processes that run side by side: module by module, and the longest first."""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

HERDS = ("_kill_points.py", "test_seeded.py")
"""Modules that keep a whole machine busy: two at once would measure each other's load, so one process plays them in turn."""


class HerdsInOneProcess(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return "herds" if module.endswith(HERDS) else module


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return HerdsInOneProcess(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, or at the end a single process would run alone."""
    items.sort(key=lambda item: (not item.path.name.endswith(HERDS), "chaos" not in item.path.parts))
