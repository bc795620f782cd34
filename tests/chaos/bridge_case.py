"""One request that people steer in Jira alone, while its bridge is killed at a chosen point. Nobody but a bridge tells Temporal of it."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import httpx

from domain.ids import TicketRef, request_workflow_id
from domain.messages import RequestResult
from domain.ticket import TicketComment
from sandbox.loopback import loopback_client
from starter.dev_config import BOT_ACCOUNT
from starter.signatures import CALL_HEADER, sign_call
from tests.chaos.bridge_seat import BridgeSeat
from tests.chaos.bridge_steps import StepBoundary
from tests.chaos.field import ENTITLEMENT
from tests.chaos.request_case import LAST_MOMENT_SECONDS, Played

LEASE, EXTENSION = "10m", "5m"
"""Longer than anybody waits here: access ends because somebody says so, or the case fails."""

PATIENCE_SECONDS = 120.0
SCENES = ("begun", "asked", "approved", "extended", "revoked", "vanished", "closed")
"""What has last been done on the ticket: by people, but for the closing."""

Line = dict[str, Any]


@dataclass(frozen=True)
class Act:
    """What somebody did, and what came of it, as the vendors tell it."""

    name: str
    at: Line
    effect: Line


@dataclass(frozen=True)
class Steered(Played):
    """`restarted_at`: when the next bridge was begun."""

    acts: tuple[Act, ...] = ()


async def steer(seat: BridgeSeat, death: StepBoundary | None) -> Steered:
    """Play it with a bridge that dies there and another one that goes on.

    Raises:
        TimeoutError: nothing came of an act in time.
    """
    async with asyncio.timeout(PATIENCE_SECONDS):
        await seat.seat.start_worker()
        people = _People(seat)
        if seat.life.webhooks:
            async with seat.scene("begun"):
                pass
        else:
            await people.ask()
        await seat.start_bridge(death)
        killing = asyncio.create_task(_another_when_it_dies(seat))
        try:
            if seat.life.webhooks:
                await seat.until_idle("begun")
                await people.ask()
            await people.go_on()
            # The last point of all comes when the request is over.
            await asyncio.wait([killing], timeout=LAST_MOMENT_SECONDS)
            restarted_at = await killing if seat.bridges[0].ended.is_set() else None
        finally:
            killing.cancel()
        async with seat.scene("over"):
            pass
        await _until_ready(seat)
        result = await _result(seat, people.ticket)
    return Steered(seat.seat, people.ticket, restarted_at, result, tuple(people.acts))


class _People:
    """Alice and Carol. Each acts when something has come of the act before, and the bridge has had time to be idle."""

    ticket: TicketRef

    def __init__(self, seat: BridgeSeat) -> None:
        self._seat = seat
        self._log = seat.seat.on.log
        self.acts: list[Act] = []

    async def ask(self) -> None:
        create = partial(
            self._seat.person("alice").create_request, entitlement=ENTITLEMENT, duration=LEASE, reason="chaos"
        )
        async with self._seat.scene("asked"):
            self.ticket = await asyncio.to_thread(create)

    async def go_on(self) -> None:
        """Until the ticket is closed."""
        await self._is_asked()
        await self._approve()
        if self._seat.life.vanishes:
            await self._hide()
            return
        await self._extend()
        await self._revoke()
        if self._seat.life.rounds:
            async with self._seat.scene("closed"):
                pass
            await self._seat.until_idle("closed")

    async def _is_asked(self) -> None:
        issue = self.ticket.issue_id
        asked = await self._log.first(issue, "issue.created")
        question = await self._log.first(issue, "comment.added", actor=(BOT_ACCOUNT,))
        await self._log.first(issue, "property.put")
        await self._done(Act("asked", asked, question))

    async def _approve(self) -> None:
        issue = self.ticket.issue_id
        async with self._seat.scene("approved"):
            await asyncio.to_thread(self._seat.person("carol").transition_to, self.ticket, "Approved")
        approved = await self._log.first(issue, "issue.transitioned", to=("Approved",))
        added = await self._log.first(self._seat.seat.group_id, "membership.added")
        await self._log.first(issue, "issue.transitioned", to=("Access active",))
        await self._done(Act("approved", approved, added))

    async def _extend(self) -> None:
        issue = self.ticket.issue_id
        async with self._seat.scene("extended"):
            wish, wished = await self._comment(f"/extend {EXTENSION}")
        calling = asyncio.create_task(self._ask_the_bridge_too(wish))
        moved = await self._log.first(issue, "issue.updated", after=wished["seq"], actor=(BOT_ACCOUNT,))
        await self._log.first(issue, "comment.added", after=wished["seq"], actor=(BOT_ACCOUNT,))
        await calling
        await self._done(Act("extended", wished, moved))

    async def _revoke(self) -> None:
        async with self._seat.scene("revoked"):
            _, said = await self._comment("/revoke")
        removed = await self._log.first(self._seat.seat.group_id, "membership.removed")
        await self._log.first(self.ticket.issue_id, "issue.transitioned", to=("Closed",))
        await self._done(Act("revoked", said, removed))

    async def _hide(self) -> None:
        """Nightlatch sees it again once access is gone, so that the rest of its story can be told there and judged."""
        issue = self.ticket.issue_id
        async with self._seat.scene("vanished"):
            await self._seat.seat.on.sandbox.set_jira_viewers(issue, [])
        hidden = await self._log.first(issue, "issue.viewers_set")
        removed = await self._log.first(self._seat.seat.group_id, "membership.removed")
        await self._done(Act("vanished", hidden, removed))
        await self._seat.seat.on.sandbox.set_jira_viewers(issue, None)
        await self._log.first(issue, "issue.transitioned", to=("Closed",))

    async def _comment(self, text: str) -> tuple[TicketComment, Line]:
        written = await asyncio.to_thread(self._seat.person("alice").comment, self.ticket, text)
        line = await self._log.first(self.ticket.issue_id, "comment.added", comment_id=(written.comment_id,))
        return written, line

    async def _ask_the_bridge_too(self, wish: TicketComment) -> None:
        """A signed call for the verdict, where webhooks come: its answer, if there is one, is for Alice alone."""
        if not self._seat.life.webhooks:
            return
        path = f"/v1/requests/{self.ticket.issue_id}/extensions"
        body = f'{{"wish_id": "{wish.comment_id}"}}'.encode()
        headers = {CALL_HEADER: sign_call(self._seat.bridge.webhook_secret, path, body)}
        async with loopback_client(timeout=PATIENCE_SECONDS) as http:
            try:
                await http.post(f"{self._seat.address}{path}", content=body, headers=headers)
            except (httpx.TransportError, httpx.InvalidURL):
                return

    async def _done(self, act: Act) -> None:
        self.acts.append(act)
        if self._seat.life.webhooks:
            await self._seat.until(self._all_webhooks_are_through)
        await self._seat.until_idle(act.name)

    def _all_webhooks_are_through(self) -> bool:
        """Jira tells one event for each change and comment, and goes on to the next try when the bridge has died of it."""
        changes = self._log.about(
            self.ticket.issue_id, "issue.created", "issue.updated", "issue.transitioned", "comment.added"
        )
        through = self._log.about("", "webhook.delivered", "webhook.failed")
        return len([line for line in through if line["issue_key"] == self.ticket.key]) == len(changes)


async def _another_when_it_dies(seat: BridgeSeat) -> datetime:
    [first] = seat.bridges
    await first.ended.wait()
    return await seat.start_bridge()


async def _until_ready(seat: BridgeSeat) -> None:
    """Until the last bridge has seen all that there is to be seen."""
    async with loopback_client() as http:
        while True:
            try:
                if (await http.get(f"{seat.address}/readyz")).is_success:
                    return
            except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol):
                pass
            await asyncio.sleep(LAST_MOMENT_SECONDS / 10)


async def _result(seat: BridgeSeat, ticket: TicketRef) -> RequestResult:
    handle = seat.seat.on.client.get_workflow_handle(request_workflow_id(ticket), result_type=RequestResult)
    result: RequestResult = await handle.result()
    return result
