"""The real Temporal dev server for tests: one a session, from the wheel that ships it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from temporalio.common import SearchAttributeKey
from temporalio.testing import WorkflowEnvironment

from activities.data_converter import data_converter
from domain.search import KINDS

_KEYS: dict[str, Callable[[str], SearchAttributeKey[Any]]] = {
    "Keyword": SearchAttributeKey.for_keyword,
    "KeywordList": SearchAttributeKey.for_keyword_list,
    "Datetime": SearchAttributeKey.for_datetime,
}
SEARCH_ATTRIBUTES: list[SearchAttributeKey[Any]] = [_KEYS[kind](name) for name, kind in KINDS.items()]


def temporal_binary() -> str:
    """The `temporal` program beside this interpreter."""
    return str(Path(sys.executable).parent / "temporal")


async def start_server(*arguments: str) -> WorkflowEnvironment:
    """A server in memory, in real time; `arguments` are added to its command line."""
    return await WorkflowEnvironment.start_local(
        data_converter=data_converter(),
        dev_server_existing_path=temporal_binary(),
        dev_server_log_level="error",
        dev_server_extra_args=arguments,
        search_attributes=SEARCH_ATTRIBUTES,
    )


async def start_skipping_server() -> WorkflowEnvironment:
    """A server in memory in which each workflow's own clock jumps over what it waits for."""
    return await WorkflowEnvironment.start_time_skipping_v2(
        data_converter=data_converter(),
        dev_server_existing_path=temporal_binary(),
        dev_server_log_level="error",
        dev_server_extra_args=["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"],
        search_attributes=SEARCH_ATTRIBUTES,
    )
