"""Waking people. No removal waits for it, and without a pager it says so in the log and on the worker's start."""

from temporalio import activity

from activities.failures import told_to_temporal
from activities.heartbeats import beating
from activities.ports import Pager
from domain.paper import Alarm, PageResult


class PagingActivities:
    def __init__(self, pager: Pager | None) -> None:
        self._pager = pager

    @activity.defn(name="page_people")
    async def page_people(self, alarm: Alarm) -> PageResult:
        """Send the alarm on. `sent` is false where nobody has configured a pager."""
        async with beating():
            with told_to_temporal():
                if self._pager is None:
                    activity.logger.error("nobody is paged, no pager is configured: %s", alarm.summary)
                    return PageResult(sent=False)
                await self._pager.page(alarm)
                return PageResult(sent=True)
