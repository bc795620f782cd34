"""The sweep: ends access that nobody should hold any more, from the tickets and the vendors alone. It needs no engine.

The same judgement as the reconciler's (`domain/drift.py`), with the signed records of the tickets for what is leased. Beside a
healthy installation it finds nothing to do: it acts on what it has found twice, two minutes apart, and once more right before.
"""

import asyncio
from collections.abc import Callable, Mapping
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
from domain.sweep import Removed, SweepMemory, SweepOrder, SweepReport, TargetSweep
from domain.warrant import FREEZE_RECHECK_AGE
from domain.watch import WatchedTarget
from starter.freezing import freeze
from starter.sweep_look import AT_ONCE, Lookout, Seen, host_now
from starter.sweep_removal import SweepPaper, take_away

MOST_ROUNDS = 60

Looks = Mapping[WatchedTarget, Seen]


@dataclass(frozen=True)
class Pace:
    """`apart`: what lies between the two looks of a run; `between_rounds`: between those of a drain.

    `fence`: how long a grant that somebody has begun may still be under way. `admitted`: how old a permission may be that is
    used without a look at the freeze. `reading`, `patience`: how long one reading, and one removal, is tried: a run in which
    everything fails has to come to its end, and say so, before its timer ends it.
    """

    apart: timedelta = timedelta(minutes=2)
    between_rounds: timedelta = timedelta(seconds=10)
    fence: timedelta = LONGEST_ATTEMPT
    admitted: timedelta = FREEZE_RECHECK_AGE
    reading: timedelta = timedelta(seconds=20)
    patience: timedelta = timedelta(minutes=2)


class Sweep:
    """One run. `memory`: what the run before it left. `tell`: called with what it is about to do."""

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
        memory: SweepMemory | None = None,
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
        records, known = TicketRecords(tickets, keys.trusted), memory or SweepMemory()
        self._lookout = Lookout(
            order,
            ledger=Ledger(tickets, records, control, pace.reading, remembered=_tickets_of(known, control)),
            providers=providers,
            catalogues=catalogues,
            clock=clock,
            patience=pace.reading,
            memory=known,
        )
        self._paper = SweepPaper(tickets, records, control, keys)

    async def run(self) -> SweepReport:
        """Look, look again, take away. What one target, ticket or vendor does not tell is in the report, and holds up no other."""
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
            problems=self._lookout.problems,
            memory=self._lookout.memory,
        )

    async def _sweep(self, targets: tuple[WatchedTarget, ...]) -> dict[WatchedTarget, TargetSweep]:
        first = await self._look_at(targets)
        swept = {target: _told(target, first[target]) for target in targets}
        again = tuple(target for target in targets if first[target].acts)
        if self._order.dry_run or not again:
            return swept
        self._tell(f"looking again in {self._pace.apart.total_seconds():.0f} s at {len(again)} targets")
        await asyncio.sleep(self._pace.apart.total_seconds())
        second = {
            target: Seen(seen.members, urgent_first(confirmed(first[target].findings, seen.findings)), seen.problem)
            for target, seen in (await self._look_at(again)).items()
        }
        return swept | await self._take_away(second)

    async def _drain(self, targets: tuple[WatchedTarget, ...]) -> dict[WatchedTarget, TargetSweep]:
        """Take out whoever has to go, until two complete listings in a row show nobody of them.

        None counts before every grant has landed that had been admitted when it was frozen.
        """
        loop = asyncio.get_running_loop()
        counts_from = loop.time() + (self._pace.admitted + self._pace.fence).total_seconds()
        removed: dict[WatchedTarget, dict[str, Removed]] = {target: {} for target in targets}
        seen = await self._look_at(targets)
        empty, rounds = 0, 0
        while not self._order.dry_run and empty < 2 and rounds < MOST_ROUNDS:
            for target, taken in (await self._take_away(seen)).items():
                removed[target] |= {each.lease_id: each for each in taken.removed}
            await asyncio.sleep(self._pace.between_rounds.total_seconds())
            counts, seen = loop.time() >= counts_from, await self._look_at(targets)
            is_empty = not any(look.acts or look.problem for look in seen.values())
            empty = empty + 1 if counts and is_empty else 0
            rounds += counts
        if not self._order.dry_run and empty < 2:
            self._lookout.note(f"no two listings in a row were empty in {MOST_ROUNDS} rounds")
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
            self._lookout.note(f"the freeze could not be written: {error}")

    async def _look_at(self, targets: tuple[WatchedTarget, ...]) -> dict[WatchedTarget, Seen]:
        self._tell(f"listing the members of {len(targets)} targets")
        return await self._lookout.look_at(targets)

    async def _take_away(self, seen: Looks) -> dict[WatchedTarget, TargetSweep]:
        """Side by side, all targets together: one that fails, or takes long, holds up no other. The limit is one for all."""
        of = {finding: target for target, look in seen.items() for finding in look.findings}
        due, later = within(urgent_first(of), self._order.limit)
        acting = [finding for finding in due if finding.acts]
        if acting:
            self._tell(f"taking {len(acting)} members out")
        done = await each_of(acting, lambda finding: self._remove(of[finding], finding), at_once=AT_ONCE)
        swept = {}
        for target, look in seen.items():
            removed = tuple(each for finding, each in done.items() if each is not None and of[finding] == target)
            gone = {finding for finding, each in done.items() if each is None}
            left = Seen(look.members, [finding for finding in look.findings if finding not in gone], look.problem)
            waiting = sum(of[finding] == target for finding in later)
            swept[target] = _told(target, left).model_copy(update={"removed": removed, "waiting": waiting})
        return swept

    async def _remove(self, target: WatchedTarget, finding: Finding) -> Removed | None:
        """What came of it; None where by now there is nothing to take away."""
        claim = self._lookout.claim_of(finding.lease_id)
        ticket = claim.ticket if claim is not None else self._control
        undone = Removed(lease_id=finding.lease_id, ticket=ticket.key, was_ours=finding.was_ours)
        try:
            before = await self._lookout.still_due(target, finding.lease_id)
            if before is None:
                return None
            provider = self._providers.for_target(target.kind, target.ref)
            pair, pace = LeaseId.parse(finding.lease_id), self._pace
            taken = await take_away(provider, pair, fence=pace.fence, patience=pace.patience)
        except NightlatchError as error:
            return undone.model_copy(update={"problem": f"not proved to be gone: {error}"})
        try:
            return await self._paper.tell(target, finding, claim, taken, before)
        except NightlatchError as error:
            return undone.model_copy(update={"problem": f"gone, and not told on {ticket.key}: {error}"})


def _tickets_of(memory: SweepMemory, control: TicketRef) -> dict[str, TicketRef]:
    """Lease id -> ticket, of what the last run has left; the signed word that it comes from is of this installation."""
    held = {}
    for lease_id, name in memory.held.items():
        issue_id, _, key = name.partition("/")
        held[lease_id] = TicketRef(site=control.site, issue_id=issue_id, key=key)
    return held


def _told(target: WatchedTarget, seen: Seen) -> TargetSweep:
    return TargetSweep(
        target=target.name,
        instance=target.ref.instance,
        members=seen.members,
        findings=tuple(seen.findings),
        problem=seen.problem,
    )
