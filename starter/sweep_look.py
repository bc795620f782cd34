"""What a sweep looks at: the members of every target, and claims that are due, judged by what the tickets tell of leases."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from activities.crowd import each_of
from activities.ledger import INDEX_LAG, Ledger
from activities.persisting import persist
from activities.ports import AccessProviders, Catalogues, Holder, Look
from domain.drift import DriftKind, Finding, Remedy, judge_member, urgent_first
from domain.durations import MAX_SKEW
from domain.errors import InvalidInputError, NightlatchError, NotFoundError, VendorError
from domain.ids import LeaseId, TargetRef
from domain.ledger import Claim, cover_of, speaking_for
from domain.sweep import SweepMemory, SweepOrder, judge_drain, patiently
from domain.values import whole_millis
from domain.watch import WatchedTarget, watched_targets
from domain.witness import Presence

AT_ONCE = 8
ASKED_FOR_TIME = 3

UNFINISHED = (timedelta(minutes=5), timedelta(days=7))
"""How long ago a claim was due that nobody has settled, though its subject is no member: less is the engine's, more is history."""


@dataclass
class Seen:
    """One look at one target, complete unless there is a `problem`."""

    members: int = 0
    findings: list[Finding] = field(default_factory=list)
    problem: str = ""

    @property
    def acts(self) -> bool:
        return any(finding.acts for finding in self.findings)


