"""The last rung of the ladder: an account whose access could not be taken away in time is suspended, where its target says so."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.access import AccessActivities
from domain.errors import SignatureRefusedError
from domain.evidence import RecordKind
from domain.paper import TicketFields
from domain.witness import SUSPEND
from workflows import options, words
from workflows.asking import ask
from workflows.failures import cause_of
from workflows.lease_book import LeaseBook
from workflows.run_to_end import finish

PAUSE = timedelta(seconds=5)
"""Before asking again when the activity was ended from outside: by itself it never gives up."""


class Suspension:
    """Runs beside a removal, which waits for none of it, from `begin` to `end`. Nothing here ever restores an account.

    `is_done`: a witness said that the account can sign in nowhere.
    """

    def __init__(self, book: LeaseBook, page: Callable[[str, datetime], Awaitable[None]]) -> None:
        self._book = book
        self._page = page
        self._due_at: datetime
        self._unwanted = False
        self._task: asyncio.Task[None] | None = None
        self.is_done = False

    def begin(self) -> None:
        """From now on the removal is due."""
        after = self._book.order.grantee.suspend_after
        if after is not None:
            self._due_at = workflow.now() + after
            self._task = asyncio.create_task(self._when_due())

    async def end(self) -> None:
        """What it was for is done. Returns when no attempt is under way any more; one that has succeeded stands recorded."""
        self._unwanted = True
        if self._task is not None:
            self._task.cancel()
            await finish(self._task)

    def warning(self) -> str:
        """What people who read of a late removal should know of this; empty where the catalogue has nobody suspended."""
        if self._task is None or self.is_done:
            return ""
        return words.suspension_warning(self._due_at)

    async def _when_due(self) -> None:
        with suppress(asyncio.CancelledError):
            await workflow.sleep(
                self._due_at - workflow.now(), summary="if it is not done by then, the account is suspended"
            )
            while not self._unwanted and not await self._suspend():
                await workflow.sleep(PAUSE, summary="suspend again")

    async def _suspend(self) -> bool:
        order, asked_at = self._book.order, workflow.now()
        try:
            done = await ask(
                AccessActivities.suspend_subject, self._book.pair, **options.revoking("suspend the whole account")
            )
        except (ActivityError, SignatureRefusedError) as error:
            workflow.logger.warning("the account is not suspended: %s", cause_of(error))
            return False
        if not self._book.is_witnessed(done.receipt, SUSPEND, asked_at):
            return False
        self.is_done = True
        self._book.paper.show(TicketFields(state=f"Account suspended: {order.grantee.target_name}"))
        comment = words.suspended_comment(order, workflow.now())
        self._book.record("suspended", RecordKind.SUSPENDED, witness=(done.receipt,), comment=comment)
        await self._page(f"the account {order.grantee.subject} was suspended", self._due_at)
        return True
