"""How soon access was gone, as the tests measured it: a pytest plugin that ends a run with a table for docs/guarantees.md.

`make bounds` loads it. What a test measures it tells by the fixture `measured`, whether or not anybody wants the table.
"""

import statistics
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta

import pytest

Measured = Callable[[str, timedelta], None]
"""Tell what happened, and how long after it, or after the end of the access where that was later, the vendor had removed it."""

PROPERTY = "removed after"


def telling(record_property: Callable[[str, object], None]) -> Measured:
    """The fixture's way to write into the report of one test."""

    def measured(event: str, lag: timedelta) -> None:
        record_property(PROPERTY, (event, lag.total_seconds()))

    return measured


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lags: defaultdict[str, list[float]] = defaultdict(list)
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == PROPERTY:
                event, lag = value
                lags[event].append(lag)
    terminalreporter.write_sep("-", "removed after, in seconds")
    for event, measured in sorted(lags.items()):
        middle, most = statistics.median(measured), max(measured)
        terminalreporter.write_line(f"{event:60} n {len(measured):4}  p50 {middle:6.2f}  max {most:6.2f}")
