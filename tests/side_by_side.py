"""How the suite is spread over processes that run side by side: module by module, and what takes long first."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

HERDS = ("_kill_points.py", "test_seeded.py", "_in_masses.py")
"""Modules that keep a whole machine busy: two at once would measure each other's load, so one process plays them in turn."""

STACK = "stack: RealStack"
"""Modules that say this use the session's stack of real processes: one process plays them in turn, or each would start a stack."""

WAITING = ("chaos", "workflows", "e2e", "bridge")
"""Folders of tests that wait for processes and clocks more than they compute, the longest first. What only computes comes last:
it fills whatever time of the machine these leave, and its modules are short, so that no process works on alone at the end."""


class KindByKind(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return _one_process_of(self.config.rootpath / module) or module


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return KindByKind(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> tuple[int, int]:
        folder = item.path.parent.name
        kind = ("herds", "stack", "").index(_one_process_of(item.path))
        return kind, WAITING.index(folder) if folder in WAITING else len(WAITING)

    items.sort(key=place)


@cache
def _one_process_of(module: Path) -> str:
    """The name of what one process plays in turn, if this is part of such."""
    if module.name.endswith(HERDS):
        return "herds"
    return "stack" if STACK in module.read_text() else ""
