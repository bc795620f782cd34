"""Waking people for what the reconciler cannot mend by itself, and telling them when it is over."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.paging import PagingActivities
from domain.concern import Concern, to_say
from domain.errors import SignatureRefusedError
from domain.paper import Alarm
from workflows import options
from workflows.asking import ask
from workflows.failures import cause_of


async def wake(concerns: Mapping[str, Concern], said: Mapping[str, datetime], ticket: str) -> dict[str, datetime]:
    """What people know of after this, and when they were told last. Who could not be told is told by the next run."""
    now = workflow.now()
    alarms = [
        Alarm(key=concern.key, summary=concern.summary, ticket=ticket, since=concern.since)
        for concern in to_say(concerns.values(), said, now)
    ]
    alarms += [
        Alarm(key=key, summary="it has passed", ticket=ticket, since=at, over=True)
        for key, at in said.items()
        if key not in concerns
    ]
    async with asyncio.TaskGroup() as group:
        told = {alarm.key: group.create_task(_page(alarm)) for alarm in alarms}
    reached = {key for key, task in told.items() if task.result()}
    known = {key: at for key, at in said.items() if key in concerns or key not in reached}
    return known | {key: now for key in reached if key in concerns}


async def _page(alarm: Alarm) -> bool:
    try:
        await ask(PagingActivities.page_people, alarm, **options.waking(f"page: {alarm.summary}"[:100]))
    except (ActivityError, SignatureRefusedError) as error:
        workflow.logger.warning("nobody was paged: %s", cause_of(error))
        return False
    return True
