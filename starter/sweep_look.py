"""What a sweep looks at: the members of every target, judged by what the tickets tell of leases."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from activities.crowd import each_of
from activities.ledger import Ledger
from activities.ports import AccessProviders, Catalogues, Holder
from domain.drift import Finding, judge_member, urgent_first
from domain.durations import MAX_SKEW
from domain.errors import InvalidInputError, NightlatchError, NotFoundError
from domain.ids import LeaseId, TargetRef
from domain.ledger import Claim, cover_of
from domain.sweep import SweepOrder, judge_drain, patiently
from domain.values import whole_millis
from domain.watch import WatchedTarget, watched_targets

AT_ONCE = 8


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
    ) -> None:
        self._order = order
        self._ledger = ledger
        self._providers = providers
        self._catalogues = catalogues
        self._now = clock
        self._named: set[TargetRef] = set()
        self.problems: list[str] = []

    def targets(self) -> tuple[WatchedTarget, ...]:
        """Of the catalogue, and whatever else a lease was begun for in the last 90 days. One that is unknown is observed."""
        known: dict[str, WatchedTarget] = {}
        for lease_id, claims in self._ledger.by_lease.items():
            ref = LeaseId.parse(lease_id).target
            known[str(ref)] = WatchedTarget(kind=claims[0].kind, ref=ref, name=claims[0].target_name)
        try:
            catalogue = self._catalogues.current()
        except InvalidInputError as error:
            self.problems.append(f"the catalogue cannot be read: {error}")
        else:
            for instance in {target.instance for target in catalogue.targets.values()}:
                named = watched_targets(catalogue, instance)
                self._named |= named.keys()
                known |= {str(ref): target for ref, target in named.items()}
        wanted = self._order.instances
        return tuple(target for _, target in sorted(known.items()) if not wanted or target.ref.instance in wanted)

    def newest_claim(self, lease_id: str) -> Claim | None:
        return max(self._ledger.about(lease_id), key=lambda claim: claim.armed_at, default=None)

    async def read_tickets(self) -> bool:
        """Whether they could be read to the end."""
        try:
            await self._ledger.read(self._now())
        except NightlatchError as error:
            self.problems.append(f"the tickets cannot be read: {error}")
            return False
        return True

    async def look_at(self, targets: Iterable[WatchedTarget]) -> dict[WatchedTarget, Seen]:
        """Members are listed before the tickets are read: what a ticket allows was written there before it was granted."""
        listed = await each_of(targets, self._list, at_once=AT_ONCE)
        if not await self.read_tickets() and not self._order.drain_all:
            return {target: Seen(problem="nobody is judged without the tickets") for target in listed}
        return await each_of(listed, lambda target: self._judge(target, listed[target]), at_once=AT_ONCE)

    async def _list(self, target: WatchedTarget) -> list[Holder] | str:
        """Every member, or why there is no complete list."""
        try:
            provider = self._providers.for_target(target.kind, target.ref)
            return [holder async for holder in provider.list_holders(target.ref)]
        except NightlatchError as error:
            is_over = isinstance(error, NotFoundError) and not self._is_wanted(target)
            return [] if is_over else str(error)

    def _is_wanted(self, target: WatchedTarget) -> bool:
        """Whether the catalogue names it, or a ticket has not told of it that its access was proved gone."""
        here = (
            claims for lease_id, claims in self._ledger.by_lease.items() if LeaseId.parse(lease_id).target == target.ref
        )
        return target.ref in self._named or not all(claim.is_proved for claims in here for claim in claims)

    async def _judge(self, target: WatchedTarget, listed: list[Holder] | str) -> Seen:
        if isinstance(listed, str):
            return Seen(problem=listed)
        try:
            vendor_now = await self._vendor_time(target, listed)
        except NightlatchError as error:
            return Seen(members=len(listed), problem=str(error))
        lease_ids = sorted(str(LeaseId(target=target.ref, subject=holder.subject)) for holder in listed)
        found = [self._finding(target, lease_id, vendor_now) for lease_id in lease_ids]
        return Seen(len(listed), urgent_first([finding for finding in found if finding is not None]))

    def _finding(self, target: WatchedTarget, lease_id: str, at: datetime) -> Finding | None:
        claims = self._ledger.about(lease_id)
        if self._order.drain_all:
            return judge_drain(target, lease_id, at, was_ours=bool(claims))
        exception = target.why_exempt(lease_id, at)
        finding = judge_member(lease_id, cover_of(claims, at), at, mode=target.mode, exception=exception)
        return patiently(finding, claims, at, self._order.older_than) if finding is not None else None

    async def _vendor_time(self, target: WatchedTarget, listed: list[Holder]) -> datetime:
        """The vendor's own clock, with which this host's must agree; this host's where there is nobody to ask about."""
        if not listed:
            return self._now()
        provider = self._providers.for_target(target.kind, target.ref)
        look = await provider.verify(target.ref, listed[0].subject)
        here = self._now()
        vendor_at = look.vendor_at or here
        if abs(vendor_at - here) > MAX_SKEW:
            off = abs(vendor_at - here)
            raise InvalidInputError(
                f"the clock of this host differs from that of {target.ref.instance} by {off}; set it right"
            )
        return vendor_at


def host_now() -> datetime:
    """By this host's clock, to the millisecond."""
    return whole_millis(datetime.now(UTC))
