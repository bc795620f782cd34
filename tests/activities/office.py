"""Activities without an engine: each runs in an activity context whose calling lease, attempt and start instant a test chooses."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from temporalio import activity
from temporalio.testing import ActivityEnvironment

from activities.access import AccessActivities
from activities.approvals import Approvals
from activities.arming import ArmingActivities
from activities.bundle import Keys
from activities.callers import LEASE_TYPE
from activities.evidence import EvidenceActivities
from activities.forgetting import ForgettingActivities, GoneActivities
from activities.freeze import FreezeGate
from activities.gone import GoneTickets
from activities.judge import JudgeActivities
from activities.ports import AccessProvider, RunFacts
from activities.records import TicketRecords
from activities.turns import Turns
from domain.canonical import SigningKey
from domain.catalogue import SURFACES, Catalogue
from domain.evidence import Record
from domain.extension import latest_end
from domain.freeze import PROPERTY, FreezeWord, seal_text
from domain.ids import TicketRef, request_workflow_id
from domain.lease_messages import ArmInput, ArmResult, GrantInput, LeaseOrder, PairInput
from domain.messages import JudgeInput, OpenInput, OpenResult
from domain.queues import Queue
from domain.signed import Signed
from domain.warrant import Warrant
from tests.fakes.providers import FakeAccessProvider, FakeAccessProviders
from tests.fakes.tickets import FakeTickets
from tests.house import APPROVED, make_catalogue, make_keys
from workflows.options import HEARTBEAT_TIMEOUT, START_TO_CLOSE

Request = TypeVar("Request")
Result = TypeVar("Result")

LEASE = "lease:okta/prod/group/00gadmin/00ualice"
RUN = "run-1"


OURS = RunFacts(
    workflow_type=LEASE_TYPE,
    task_queue=Queue.LEASES,
    follows_another=False,
    has_timeout=False,
    began_at=datetime(2031, 5, 1, 11, tzinfo=UTC),
)
"""A lease run that will revoke, as the engine describes it."""


@dataclass
class FakeRuns:
    """The engine's word on runs: leases of ours that nobody reset, but for what `told` says of a run.

    It waits for the attempt that asks, unless `given_up`.
    """

    told: dict[str, RunFacts] = field(default_factory=dict)
    given_up: bool = False

    async def inspect(self, workflow_id: str, run_id: str) -> RunFacts:
        del workflow_id
        info = activity.info()
        attempts = {} if self.given_up else {info.activity_id: info.attempt}
        return self.told.get(run_id, OURS).model_copy(update={"attempts": attempts})


class Office:
    """`at` is the engine's time, in the test's hands; alice asks for `admin`, bob approves."""

    def __init__(self) -> None:
        self.at = datetime(2031, 5, 1, 12, tzinfo=UTC)
        self.catalogue: Catalogue = make_catalogue()
        self.keys: Keys = make_keys()
        self.runs = FakeRuns()
        self.unheard: set[TicketRef] = set()
        self.provider = FakeAccessProvider(clock=self.now)
        self.provider.make_group("00gadmin")
        self.provider.make_user("00ualice", "alice@example.com")
        self.tickets = FakeTickets(self.now)
        self.control = self.tickets.create(creator="carol", entitlement="", duration="", reason="control")
        self.freeze(frozen=False)
        self.records = TicketRecords(self.tickets, self.keys.trusted)
        self.gone = GoneTickets(self.tickets, self.control)
        self.access = self.access_over(self.provider)
        gate, approvals = self._gate(), self._approvals()
        self.arming = ArmingActivities(
            tickets=self.tickets,
            records=self.records,
            approvals=approvals,
            catalogues=self,
            freeze=gate,
            runs=self.runs,
            gone=self.gone,
            judge=self.judge_key,
        )
        self.judge = JudgeActivities(
            tickets=self.tickets,
            records=self.records,
            approvals=approvals,
            catalogues=self,
            gone=self.gone,
            turns=Turns(self._has_gone_on),
            judge=self.judge_key,
            keys=self.keys.trusted,
        )
        self.gone_looks = GoneActivities(
            providers=FakeAccessProviders({"okta/prod": self.provider}), catalogues=self, witness=self.witness_key
        )
        self.forgetting = ForgettingActivities(
            tickets=self.tickets,
            records=self.records,
            catalogues=self,
            runs=self.runs,
            gone=self.gone,
            judge=self.judge_key,
            keys=self.keys.trusted,
        )
        self.scribe = EvidenceActivities(
            tickets=self.tickets,
            records=self.records,
            gone=self.gone,
            scribe=self.scribe_key,
            keys=self.keys.trusted,
        )

    @property
    def judge_key(self) -> SigningKey:
        assert self.keys.judge is not None
        return self.keys.judge

    @property
    def scribe_key(self) -> SigningKey:
        assert self.keys.scribe is not None
        return self.keys.scribe

    @property
    def witness_key(self) -> SigningKey:
        assert self.keys.witness is not None
        return self.keys.witness

    def now(self) -> datetime:
        return self.at

    def current(self) -> Catalogue:
        return self.catalogue

    def access_over(self, provider: AccessProvider) -> AccessActivities:
        return AccessActivities(
            providers=FakeAccessProviders({"okta/prod": provider}),
            records=self.records,
            freeze=self._gate(),
            runs=self.runs,
            keys=self.keys.trusted,
            witness=self.witness_key,
        )

    def freeze(self, *, frozen: bool) -> None:
        word = FreezeWord(ticket=self.control, frozen=frozen, by="carol", at=self.at - timedelta(minutes=1))
        self.tickets.properties(self.control)[PROPERTY] = seal_text(Signed.seal(word, self.judge_key))

    def caller(self, lease: str | None = LEASE, run: str | None = RUN, *, attempt: int = 1) -> ActivityEnvironment:
        """The context of an attempt that began now, for the workflow run that the engine says is calling."""
        environment = ActivityEnvironment()
        environment.info = replace(
            environment.info,
            workflow_id=lease,
            workflow_run_id=run,
            attempt=attempt,
            task_queue=Queue.GRANTS,
            started_time=self.at,
            start_to_close_timeout=START_TO_CLOSE,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
        )
        return environment

    async def call(
        self,
        function: Callable[[Request], Awaitable[Result]],
        request: Request,
        lease: str | None = LEASE,
        run: str | None = RUN,
    ) -> Result:
        return await self.caller(lease, run).run(function, request)

    def ask(self, duration: str = "1h", *, creator: str = "alice") -> TicketRef:
        return self.tickets.create(creator=creator, entitlement="admin", duration=duration, reason="an incident")

    async def open(self, ticket: TicketRef, number: int = 1) -> OpenResult:
        request_id = request_workflow_id(ticket)
        return await self.call(self.judge.open_request, OpenInput(ticket=ticket, round_number=number), request_id)

    async def approved(self) -> LeaseOrder:
        """The order of a lease whose ticket was asked about and approved a moment ago."""
        ticket = self.ask()
        opened = await self.open(ticket)
        self.at += timedelta(seconds=1)
        self.tickets.transition_as(ticket, APPROVED, "bob")
        self.at += timedelta(seconds=1)
        return self.order(ticket, opened)

    def order(self, ticket: TicketRef, opened: OpenResult) -> LeaseOrder:
        terms = opened.terms
        assert terms is not None
        end = self.at + terms.duration
        return LeaseOrder(
            ticket=ticket,
            request_id=request_workflow_id(ticket),
            grantee=terms.grantees[0],
            entitlement=terms.entitlement,
            terms_digest=terms.digest,
            expires_at=end,
            never_after=latest_end(end, terms.extension),
            keys=self.keys.trusted,
            surface=SURFACES[terms.grantees[0].kind],
        )

    async def arm(self, order: LeaseOrder, run: str = RUN) -> ArmResult:
        return await self.call(self.arming.arm_lease, ArmInput(order=order), LEASE, run)

    async def armed(self) -> GrantInput:
        """An order with the warrant that the judge has issued for it."""
        order = await self.approved()
        result = await self.arm(order)
        assert result.warrant is not None, result.refused
        return GrantInput(order=order, warrant=result.warrant)

    async def pair(self) -> PairInput:
        return PairInput(order=await self.approved())

    def forge(self, request: GrantInput, key: SigningKey | None = None, **changes: object) -> GrantInput:
        """The request with a warrant that says something else: by its old signature, or signed anew with `key`."""
        warrant = request.warrant.open(Warrant, self.keys.trusted).model_copy(update=changes)
        resealed = Signed.seal(warrant, key or self.judge_key)
        if key is None:
            resealed = resealed.model_copy(update={"signature": request.warrant.signature})
        return request.model_copy(update={"warrant": resealed})

    async def chain(self, ticket: TicketRef, writer: str) -> tuple[Record, ...]:
        return await self.records.chain(ticket, writer)

    async def judged(self, order: LeaseOrder, opened: OpenResult) -> object:
        assert opened.asked is not None
        return await self.call(
            self.judge.judge_request, JudgeInput(ticket=order.ticket, asked=opened.asked), order.request_id
        )

    async def _has_gone_on(self, ticket: TicketRef) -> bool:
        return ticket not in self.unheard

    def _gate(self) -> FreezeGate:
        return FreezeGate(self.tickets, self.control, self.keys.trusted)

    def _approvals(self) -> Approvals:
        return Approvals(tickets=self.tickets, records=self.records, catalogues=self)
