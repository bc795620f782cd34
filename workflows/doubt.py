"""Whether access that a lease holds is still there, when somebody from outside says that it is not. The lease looks twice itself."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.access import AccessActivities
from domain.errors import SignatureRefusedError
from domain.lease import EndReason
from domain.lease_messages import ObserveInput
from domain.witness import Presence
from workflows import options
from workflows.asking import ask
from workflows.failures import LeaseEnds
from workflows.lease_book import LeaseBook


class Doubt:
    """`raised` is set by a signal; `settle` answers it."""

    def __init__(self, book: LeaseBook) -> None:
        self._book = book
        self.raised = False

    async def settle(self) -> None:
        """Return when the access was seen, or nobody could tell: then the lease goes on.

        Raises:
            LeaseEnds: two witnessed looks, further apart than the provider's reads lag, found it gone. It is not put back.
        """
        self.raised = False
        if not await self._is_gone():
            return
        await workflow.sleep(self._book.order.surface.read_lag, summary="until the provider's reads have caught up")
        if await self._is_gone():
            raise LeaseEnds(EndReason.REMOVED_ELSEWHERE)

    async def _is_gone(self) -> bool:
        asked_at, request = workflow.now(), ObserveInput(order=self._book.brief)
        try:
            seen = await ask(AccessActivities.observe_access, request, **options.revoking("is the access still there?"))
        except (ActivityError, SignatureRefusedError):
            return False
        look = self._book.believe(seen.observation, asked_at)
        return look is not None and look.presence is Presence.ABSENT
