"""A ticket system in memory: the port that activities use, and the hands of people who use the same tickets.

It keeps the promises of the real adapter (`tests/contract/test_ticket_system.py` runs over both) and fails on request.
What people do is synchronous and never fails.
"""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import get_args

import rfc8785

from domain.errors import InvalidError, NotFoundError, RetryableError, VendorError
from domain.ids import TicketRef
from domain.ticket import TicketChange, TicketComment, TicketRules, TicketView
from domain.values import render_instant
from tests.fakes.script import Gate, Script, When
from tests.fakes.ticket_state import ACTIVE_FROM, ACTIVE_UNTIL, STATE, Issue, Stamps

MAX_PROPERTY_BYTES = 32_768
OWN_ACCOUNT = "712020:nightlatch-bot-0000-0000-0000-000000000008"
SOURCES = {
    "Waiting for approval": {"Approved"},
    "Approved": {"Waiting for approval"},
    "Declined": {"Waiting for approval"},
    "Access active": {"Approved"},
    "Closed": {"Waiting for approval", "Approved", "Declined", "Access active"},
}
"""From which statuses each status can be reached, as in the workflow that the documentation asks for."""


def default_rules() -> TicketRules:
    return TicketRules(
        project="SEC",
        request_type="Access request",
        waiting_status="Waiting for approval",
        approved_status="Approved",
        declined_status="Declined",
        active_status="Access active",
        closed_status="Closed",
        bound_fields=frozenset({"Entitlement", "Duration", "Subject", "Reason", "reporter", "project", "issuetype"}),
        own_account=OWN_ACCOUNT,
    )


