"""Work that must reach its end, and where it must not begin."""

from datetime import timedelta
from uuid import uuid4

from temporalio.api.enums.v1 import EventType
from temporalio.worker import Worker

from tests.house import House
from tests.workflows.probes import KeeperProbe, StrayProbe
from workflows.sandbox import workflow_runner


async def test_story_that_is_thrown_away_begins_nothing_in_another_workflow(house: House) -> None:
    """A lease collected while another workflow runs must not revoke there: the commands would be in the wrong history."""
    queue = f"{house.prefix}probes"
    async with Worker(house.client, task_queue=queue, workflows=[StrayProbe], workflow_runner=workflow_runner()):
        came = await house.client.execute_workflow(StrayProbe.run, id=f"probe-{uuid4()}", task_queue=queue)
    assert came == "it was left alone"


async def test_lease_that_ended_while_it_was_told_to_is_not_cancelled_too(house: House) -> None:
    """Another may be starting in its place, and a start and a cancel of one id in one task would be refused for ever."""
    queue = f"{house.prefix}probes"
    async with Worker(house.client, task_queue=queue, workflows=[KeeperProbe], workflow_runner=workflow_runner()):
        handle = await house.client.start_workflow(
            KeeperProbe.run,
            house.order(house.ask(), lasts=timedelta(hours=1)),
            id=f"probe-{uuid4()}",
            task_queue=queue,
        )
        await handle.result()
    kinds = {event.event_type for event in (await handle.fetch_history()).events}
    assert EventType.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED not in kinds
