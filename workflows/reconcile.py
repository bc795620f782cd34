"""One run of the reconciler for one provider instance: look at every target, look again, and have leases end what both looks found.

A schedule starts it every minute, and a run that is still going makes the next one wait. It holds no access, so it may have a
timeout; each target has a deadline of its own, and one that fails keeps no other from being looked at.
"""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError

from activities.reconcile import ReconcileActivities
from domain.catalogue import SURFACES
from domain.concern import concerns_of
from domain.drift import UNSEEN, Finding, Known, confirmed, remember, urgent_first, within
from domain.errors import SignatureRefusedError
from domain.ids import TargetRef
from domain.values import Instant
from domain.watch import (
    LookInput,
    Memory,
    ReconcileInput,
    ReconcileReport,
    RemedyInput,
    RemedyResult,
    TargetLook,
    TargetReport,
    WatchedTarget,
    WatchInput,
)
from workflows import options, words
from workflows.asking import ask, read
from workflows.failures import cause_of
from workflows.waking import wake

SECOND_LOOK_AFTER = timedelta(seconds=5)
"""At least; longer where a provider's reads lag further behind its writes."""

LONGEST = 1_500_000
"""Bytes of an answer or a report: thousands of targets and members, and less than the engine's 2 MB."""

MOST_KNOWN = 4_000
"""Pairs of an instance that are remembered from run to run, those that were found uncovered first: about half a megabyte."""

SIDE_BY_SIDE = 8

MOST_REPORTED = 20
"""Findings of a target that a run's report names: the report is handed on from run to run."""


@workflow.defn(name="ReconcileWorkflow")
class ReconcileWorkflow:
    """Completes with a report, whatever failed. What it knows it hands to the next run of its schedule."""

    def __init__(self) -> None:
        self._reports: dict[TargetRef, TargetReport] = {}
        self._listed: dict[str, Instant] = {}
        self._known: dict[str, Known] = {}
        self._may_remove = 0
        self._places = asyncio.Semaphore(SIDE_BY_SIDE)

    @workflow.run
    async def run(self, order: ReconcileInput) -> ReconcileReport:
        memory = _last_memory()
        self._may_remove = order.limit
        try:
            watched = await ask(
                ReconcileActivities.list_watched,
                WatchInput(instance=order.instance, memory=memory),
                longest=LONGEST,
                **options.reconciling("which targets are there?"),
            )
        except (ActivityError, SignatureRefusedError) as error:
            return ReconcileReport(memory=memory, problem=cause_of(error))
        async with asyncio.TaskGroup() as group:
            for target in watched.targets:
                group.create_task(self._reconcile(target, _known_of(target, memory)))
        now, names = workflow.now(), {str(target.ref) for target in watched.targets}
        listed = {name: at for name, at in memory.listed.items() if name in names} | self._listed
        unlisted = {name: memory.unlisted.get(name, now) for name in names - self._listed.keys()}
        reports = {str(ref): report for ref, report in self._reports.items()}
        concerns = concerns_of(order.instance, reports, listed, unlisted, now)
        return ReconcileReport(
            memory=Memory(
                listed=listed,
                known=_bounded(self._known),
                leased=watched.leased,
                read_until=watched.read_until,
                unlisted=unlisted,
                said=await wake(concerns, memory.said, watched.control),
            ),
            targets=tuple(self._reports[target.ref] for target in watched.targets),
            problem=watched.problem,
        )

    async def _reconcile(self, target: WatchedTarget, known: dict[str, Known]) -> None:
        """Report on one target. Raises nothing that a target can cause."""
        async with self._places:
            try:
                report = await self._look_twice(target, known)
            except (ActivityError, SignatureRefusedError) as error:
                self._known |= known
                report = TargetReport(target=target.name, problem=cause_of(error))
        self._reports[target.ref] = report
        workflow.set_current_details(words.reconcile_details(self._reports.values()))

    async def _look_twice(self, target: WatchedTarget, known: dict[str, Known]) -> TargetReport:
        first = await self._look(target, known)
        if not first.findings:
            self._known |= remember(known, (), first.listed_at, done=(), ours=first.ours)
            return TargetReport(target=target.name, members=first.members)
        pause = max(SECOND_LOOK_AFTER, SURFACES[target.kind].read_lag)
        await workflow.sleep(pause, summary=f"before looking at {target.name} again")
        second = await self._look(target, known)
        findings = urgent_first(confirmed(first.findings, second.findings))
        now, later = within(findings, self._may_remove)
        self._may_remove -= sum(finding.is_limited for finding in now)
        told = {
            finding.lease_id: await self._remedy(target, finding, known.get(finding.lease_id, UNSEEN))
            for finding in now
            if finding.acts
        }
        done = {lease_id: remedy.done for lease_id, remedy in told.items() if remedy.done}
        failed = [remedy.problem for remedy in told.values() if remedy.problem]
        self._known |= remember(known, second.findings, second.listed_at, done=done, ours=second.ours)
        return TargetReport(
            target=target.name,
            members=second.members,
            findings=tuple(findings[:MOST_REPORTED]),
            done=tuple(f"{lease_id}: {said}" for lease_id, said in done.items())[:MOST_REPORTED],
            waiting=len(later) + second.more,
            problem="; ".join(failed)[:300],
        )

    async def _look(self, target: WatchedTarget, known: dict[str, Known]) -> TargetLook:
        look = await ask(
            ReconcileActivities.look_at_target,
            LookInput(target=target, known=known),
            **options.reconciling(f"who is in {target.name}?"),
        )
        self._listed[str(target.ref)] = look.listed_at
        return look

    async def _remedy(self, target: WatchedTarget, finding: Finding, known: Known) -> RemedyResult:
        try:
            return await ask(
                ReconcileActivities.remedy_drift,
                RemedyInput(target=target, finding=finding, known=known),
                **options.reconciling(f"{finding.kind}: {finding.remedy}"),
            )
        except (ActivityError, SignatureRefusedError) as error:
            return RemedyResult(problem=f"{finding.lease_id}: the remedy failed: {cause_of(error)}")


def _known_of(target: WatchedTarget, memory: Memory) -> dict[str, Known]:
    return {lease_id: known for lease_id, known in memory.known.items() if lease_id.startswith(f"lease:{target.ref}/")}


def _bounded(known: dict[str, Known]) -> dict[str, Known]:
    uncovered_first = sorted(known.items(), key=lambda pair: pair[1].since is None)
    return dict(uncovered_first[:MOST_KNOWN])


def _last_memory() -> Memory:
    """What the last run of the schedule left; nothing where there is none, or none that can be read."""
    last = workflow.get_last_completion_result(RawValue)
    if last is None:
        return Memory()
    try:
        return read(last, ReconcileReport, LONGEST).memory
    except Exception:  # noqa: BLE001 - memory is a help and no ground: without it everything is looked at anew
        return Memory()