class FakeTickets:
    """`TicketSystem` in memory, by the injected clock; two happenings never bear the same instant."""

    def __init__(
        self, clock: Callable[[], datetime], *, rules: TicketRules | None = None, site: str = "example"
    ) -> None:
        self._rules = rules or default_rules()
        self._site = site
        self._stamps = Stamps(clock)
        self._issues: dict[str, Issue] = {}
        self._script = Script()
        self._is_down = False

    # The port.

    @property
    def rules(self) -> TicketRules:
        return self._rules

    async def read(self, ticket: TicketRef) -> TicketView:
        async with self._around("read"):
            return self._reach(ticket).view(self._stamps.now())

    async def read_properties(self, ticket: TicketRef, prefix: str) -> dict[str, str]:
        async with self._around("read_properties"):
            kept = self._reach(ticket).properties
            return {key: text for key, text in kept.items() if key.startswith(prefix)}

    async def write_property(self, ticket: TicketRef, key: str, text: str) -> None:
        async with self._around("write_property"):
            issue = self._reach(ticket)
            canonical = rfc8785.dumps(json.loads(text))
            if len(canonical) > MAX_PROPERTY_BYTES:
                raise InvalidError(f"{ticket.key}: property {key} has {len(canonical)} bytes of {MAX_PROPERTY_BYTES}")
            issue.properties[key] = canonical.decode()

    async def comment(self, ticket: TicketRef, text: str, marker: str) -> TicketComment:
        async with self._around("comment"):
            for posted in self._reach(ticket).comments:
                if posted.author == self._rules.own_account and posted.text.rpartition("\n")[2] == marker:
                    return posted
            return self._post(ticket, f"{text}\n\n{marker}", self._rules.own_account)

    async def set_fields(
        self, ticket: TicketRef, *, state: str, active_from: datetime | None, active_until: datetime | None
    ) -> None:
        async with self._around("set_fields"):
            issue = self._reach(ticket)
            instants = {ACTIVE_FROM: active_from, ACTIVE_UNTIL: active_until}
            wanted = {STATE: state} | {name: render_instant(at) if at else "" for name, at in instants.items()}
            for name, value in wanted.items():
                if value:
                    issue.change(self._stamps.next(), self._rules.own_account, name, value)

    async def transition(self, ticket: TicketRef, status: str) -> None:
        async with self._around("transition"):
            stands = self._reach(ticket).fields["status"]
            if stands == status:
                return
            if stands not in SOURCES.get(status, set()):
                raise InvalidError(
                    f"{ticket.key} stands in {stands!r}, and no transition leads from there to {status!r}"
                )
            self.transition_as(ticket, status, self._rules.own_account)

    async def changed_since(self, since: datetime) -> Sequence[TicketRef]:
        async with self._around("changed_since"):
            self._check_up()
            ours = [issue for issue in self._issues.values() if issue.fields["project"] == self._rules.project]
            found = [issue for issue in ours if issue.updated_at >= since]
            return [issue.ref for issue in sorted(found, key=lambda issue: issue.updated_at)]

    async def missing_among(self, tickets: Sequence[TicketRef]) -> Sequence[TicketRef]:
        async with self._around("missing_among"):
            self._check_up()
            return [ticket for ticket in tickets if ticket.issue_id not in self._issues]

    # What people do.

    def create(
        self,
        *,
        creator: str,
        entitlement: str,
        duration: str,
        reason: str,
        reporter: str | None = None,
        subject: str = "",
    ) -> TicketRef:
        """A new ticket that waits for approval."""
        number = self._stamps.number()
        ref = TicketRef(site=self._site, issue_id=str(10_000 + number), key=f"{self._rules.project}-{number}")
        fields = {
            "project": self._rules.project,
            "issuetype": self._rules.request_type,
            "status": self._rules.waiting_status,
            "creator": creator,
            "reporter": reporter or creator,
            "Subject": subject,
            "Entitlement": entitlement,
            "Duration": duration,
            "Reason": reason,
        }
        self._issues[ref.issue_id] = Issue(ref, fields, self._stamps.next())
        return ref

    def edit(self, ref: TicketRef, field: str, value: str, author: str) -> None:
        """Set Entitlement, Duration, Subject, Reason, reporter or issuetype; the same value again leaves no trace."""
        self._issue(ref).change(self._stamps.next(), author, field, value)

    def transition_as(self, ref: TicketRef, status: str, author: str) -> None:
        """Set the status, whatever it was: administrators can."""
        self._issue(ref).change(self._stamps.next(), author, self._rules.status_field, status)

    def comment_as(self, ref: TicketRef, text: str, author: str) -> str:
        """Post a comment; returns its id."""
        return self._post(ref, text, author).comment_id

    def edit_comment(self, ref: TicketRef, comment_id: str, text: str) -> None:
        issue = self._issue(ref)
        issue.rewrite(self._stamps.next(), comment_id, text)

    def move(self, ref: TicketRef, project: str, author: str = "712020:admin") -> TicketRef:
        """Move the ticket to another project, where it bears another key; returns it under that key."""
        issue = self._issue(ref)
        moved = ref.model_copy(update={"key": f"{project}-{self._stamps.number()}"})
        at = self._stamps.next()
        issue.change(at, author, "project", project)
        issue.record(at, author, "Key", issue.ref.key, moved.key)
        issue.ref = moved
        return moved

    def delete(self, ref: TicketRef) -> None:
        del self._issues[self._issue(ref).ref.issue_id]

    # What a test may see and set.

    def properties(self, ref: TicketRef) -> dict[str, str]:
        """The properties themselves: changing this dictionary is what an administrator could do."""
        return self._issue(ref).properties

    def comments(self, ref: TicketRef) -> tuple[TicketComment, ...]:
        return tuple(self._issue(ref).comments)

    def changes(self, ref: TicketRef) -> tuple[TicketChange, ...]:
        return tuple(self._issue(ref).changes)

    def field(self, ref: TicketRef, name: str) -> str:
        """A field's present text, `status`, `Access state`, `Access from` and `Access until` included."""
        return self._issue(ref).fields.get(name, "")

    def down(self) -> None:
        """From now on every call of the port raises `RetryableError`."""
        self._is_down = True

    def up(self) -> None:
        self._is_down = False

    def fail(self, call: str, error: VendorError, times: int | None = 1, when: When = "before") -> None:
        """Let `call` raise `error` so often (None: until `succeed`), before it takes effect or after."""
        self._script.fail(f"{call}/{when}", error, times)

    def succeed(self, call: str) -> None:
        """Forget what `fail` was told about `call`."""
        for when in get_args(When):
            self._script.succeed(f"{call}/{when}")

    def hold(self, call: str, when: When = "before") -> Gate:
        """Stop every `call`, before or after it takes effect, until the gate is released."""
        return self._script.hold(call, when)

    @asynccontextmanager
    async def _around(self, call: str) -> AsyncIterator[None]:
        """Run a call's effect between what is scripted before and after it."""
        await self._script.stop_at_gate(call, "before")
        self._script.raise_failure(f"{call}/before")
        yield
        await self._script.stop_at_gate(call, "after")
        self._script.raise_failure(f"{call}/after")

    def _post(self, ref: TicketRef, text: str, author: str) -> TicketComment:
        posted = TicketComment(
            comment_id=str(10_000 + self._stamps.number()), at=self._stamps.next(), author=author, text=text
        )
        self._issue(ref).add(posted)
        return posted

    def _reach(self, ref: TicketRef) -> Issue:
        self._check_up()
        return self._issue(ref)

    def _check_up(self) -> None:
        if self._is_down:
            raise RetryableError("the ticket system is down")

    def _issue(self, ref: TicketRef) -> Issue:
        issue = self._issues.get(ref.issue_id)
        if issue is None:
            raise NotFoundError(
                f"ticket {ref.key} ({ref.issue_id}) does not exist, or we may not see it", thing="ticket"
            )
        return issue
