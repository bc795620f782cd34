"""The next build as it should be: two steps more, each behind a patch of its own. Kept free of test code."""

from temporalio import workflow

from activities.access import AccessActivities
from domain.lease_messages import LeaseOrder, LeaseOutcome
from domain.signed import Signed
from workflows import options
from workflows.asking import ask
from workflows.lease import LeaseWorkflow

AFTER_THE_GRANT, BEFORE_THE_END = "a-second-look-after-the-grant", "a-look-before-the-end"


@workflow.defn(name="LeaseWorkflow")
class PatchedLeaseWorkflow(LeaseWorkflow):
    @workflow.init
    def __init__(self, order: LeaseOrder) -> None:
        super().__init__(order)

    @workflow.run
    async def run(self, order: LeaseOrder) -> LeaseOutcome:
        return await super().run(order)

    async def _grant(self, warrant: Signed) -> None:
        await super()._grant(warrant)
        if workflow.patched(AFTER_THE_GRANT):
            await self._look_once_more()

    async def _take_back(self) -> None:
        if workflow.patched(BEFORE_THE_END):
            await self._look_once_more()
        await super()._take_back()

    async def _look_once_more(self) -> None:
        await ask(AccessActivities.observe_access, self._book.pair, **options.revoking("once more"))
