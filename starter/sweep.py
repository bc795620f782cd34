"""The sweep: ends access that nobody should hold any more, from the tickets and the vendors alone. It needs no engine.

The same judgement as the reconciler's (`domain/drift.py`), with the signed records of the tickets for what is leased. Beside a
healthy installation it finds nothing to do: it acts on what it has found twice, two minutes apart.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from activities.bundle import Keys
from activities.crowd import each_of
from activities.ledger import Ledger
from activities.ports import AccessProviders, Catalogues, TicketSystem
from activities.records import TicketRecords
from activities.send_window import LONGEST_ATTEMPT
from domain.drift import Finding, confirmed, urgent_first, within
from domain.errors import NightlatchError
from domain.ids import LeaseId, TicketRef
from domain.sweep import Removed, SweepOrder, SweepReport, TargetSweep
from domain.watch import WatchedTarget
from starter.freezing import freeze
from starter.sweep_look import AT_ONCE, Lookout, Seen, host_now
from starter.sweep_removal import SweepPaper, take_away

MOST_ROUNDS = 30


@dataclass(frozen=True)
class Pace:
    """`apart`: what lies between the two looks of a run; `between_rounds`: between those of a drain.

    `fence`: how long a grant that somebody has begun may still be under way. `patience`: how long one removal is tried.
    """

    apart: timedelta = timedelta(minutes=2)
    between_rounds: timedelta = timedelta(seconds=10)
    fence: timedelta = LONGEST_ATTEMPT
    patience: timedelta = timedelta(minutes=2)


class Sweep:
    """One run. `tell`: called with what it is about to do."""

    def __init__(
        self,
        order: SweepOrder,
        *,
        tickets: TicketSystem,
        providers: AccessProviders,
        catalogues: Catalogues,
        control: TicketRef,
        keys: Keys,
        pace: Pace = Pace(),
        clock: Callable[[], datetime] = host_now,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._order = order
        self._tickets = tickets
        self._providers = providers
        self._control = control
        self._keys = keys
        self._pace = pace
        self._now = clock
        self._tell = tell
        records = TicketRecords(tickets, keys.trusted)
        ledger = Ledger(tickets, records)
        self._lookout = Lookout(order, ledger=ledger, providers=providers, catalogues=catalogues, clock=clock)
        self._paper = SweepPaper(tickets, records, control, keys)

    async def run(self) -> SweepReport:
        """Look, look again, take away. Whatever fails is told in the report, and holds up nothing else."""
        began_at, order = self._now(), self._order
        if order.drain_all and not order.dry_run:
            await self._freeze()
        self._tell("reading the tickets")
        has_read = await self._lookout.read_tickets()
        targets = self._lookout.targets() if has_read or order.drain_all else ()
        swept = await (self._drain(targets) if order.drain_all else self._sweep(targets))
        return SweepReport(
            began_at=began_at,
            ended_at=self._now(),
            targets=tuple(swept[target] for target in targets),
            problems=tuple(self._lookout.problems),
        )

    async def _sweep(self, targets: tuple[WatchedTarget, ...]) -> dict[WatchedTarget, TargetSweep]:
        first = await self._look_at(targets)
        swept = {target: _told(target, first[target]) for target in targets}
        again = tuple(target for target in targets if first[target].acts)
        if self._order.dry_run or not again:
            return swept
        self._tell(f"looking again in {self._pace.apart.total_seconds():.0f} s at {len(again)} targets")
        await asyncio.sleep(self._pace.apart.total_seconds())
        for target, second in (await self._look_at(again)).items():
            findings = urgent_first(confirmed(first[target].findings, second.findings))
            swept[target] = await self._take_away(target, Seen(second.members, findings, second.problem))
        return swept

    async def _drain(self, targets: tuple[WatchedTarget, ...]) -> dict[WatchedTarget, TargetSweep]:
        """Take out whoever has to go, until two complete listings in a row show nobody of them."""
        removed: dict[WatchedTarget, dict[str, Removed]] = {target: {} for target in targets}
        seen: dict[WatchedTarget, Seen] = {}
        empty = 0
        for _ in range(MOST_ROUNDS):
            seen = await self._look_at(targets)
            if self._order.dry_run:
                break
            empty = 0 if any(look.acts or look.problem for look in seen.values()) else empty + 1
            for target in targets:
                taken = await self._take_away(target, seen[target])
                removed[target] |= {each.lease_id: each for each in taken.removed}
            if empty == 2:
                break
            await asyncio.sleep(self._pace.between_rounds.total_seconds())
        else:
            self._lookout.problems.append(f"no two listings in a row were empty in {MOST_ROUNDS} rounds")
        return {
            target: _told(target, seen[target]).model_copy(update={"removed": tuple(removed[target].values())})
            for target in targets
        }

    async def _freeze(self) -> None:
        """Nothing may be granted behind it. Where that cannot be said, access is taken away all the same."""
        reason, by = "everybody is taken out", "nightlatch sweep"
        try:
            await freeze(self._tickets, self._control, self._keys.judge, by=by, reason=reason, now=self._now())
        except NightlatchError as error:
            self._lookout.problems.append(f"the freeze could not be written: {error}")

    async def _look_at(self, targets: tuple[WatchedTarget, ...]) -> dict[WatchedTarget, Seen]:
        self._tell(f"listing the members of {len(targets)} targets")
        return await self._lookout.look_at(targets)

    async def _take_away(self, target: WatchedTarget, seen: Seen) -> TargetSweep:
        due, later = within(seen.findings, self._order.limit)
        acting = [finding for finding in due if finding.acts]
        if acting:
            self._tell(f"taking {len(acting)} members out of {target.name}")
        removed = await each_of(acting, lambda finding: self._remove(target, finding), at_once=AT_ONCE)
        return _told(target, seen).model_copy(update={"removed": tuple(removed.values()), "waiting": len(later)})

    async def _remove(self, target: WatchedTarget, finding: Finding) -> Removed:
        claim = self._lookout.newest_claim(finding.lease_id)
        ticket = claim.ticket if claim is not None else self._control
        undone = Removed(lease_id=finding.lease_id, ticket=ticket.key, was_ours=finding.was_ours)
        try:
            provider = self._providers.for_target(target.kind, target.ref)
            taken = await take_away(
                provider, LeaseId.parse(finding.lease_id), fence=self._pace.fence, patience=self._pace.patience
            )
        except NightlatchError as error:
            return undone.model_copy(update={"problem": f"not proved to be gone: {error}"})
        try:
            return await self._paper.tell(target, finding, claim, taken)
        except NightlatchError as error:
            return undone.model_copy(update={"problem": f"gone, and not told on {ticket.key}: {error}"})


def _told(target: WatchedTarget, seen: Seen) -> TargetSweep:
    return TargetSweep(
        target=target.name,
        instance=target.ref.instance,
        members=seen.members,
        findings=tuple(seen.findings),
        problem=seen.problem,
    )
