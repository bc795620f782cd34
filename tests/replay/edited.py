"""An edit of the kind that the replay gate must catch: one timer more before everything else. Kept free of test code."""

from datetime import timedelta

from temporalio import workflow

from domain.lease_messages import LeaseOrder, LeaseOutcome
from workflows.lease import LeaseWorkflow


@workflow.defn(name="LeaseWorkflow")
class EditedLeaseWorkflow(LeaseWorkflow):
    @workflow.init
    def __init__(self, order: LeaseOrder) -> None:
        super().__init__(order)

    @workflow.run
    async def run(self, order: LeaseOrder) -> LeaseOutcome:
        await workflow.sleep(timedelta(seconds=1))
        return await super().run(order)