class Lookout:
    """`problems` gathers what kept it from seeing everything."""

    def __init__(
        self,
        order: SweepOrder,
        *,
        ledger: Ledger,
        providers: AccessProviders,
        catalogues: Catalogues,
        clock: Callable[[], datetime],
        patience: timedelta,
        memory: SweepMemory,
    ) -> None:
        self._order = order
        self._ledger = ledger
        self._providers = providers
        self._catalogues = catalogues
        self._now = clock
        self._patience = patience
        self._known_strangers = memory.strangers
        self._strangers: dict[str, datetime] = {}
        self._orphans: set[str] = set()
        self._named: set[TargetRef] = set()
        self._faults: list[str] = []

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self._faults, *self._ledger.unread.values()]))

    @property
    def memory(self) -> SweepMemory:
        """Of open claims, those that end first come first; and of members whose ticket is gone."""
        spoken = (speaking_for(claims) for claims in self._ledger.by_lease.values())
        kept = (claim for claim in spoken if claim and (claim.is_open or claim.lease_id in self._orphans))
        held = {
            claim.lease_id: f"{claim.ticket.issue_id}/{claim.ticket.key}"
            for claim in sorted(kept, key=lambda claim: claim.until)
        }
        return SweepMemory(held=held, strangers=self._strangers)

    def note(self, problem: str) -> None:
        self._faults.append(problem)

    def targets(self) -> tuple[WatchedTarget, ...]:
        """Of the catalogue, and whatever else a ticket tells of a lease of. One that is unknown is observed."""
        known: dict[str, WatchedTarget] = {}
        for lease_id, claims in self._ledger.by_lease.items():
            ref = LeaseId.parse(lease_id).target
            known[str(ref)] = WatchedTarget(kind=claims[0].kind, ref=ref, name=claims[0].target_name[:80])
        try:
            catalogue = self._catalogues.current()
        except InvalidInputError as error:
            self.note(f"the catalogue cannot be read: {error}")
        else:
            for instance in {target.instance for target in catalogue.targets.values()}:
                named = watched_targets(catalogue, instance)
                self._named |= named.keys()
                known |= {str(ref): target for ref, target in named.items()}
        wanted = self._order.instances
        return tuple(target for _, target in sorted(known.items()) if not wanted or target.ref.instance in wanted)

    def claim_of(self, lease_id: str) -> Claim | None:
        return speaking_for(self._ledger.about(lease_id))

    async def read_tickets(self) -> bool:
        """Whether they could be asked. What single ones of them do not tell is among the `problems`."""
        try:
            await self._ledger.read(self._now())
        except NightlatchError as error:
            self.note(f"the tickets cannot be read: {error}")
            return False
        return True

    async def look_at(self, targets: Iterable[WatchedTarget]) -> dict[WatchedTarget, Seen]:
        """Members are listed before the tickets are read: what a ticket allows was written there before it was granted."""
        listed = await each_of(targets, self._list, at_once=AT_ONCE)
        if not await self.read_tickets() and not self._order.drain_all:
            return {target: Seen(problem="nobody is judged without the tickets") for target in listed}
        return await each_of(listed, lambda target: self._judge(target, listed[target]), at_once=AT_ONCE)

    async def still_due(self, target: WatchedTarget, lease_id: str) -> Presence | None:
        """How the pair, about which there is still something to do, is seen now; None where there is nothing any more.

        Minutes may lie behind its last look: it is looked at and read about once more.

        Raises:
            VendorError: that cannot be known.
        """
        look = await self._verify(target, LeaseId.parse(lease_id))
        if not await self.read_tickets() and not self._order.drain_all:
            return None
        now = _time_told(look, target)
        if look.presence is Presence.ABSENT:
            return look.presence if any(self._unfinished({lease_id}, now)) else None
        finding = self._finding(target, lease_id, now)
        return look.presence if finding is not None and finding.acts else None

    async def _list(self, target: WatchedTarget) -> list[Holder] | str:
        """Every member, or why there is no complete list."""

        async def listed() -> list[Holder]:
            provider = self._providers.for_target(target.kind, target.ref)
            return [holder async for holder in provider.list_holders(target.ref)]

        try:
            return await persist(listed, self._patience)
        except NightlatchError as error:
            is_over = isinstance(error, NotFoundError) and not self._is_wanted(target)
            return [] if is_over else str(error)

    def _is_wanted(self, target: WatchedTarget) -> bool:
        """Whether the catalogue names it, or a ticket has not told of it that its access was proved gone, or given up."""
        return target.ref in self._named or not all(claim.is_over for claim in self._claims_at(target))

    def _claims_at(self, target: WatchedTarget) -> Iterator[Claim]:
        for lease_id, claims in self._ledger.by_lease.items():
            if LeaseId.parse(lease_id).target == target.ref:
                yield from claims

    async def _judge(self, target: WatchedTarget, listed: list[Holder] | str) -> Seen:
        if isinstance(listed, str):
            return Seen(problem=listed)
        members = {str(LeaseId(target=target.ref, subject=holder.subject)) for holder in listed}
        absent = {claim.lease_id for claim in self._claims_at(target) if not claim.is_settled} - members
        if not members | absent:
            return Seen()
        try:
            now = await self._vendor_time(target, sorted(members | absent))
        except NightlatchError as error:
            return Seen(members=len(listed), problem=str(error))
        found = [self._finding(target, lease_id, now) for lease_id in sorted(members)]
        findings = [*(finding for finding in found if finding), *self._unfinished(absent, now)]
        return Seen(len(listed), urgent_first(findings))

    def _finding(self, target: WatchedTarget, lease_id: str, at: datetime) -> Finding | None:
        claims = self._ledger.about(lease_id)
        if self._order.drain_all:
            return judge_drain(target, lease_id, at, was_ours=bool(claims))
        exception = target.why_exempt(lease_id, at)
        finding = judge_member(lease_id, cover_of(claims, at), at, mode=target.mode, exception=exception)
        if finding is None or not finding.acts:
            return finding
        self._orphans.add(lease_id)
        if finding.kind is DriftKind.ORPHAN and self._ledger.unread:
            return _left(finding, "a ticket cannot be read, which may be the one that allows it")
        if not claims:
            since = self._strangers.setdefault(lease_id, self._known_strangers.get(lease_id, at))
            if at - since < INDEX_LAG:
                return _left(
                    finding, f"seen since {since:%H:%M:%S} UTC; a new ticket may tell of it until ten minutes later"
                )
        return patiently(finding, claims, at, self._order.older_than)

    def _unfinished(self, absent: Iterable[str], at: datetime) -> Iterator[Finding]:
        """Removals that nobody has proved, and sessions that nobody has ended: the members are gone, the work is not done."""
        youngest, oldest = UNFINISHED
        for lease_id in sorted(absent):
            claim = speaking_for(self._ledger.about(lease_id))
            if claim is not None and claim.is_whole and not claim.is_settled and youngest <= at - claim.due_at < oldest:
                yield Finding(
                    lease_id=lease_id,
                    kind=DriftKind.STALLED,
                    remedy=Remedy.END,
                    run_id=claim.run_id,
                    was_ours=True,
                )

    async def _vendor_time(self, target: WatchedTarget, lease_ids: list[str]) -> datetime:
        """The vendor's own clock, with which this host's must agree. An account that is hidden from us tells none; the next may."""
        problem = ""
        for lease_id in lease_ids[:ASKED_FOR_TIME]:
            try:
                at = _time_told(await self._verify(target, LeaseId.parse(lease_id)), target)
            except (VendorError, InvalidInputError) as error:
                problem = str(error)
                continue
            off = abs(at - self._now())
            if off <= MAX_SKEW:
                return at
            problem = f"the clock of this host differs from that of {target.ref.instance} by {off}; set it right"
        raise InvalidInputError(problem)

    async def _verify(self, target: WatchedTarget, pair: LeaseId) -> Look:
        provider = self._providers.for_target(target.kind, target.ref)
        return await persist(lambda: provider.verify(pair.target, pair.subject), self._patience)


def _time_told(look: Look, target: WatchedTarget) -> datetime:
    if look.vendor_at is None:
        raise InvalidInputError(f"{target.ref.instance} tells no time, and this host's clock proves nothing")
    return look.vendor_at


def _left(finding: Finding, why: str) -> Finding:
    return finding.model_copy(update={"remedy": Remedy.REPORT, "protected": why})


def host_now() -> datetime:
    """By this host's clock, to the millisecond."""
    return whole_millis(datetime.now(UTC))
