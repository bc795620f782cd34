"""One request from asking to proof, played by people in Jira. What they do they do with their own tokens, as the CLI would."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from activities.catalogue_files import load_catalogue
from activities.integrations.jira_person import JiraPerson
from activities.integrations.jira_tickets import JiraTickets
from activities.registry import load_keys
from activities.settings import KeySettings, Settings
from domain.catalogue import SURFACES, Catalogue
from domain.durations import render_duration
from domain.errors import NightlatchError
from domain.ids import LeaseId, SubjectRef, TicketRef, request_workflow_id
from starter.demo_facts import Case, Line
from starter.demo_oracle import Verdict, judge
from starter.demo_screen import Screen
from starter.demo_timeline import Timeline
from starter.dev_home import Home
from starter.dev_vendors import VendorsHand
from starter.people_jira import load_person
from starter.ticket_evidence import PREFIX

ENTITLEMENT = "aws-prod-admin"
REASON = "rotate the leaked deploy key"
SUBJECT, APPROVER = "alice", "bob"
POLL_SECONDS = 0.1
STEP_SECONDS = 30.0
END_SECONDS = 90.0
"""How long after the agreed end the play waits before it judges what there is."""


class StoppedShortError(NightlatchError):
    """The play cannot go on: a step that should have followed did not."""


@dataclass(frozen=True)
class Stage:
    """Everything that the play is played on."""

    home: Home
    settings: Settings
    hand: VendorsHand
    client: Client
    screen: Screen


class Play:
    """`hold` and `extension`: what Alice asks for at first, and then more."""

    def __init__(self, stage: Stage, *, hold: timedelta, extension: timedelta) -> None:
        self._stage = stage
        self._hold = hold
        self._extension = extension
        self._catalogue = load_catalogue(stage.settings.catalogue)
        self._lease = _lease_of(self._catalogue)
        self._keys = load_keys(KeySettings(trusted=stage.settings.keys.trusted)).trusted
        self._tickets = JiraTickets(stage.settings.jira)
        self._audit: list[Line] = []
        self._heard = 0
        self._properties: Mapping[str, str] = {}

    async def perform(self) -> Verdict:
        """Play it through and judge it.

        Raises:
            StoppedShortError: access was never granted, or the extension got no answer.
        """
        people = {name: JiraPerson(load_person(name, self._stage.home.people)) for name in (SUBJECT, APPROVER)}
        try:
            await self._until_the_lock_is_free()
            ticket = await self._ask(people[SUBJECT])
            timeline = Timeline(self._stage.screen, ticket, self._lease, self._keys, self._name_of, self._details())
            following = asyncio.create_task(self._follow(ticket, timeline))
            try:
                await self._play_on(ticket, people, timeline)
            finally:
                following.cancel()
                with suppress(asyncio.CancelledError):
                    await following
            await self._catch_up(ticket, timeline)
            return judge(await self._case(ticket))
        finally:
            for person in people.values():
                person.close()
            await self._tickets.close()

    async def _play_on(self, ticket: TicketRef, people: Mapping[str, JiraPerson], timeline: Timeline) -> None:
        subject, approver = people[SUBJECT], people[APPROVER]
        await self._until(
            "Nightlatch posts the question on the ticket", lambda: self._stands("comment.added", self._bot)
        )
        await asyncio.to_thread(approver.transition_to, ticket, self._stage.settings.jira.approved_status)
        await self._until("approval -> bridge -> judge -> armed -> granted", self._stands_active)
        await self._stage.hand.sign_in_at_okta(self._lease.subject.user_id)
        first_end = timeline.ends_at
        await asyncio.to_thread(subject.comment, ticket, self._wish)
        await self._until("the judge's verdict on the extension", lambda: timeline.ends_at != first_end)
        self._stage.screen.wait_for("the lease sleeps durably until its end")
        with suppress(TimeoutError):
            async with asyncio.timeout((self._hold + self._extension).total_seconds() + END_SECONDS):
                await self._request(ticket).result()

    async def _until_the_lock_is_free(self) -> None:
        """A play that was interrupted may have left a lease behind: it ends as every lease does."""
        handle = self._stage.client.get_workflow_handle(str(self._lease))
        async with asyncio.timeout(END_SECONDS):
            while await _is_running(handle):
                self._stage.screen.wait_for("an earlier lease of Alice's is still being ended, and proved")
                await asyncio.sleep(POLL_SECONDS * 5)

    async def _ask(self, person: JiraPerson) -> TicketRef:
        old = await self._stage.hand.audit()
        self._heard = old[-1]["seq"] if old else 0
        self._stage.screen.wait_for("Alice creates the ticket")
        return await asyncio.to_thread(
            person.create_request, entitlement=ENTITLEMENT, duration=render_duration(self._hold), reason=REASON
        )

    async def _follow(self, ticket: TicketRef, timeline: Timeline) -> None:
        while True:
            await self._catch_up(ticket, timeline)
            await asyncio.sleep(POLL_SECONDS)

    async def _catch_up(self, ticket: TicketRef, timeline: Timeline) -> None:
        for line in await self._stage.hand.audit(self._heard):
            self._heard = line["seq"]
            if line.get("issue_id", ticket.issue_id) != ticket.issue_id:
                continue
            self._audit.append(line)
            if line["event"] == "property.put":
                self._properties = await self._tickets.read_properties(ticket, PREFIX)
                timeline.read(self._properties, line)
            timeline.hear(line)

    async def _until(self, what: str, holds: Callable[[], bool]) -> None:
        self._stage.screen.wait_for(what)
        try:
            async with asyncio.timeout(STEP_SECONDS):
                while not holds():
                    if self._stands("issue.transitioned", self._bot, to=self._stage.settings.jira.closed_status):
                        raise StoppedShortError("the request was closed before that; the ticket's comments say why")
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            raise StoppedShortError(f"this did not happen within {STEP_SECONDS:g} s: {what}") from error

    def _stands_active(self) -> bool:
        return self._stands("issue.transitioned", self._bot, to=self._stage.settings.jira.active_status)

    def _stands(self, event: str, actor: str, **facts: object) -> bool:
        wanted = {"event": event, "actor": actor, **facts}
        return any(wanted.items() <= line.items() for line in self._audit)

    async def _case(self, ticket: TicketRef) -> Case:
        entitlement = self._catalogue.entitlements[ENTITLEMENT]
        return Case(
            ticket=ticket,
            lease=self._lease,
            surface=SURFACES[self._catalogue.targets_of(entitlement)[0].kind],
            approver=self._catalogue.people.people[APPROVER].jira[0],
            scribe=self._bot,
            extension=self._extension,
            keys=self._keys,
            audit=self._audit,
            properties=await self._tickets.read_properties(ticket, PREFIX),
            is_over=not await _is_running(self._request(ticket)),
        )

    def _request(self, ticket: TicketRef) -> WorkflowHandle[Any, Any]:
        return self._stage.client.get_workflow_handle(request_workflow_id(ticket))

    def _name_of(self, account: str) -> str:
        """The first name of a person of the catalogue, by any account; the service accounts are Nightlatch."""
        for person in self._catalogue.people.people.values():
            if account in {*person.jira, *person.accounts.values()}:
                return person.name.split()[0]
        ours = {self._bot, *(entry.client_id for entry in self._stage.settings.okta)}
        return "Nightlatch" if account in ours else account

    def _details(self) -> dict[str, str]:
        asked = f"{ENTITLEMENT} for {render_duration(self._hold)}"
        return {"issue.created": asked, "comment.added": self._wish}

    @property
    def _wish(self) -> str:
        return f"/extend {render_duration(self._extension)}"

    @property
    def _bot(self) -> str:
        return self._stage.settings.jira.own_account


async def _is_running(handle: WorkflowHandle[Any, Any]) -> bool:
    try:
        return (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise


def _lease_of(catalogue: Catalogue) -> LeaseId:
    target = catalogue.targets_of(catalogue.entitlements[ENTITLEMENT])[0].ref
    account = catalogue.people.people[SUBJECT].accounts[target.instance]
    return LeaseId(target=target, subject=SubjectRef(instance=target.instance, user_id=account))
