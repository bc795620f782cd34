"""A whole house for kernel tests: real server, real workers, real activities; doubles for the vendor and the ticket system."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from activities.bundle import Activities, Keys
from activities.records import TicketRecords
from domain.canonical import KeyRing, KeyRole, SigningKey
from domain.catalogue import (
    SURFACES,
    ApprovalRoute,
    Catalogue,
    Entitlement,
    ExtensionTerms,
    StandingException,
    Target,
    TargetKind,
    TargetMode,
)
from domain.evidence import Record, read_chain
from domain.freeze import PROPERTY, FreezeWord, seal_text
from domain.ids import LeaseId, SubjectRef, TargetRef, TicketRef, request_workflow_id
from domain.lease_messages import LeaseOrder
from domain.messages import RequestInput
from domain.persons import Directory, Person
from domain.queues import Queue, queue_name
from domain.signed import Signed
from domain.terms import Grantee
from tests.fakes.pager import FakePager
from tests.fakes.providers import FakeAccessProvider, FakeAccessProviders, LedgerEntry
from tests.fakes.tickets import FakeTickets
from workflows.access_request import AccessRequestWorkflow
from workflows.service import make_workers

PATIENCE_SECONDS = 40.0
APPROVED = "Approved"


def engine_now() -> datetime:
    """The engine's time where the caller runs inside an activity, this machine's otherwise."""
    if activity.in_activity():
        return activity.info().started_time
    return datetime.now(UTC)


def make_keys() -> Keys:
    judge, witness, scribe = (
        SigningKey.from_seed(bytes([number]) * 32, role)
        for number, role in ((1, KeyRole.JUDGE), (2, KeyRole.WITNESS), (3, KeyRole.SCRIBE))
    )
    return Keys(
        KeyRing(keys=(judge.public, witness.public, scribe.public)), judge=judge, witness=witness, scribe=scribe
    )


@dataclass
class HouseClock:
    """`engine_now`, and `ahead` of it for what people do while a test has moved a workflow's clock."""

    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return engine_now() + (timedelta(0) if activity.in_activity() else self.ahead)


def make_catalogue(instance: str = "okta/prod", site: str = "example") -> Catalogue:
    """One entitlement with one target, one with two; alice asks (with two accounts), bob and carol decide, mallory is a stranger."""
    targets = {
        name: Target(kind=TargetKind.OKTA_GROUP, instance=instance, container_id=f"00g{name}", name=name)
        for name in ("admin", "left", "right")
    }
    route = ApprovalRoute(approvers=("alice", "bob", "carol"), lapse_after=timedelta(days=1))
    extension = ExtensionTerms(each=timedelta(hours=1), total=timedelta(hours=2), count=2)
    entitlements = {
        key: Entitlement(
            title=key,
            application="aws",
            targets=names,
            requesters=("alice", "bob", "dave"),
            approval=route,
            max_duration=timedelta(days=90),
            extension=extension,
        )
        for key, names in {"admin": ("admin",), "pair": ("left", "right")}.items()
    }
    people = {
        key: Person(name=key.title(), jira=(key, *extra), accounts={instance: f"00u{key}"})
        for key, extra in {"alice": ("alice-alt",), "bob": (), "carol": (), "dave": (), "mallory": ()}.items()
    }
    return Catalogue(site=site, targets=targets, entitlements=entitlements, people=Directory(people=people))


