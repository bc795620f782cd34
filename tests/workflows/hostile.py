"""What somebody with full write access to the Temporal namespace can do, as workflows of theirs. Kept free of test code."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from domain.values import Value


class Order(Value):
    """Run `activity` on `queue` with `request`, once."""

    activity: str
    queue: str
    request: dict[str, Any]


@workflow.defn(name="HostileWorkflow")
class HostileWorkflow:
    @workflow.run
    async def run(self, order: Order) -> str:
        """The words of the refusal, or "done"."""
        try:
            await workflow.execute_activity(
                order.activity,
                order.request,
                task_queue=order.queue,
                start_to_close_timeout=timedelta(seconds=12),
                heartbeat_timeout=timedelta(seconds=5),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        except ActivityError as error:
            return str(error.cause)
        return "done"


@workflow.defn(name="SquattingWorkflow")
class SquattingWorkflow:
    """Holds an id that is not its own, and says nothing."""

    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(timedelta(days=1))


@workflow.defn(name="LeaseWorkflow")
class RogueLease:
    """Takes the place of a lease on its own queue, adds nothing, and ends with whatever outcome it was given."""

    @workflow.run
    async def run(self, _order: dict[str, Any]) -> dict[str, Any]:
        outcome: dict[str, Any] = await workflow.execute_activity(
            "invented_outcome", start_to_close_timeout=timedelta(seconds=10)
        )
        return outcome
