"""The ticket system on Jira Cloud: the port's calls, each one attempt in a thread of the adapter's own bounded pool.

What counts as an answer is in `jira_answers.py`; reading in `jira_pages.py` and `jira_reading.py`; writing in `jira_writing.py`.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from activities.integrations import jira_reading, jira_writing
from activities.integrations.jira_pages import search
from activities.integrations.jira_settings import JiraSettings
from domain.errors import InvalidError
from domain.ids import TicketRef
from domain.ticket import TicketComment, TicketRules, TicketView

if TYPE_CHECKING:
    from activities.integrations.jira_client import JiraClient

Result = TypeVar("Result")

MAX_PROPERTY_BYTES = 32_768
"""Jira's limit for an issue property; its documents say characters, and fewer bytes are never more of those."""


class JiraTickets:
    """`TicketSystem` on one project of one Jira site. The SDK is imported by the first call, in its thread."""

    def __init__(self, settings: JiraSettings) -> None:
        self._settings = settings
        self._rules = settings.rules()
        self._threads = ThreadPoolExecutor(settings.connections, thread_name_prefix="jira")
        self._of_thread = threading.local()
        self._clients: list[JiraClient] = []
        self._account_is_checked = False

    @property
    def rules(self) -> TicketRules:
        return self._rules

    async def close(self) -> None:
        """Wait for the calls on their way, then close every connection."""
        await asyncio.to_thread(self._threads.shutdown)
        while self._clients:
            self._clients.pop().close()

    async def read(self, ticket: TicketRef) -> TicketView:
        return await self._run(lambda client: jira_reading.read_view(client, self._settings, ticket))

    async def read_properties(self, ticket: TicketRef, prefix: str) -> dict[str, str]:
        return await self._run(lambda client: jira_reading.read_properties(client, ticket, prefix))

    async def write_property(self, ticket: TicketRef, key: str, text: str) -> None:
        """Raises, before anything is sent, `ValueError` when `text` is no JSON and `InvalidError` when it is too large."""
        json.loads(text)
        if (size := len(text.encode())) > MAX_PROPERTY_BYTES:
            raise InvalidError(
                f"{ticket.key}: property {key} has {size} bytes, and Jira holds {MAX_PROPERTY_BYTES}: split it"
            )
        await self._run(lambda client: client.put_property(ticket.issue_id, key, text))

    async def comment(self, ticket: TicketRef, text: str, marker: str) -> TicketComment:
        def call(client: "JiraClient") -> TicketComment:
            if not self._account_is_checked:
                jira_writing.check_own_account(client, self._settings)
                self._account_is_checked = True
            return jira_writing.comment_once(client, self._settings, ticket, text, marker)

        return await self._run(call)

    async def set_fields(
        self, ticket: TicketRef, *, state: str, active_from: datetime | None, active_until: datetime | None
    ) -> None:
        def call(client: "JiraClient") -> None:
            jira_writing.set_fields(
                client, self._settings, ticket, state=state, active_from=active_from, active_until=active_until
            )

        await self._run(call)

    async def transition(self, ticket: TicketRef, status: str) -> None:
        await self._run(lambda client: jira_writing.move_to(client, ticket, status))

    async def changed_since(self, since: datetime) -> Sequence[TicketRef]:
        """The search index may lag some seconds behind the tickets: ask again from before the last answer."""
        found = await self._run(lambda client: search(client, self._query(since), ("updated",)))
        dated = sorted(((issue.instant("updated"), issue) for issue in found), key=lambda pair: pair[0])
        return [
            TicketRef(site=self._settings.site, issue_id=issue.id, key=issue.key)
            for updated_at, issue in dated
            if updated_at >= since
        ]

    async def missing_among(self, tickets: Sequence[TicketRef]) -> Sequence[TicketRef]:
        shown = await self._run(
            lambda client: jira_reading.shown_among(client, [ticket.issue_id for ticket in tickets])
        )
        return [ticket for ticket in tickets if ticket.issue_id not in shown]

    def _query(self, since: datetime) -> str:
        """By milliseconds since 1970, because a written date means the time zone of the account's profile.

        Rounded down to the minute, which is as finely as the query language compares.
        """
        whole_minute = int(since.timestamp()) // 60 * 60_000
        project, request_type = _quoted(self._settings.project), _quoted(self._settings.request_type)
        return f"project = {project} AND issuetype = {request_type} AND updated >= {whole_minute} ORDER BY updated ASC"

    async def _run(self, call: "Callable[[JiraClient], Result]") -> Result:
        # With the context goes the pulse of the attempt that calls, which is asked before each write.
        context = copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: context.run(lambda: call(self._client()))
        )

    def _client(self) -> "JiraClient":
        """This thread's own client."""
        from activities.integrations.jira_client import JiraClient  # noqa: PLC0415 - imports the SDK, only when used

        client: JiraClient | None = getattr(self._of_thread, "client", None)
        if client is None:
            client = self._of_thread.client = JiraClient(self._settings)
            self._clients.append(client)
        return client


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