@dataclass
class House:
    """What happened is read from `provider.ledger`: the vendor's own word."""

    client: Client
    provider: FakeAccessProvider
    tickets: FakeTickets
    keys: Keys
    control: TicketRef
    catalogue: Catalogue = field(default_factory=make_catalogue)
    catalogue_fault: Exception | None = None
    pager: FakePager = field(default_factory=FakePager)
    clock: HouseClock = field(default_factory=HouseClock)
    environment: WorkflowEnvironment | None = None
    prefix: str = field(default_factory=lambda: f"t{uuid4().hex[:10]}-")

    def current(self) -> Catalogue:
        if self.catalogue_fault is not None:
            raise self.catalogue_fault
        return self.catalogue

    def activities(self) -> Activities:
        return Activities.over(
            client=self.client,
            tickets=self.tickets,
            providers=FakeAccessProviders({self.provider.instance: self.provider}),
            catalogues=self,
            control=self.control,
            keys=self.keys,
            pager=self.pager,
        )

    @asynccontextmanager
    async def working(self, queues: Iterable[Queue] = Queue, *, cache: int | None = None) -> AsyncIterator[None]:
        """Workers of these queues, stopped with the block."""
        async with AsyncExitStack() as stack:
            for worker in make_workers(self.client, self.prefix, self.activities(), queues, cached=cache):
                await stack.enter_async_context(worker)
            yield

    def watch(self, name: str, mode: TargetMode, *exceptions: StandingException) -> None:
        """From now on the catalogue says so of that target."""
        watched = self.catalogue.targets[name].model_copy(update={"mode": mode, "exceptions": exceptions})
        targets = {**self.catalogue.targets, name: watched}
        self.catalogue = self.catalogue.model_copy(update={"targets": targets})

    def target(self, name: str = "admin") -> TargetRef:
        return self.catalogue.targets[name].ref

    def subject(self, person: str = "alice") -> SubjectRef:
        return SubjectRef(instance=self.provider.instance, user_id=f"00u{person}")

    def lease_id(self, name: str = "admin", person: str = "alice") -> str:
        return str(LeaseId(target=self.target(name), subject=self.subject(person)))

    def lease(self, name: str = "admin", person: str = "alice") -> WorkflowHandle[Any, Any]:
        """Whichever run holds the lease id."""
        return self.client.get_workflow_handle(self.lease_id(name, person))

    async def jump(self, handle: WorkflowHandle[Any, Any], span: timedelta) -> None:
        """Move one workflow's clock ahead by `span`, or to its end: a `jumping_house` can. One that is over stays so."""
        assert self.environment is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                await self.environment.fast_forward(handle, span)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise

    def is_member(self, name: str = "admin", person: str = "alice") -> bool:
        return self.provider.is_member(self.target(name), self.subject(person))

    def ledger(self, *actions: str) -> list[LedgerEntry]:
        return [entry for entry in self.provider.ledger if str(entry.action) in actions]

    def ask(
        self,
        duration: str = "1h",
        *,
        entitlement: str = "admin",
        creator: str = "alice",
        reporter: str = "",
        subject: str = "",
    ) -> TicketRef:
        return self.tickets.create(
            creator=creator,
            reporter=reporter or creator,
            subject=subject,
            entitlement=entitlement,
            duration=duration,
            reason="an incident",
        )

    async def start(self, ticket: TicketRef) -> WorkflowHandle[AccessRequestWorkflow, object]:
        return await self.client.start_workflow(
            AccessRequestWorkflow.run,
            RequestInput(ticket=ticket),
            id=request_workflow_id(ticket),
            task_queue=queue_name(self.prefix, Queue.REQUESTS),
        )

    async def asked(self, ticket: TicketRef, rounds: int = 1) -> None:
        """Return when the question has been posted that often."""
        await self.until(lambda: sum("Your answer is bound to" in text for text in self.comments(ticket)) >= rounds)

    async def approved(
        self, duration: str = "1h", *, entitlement: str = "admin"
    ) -> tuple[TicketRef, WorkflowHandle[AccessRequestWorkflow, object]]:
        """A request of alice's that bob has approved, and that has been told to look."""
        ticket = self.ask(duration, entitlement=entitlement)
        handle = await self.start(ticket)
        await self.asked(ticket)
        await self.approve(ticket, handle)
        return ticket, handle

    async def approve(
        self, ticket: TicketRef, handle: WorkflowHandle[AccessRequestWorkflow, object], by: str = "bob"
    ) -> None:
        self.tickets.transition_as(ticket, APPROVED, by)
        await handle.signal("approve", {"by": by})

    async def told(self, ticket: TicketRef, words: str) -> None:
        """Return when a comment on the ticket says so."""
        try:
            await self.until(lambda: any(words in text for text in self.comments(ticket)))
        except TimeoutError:
            raise AssertionError(f"nobody was told {words!r}; told was {self.comments(ticket)}") from None

    def comments(self, ticket: TicketRef) -> list[str]:
        return [comment.text for comment in self.tickets.comments(ticket)]

    def chains(self, ticket: TicketRef) -> dict[str, tuple[Record, ...]]:
        """Every writer's chain on a ticket, verified."""
        texts = {key: text for key, text in self.tickets.properties(ticket).items() if key != PROPERTY}
        writers: dict[str, list[str]] = {}
        for key in sorted(texts, key=lambda key: (key.rsplit(".", 1)[0], int(key.rsplit(".", 1)[1]))):
            writers.setdefault(_writer_of(texts[key]), []).append(texts[key])
        return {writer: read_chain(segments, ticket, writer, self.keys.trusted) for writer, segments in writers.items()}

    def kinds(self, ticket: TicketRef, writer: str) -> list[str]:
        return [str(record.kind) for record in self.chains(ticket).get(writer, ())]

    async def kept_aside(self, ticket: TicketRef, writer: str) -> list[str]:
        """What a writer's chain about a ticket that is gone tells, on the control ticket."""
        chain = await TicketRecords(self.tickets, self.keys.trusted).chain(ticket, writer, self.control)
        return [str(record.kind) for record in chain]

    def order(self, ticket: TicketRef, *, lasts: timedelta, name: str = "admin", end_only: bool = False) -> LeaseOrder:
        """The order of a lease of alice's, for tests that start a lease without a request."""
        now = datetime.now(UTC)
        return LeaseOrder(
            ticket=ticket,
            request_id=request_workflow_id(ticket),
            grantee=Grantee(
                kind=TargetKind.OKTA_GROUP,
                target=self.target(name),
                subject=self.subject(),
                target_name=name,
                max_residual=timedelta(hours=1),
            ),
            entitlement="admin",
            terms_digest="sha256:none",
            expires_at=now + lasts,
            never_after=now + lasts,
            keys=self.keys.trusted,
            surface=SURFACES[TargetKind.OKTA_GROUP],
            end_only=end_only,
        )

    async def until(self, state: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        """Return when `state` holds."""
        async with asyncio.timeout(seconds):
            while not state():
                await asyncio.sleep(0.02)

    async def settled(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Return when the workflow has acted on everything that it was told: nothing but timers and children is pending."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                described = (await handle.describe()).raw_description
                if not described.pending_activities and not described.HasField("pending_workflow_task"):
                    return
                await asyncio.sleep(0.02)

    async def until_listed(self, ticket: TicketRef) -> None:
        """Return when the running lease of a ticket is found by its parent: what is listed lags what is true."""
        parent = request_workflow_id(ticket)
        wanted = f"ParentWorkflowId = '{parent}' AND ExecutionStatus = 'Running'"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not [lease async for lease in self.client.list_workflows(wanted)]:
                await asyncio.sleep(0.05)

    async def soon(self, answer: Awaitable[object], seconds: float = PATIENCE_SECONDS) -> object:
        async with asyncio.timeout(seconds):
            return await answer


def build_house(client: Client, environment: WorkflowEnvironment | None = None) -> House:
    """A house with a site and a vendor of its own, so that houses on one server share no workflow id."""
    own = f"h{uuid4().hex[:8]}"
    clock, instance = HouseClock(), f"okta/{own}"
    provider = FakeAccessProvider(instance=instance, clock=clock)
    for name in ("admin", "left", "right"):
        provider.make_group(f"00g{name}")
    for person in ("alice", "bob", "carol", "dave", "mallory"):
        provider.make_user(f"00u{person}", f"{person}@example.com")
    tickets = FakeTickets(clock, site=own)
    house = House(
        client=client,
        provider=provider,
        tickets=tickets,
        keys=make_keys(),
        control=tickets.create(creator="carol", entitlement="", duration="", reason="control"),
        catalogue=make_catalogue(instance, own),
        clock=clock,
        environment=environment,
    )
    thaw(house)
    return house


def thaw(house: House, *, frozen: bool = False) -> None:
    assert house.keys.judge is not None
    word = FreezeWord(ticket=house.control, frozen=frozen, by="carol", at=datetime.now(UTC) - timedelta(minutes=1))
    house.tickets.properties(house.control)[PROPERTY] = seal_text(Signed.seal(word, house.keys.judge))


def _writer_of(text: str) -> str:
    return str(json.loads(text)["records"][0]["writer"])
