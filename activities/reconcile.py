"""The look from outside: who is a member at the vendor, what runs in the engine, and what is to be ended because of it.

Nothing here touches a vendor but to read. What is to be taken away is taken away by a lease, which these activities start,
replace, cancel or ask to look for itself (DESIGN 6).
"""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey, WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.callers import LEASE_TYPE
from activities.covers import Covered, Covers
from activities.engine import start_to_end
from activities.engine_time import EngineClock
from activities.failures import told_to_temporal
from activities.heartbeats import beating
from activities.ports import AccessProviders, Catalogues, Holder
from domain.canonical import KeyRing
from domain.catalogue import KIND_OF_SCOPE, SURFACES
from domain.drift import (
    UNSEEN,
    Cover,
    DriftKind,
    Finding,
    Known,
    Remedy,
    judge_absence,
    judge_member,
    urgent_first,
)
from domain.errors import InvalidInputError, NotFoundError
from domain.ids import LeaseId, TargetRef, TicketRef, request_workflow_id
from domain.lease import LeaseState
from domain.lease_messages import LeaseOrder
from domain.queues import Queue, prefix_of, queue_name
from domain.search import STATE, TARGET
from domain.terms import Grantee
from domain.values import render_instant
from domain.watch import (
    WATCH_FOR,
    LeasedTarget,
    LookInput,
    RemedyInput,
    RemedyResult,
    TargetLook,
    WatchedTarget,
    WatchInput,
    WatchResult,
    watched_targets,
)

MOST_OURS = 500
"""Members of one target that are remembered as granted by us."""

MOST_TOLD = 200
"""Findings of one look that are passed on: a history holds them. The others are found again by the next run."""

LIST_LAG = timedelta(minutes=5)
"""How far what the engine lists may lag behind what is true."""

MAX_RESIDUAL = timedelta(hours=1)
"""Said of access that nobody's order bounds; the order's own has it from the catalogue."""

WHY = {
    DriftKind.ORPHAN: "a member without a lease",
    DriftKind.SQUATTED: "a member, and no lease under the lease's id",
    DriftKind.STALLED: "a lease past its end that does not move",
}

TARGET_KEY = SearchAttributeKey.for_keyword_list(TARGET)


class ReconcileActivities:
    def __init__(
        self, *, client: Client, providers: AccessProviders, catalogues: Catalogues, control: TicketRef, keys: KeyRing
    ) -> None:
        self._client = client
        self._providers = providers
        self._catalogues = catalogues
        self._control = control
        self._keys = keys
        self._covers = Covers(client, keys)

    @activity.defn(name="list_watched")
    async def list_watched(self, request: WatchInput) -> WatchResult:
        """The catalogue's targets of an instance, and every other one that a lease was begun for in the last 90 days.

        A catalogue that cannot be read is a problem to be told, and takes no target off the watch that had a lease.
        """
        clock = EngineClock()
        async with beating():
            with told_to_temporal():
                now = clock.now()
                since = request.memory.read_until or now - WATCH_FOR
                leased = {target.ref: target for target in request.memory.leased if target.leased_at > now - WATCH_FOR}
                leased |= {target.ref: target async for target in self._leased_since(since, request.instance)}
                try:
                    watched, problem = watched_targets(self._catalogues.current(), request.instance), ""
                except InvalidInputError as error:
                    watched, problem = {}, f"the catalogue cannot be read: {error}"[:300]
                dropped = [target for target in leased.values() if target.ref not in watched]
                others = [
                    WatchedTarget(kind=target.kind, ref=target.ref, name=target.name, is_named=False)
                    for target in dropped
                ]
                return WatchResult(
                    targets=(*watched.values(), *others),
                    leased=tuple(leased.values()),
                    read_until=max(since, now - LIST_LAG),
                    problem=problem,
                    control=self._control.key,
                )

    @activity.defn(name="look_at_target")
    async def look_at_target(self, request: LookInput) -> TargetLook:
        """Every member and every lease of one target, judged. Fails when the listing is not complete.

        The members are listed before the leases are described: what began in between is found by no second look.
        """
        clock = EngineClock()
        target = request.target
        async with beating():
            with told_to_temporal():
                listed_at = clock.now()
                listed = await self._list(target)
                members = {str(LeaseId(target=target.ref, subject=holder.subject)) for holder in listed}
                leased = {lease_id async for lease_id in self._active(target.ref)}
                now = clock.now()
                covers = await self._covers.of_all(members | leased, now)
                findings = urgent_first(
                    [*_of_members(request, members, covers, now), *_of_absent(members, covers, now)]
                )
                return TargetLook(
                    listed_at=listed_at,
                    members=len(members),
                    ours=tuple(id_ for id_ in sorted(members) if id_ in covers and covers[id_].cover.was_ours)[
                        :MOST_OURS
                    ],
                    findings=tuple(findings[:MOST_TOLD]),
                    more=max(0, len(findings) - MOST_TOLD),
                )

    @activity.defn(name="remedy_drift")
    async def remedy_drift(self, request: RemedyInput) -> RemedyResult:
        """Have a lease end what was found, as it is now. Says what was done; nothing when nothing is to be done any more."""
        clock = EngineClock()
        lease_id = request.finding.lease_id
        async with beating():
            with told_to_temporal():
                covered = await self._covers.of(lease_id, clock.now())
                cover, now = covered.cover if covered is not None else None, clock.now()
                if request.finding.kind is not DriftKind.MISSING:
                    finding = _judge(request.target, lease_id, cover, now, request.known)
                else:
                    finding = judge_absence(lease_id, cover, now) if cover is not None else None
                if finding is None:
                    return RemedyResult()
                return RemedyResult(done=await self._remedy(request.target, finding, covered, now))

    async def _remedy(self, target: WatchedTarget, finding: Finding, covered: Covered | None, now: datetime) -> str:
        lease = self._client.get_workflow_handle(finding.lease_id)
        sealed = covered.sealed if covered is not None else None
        match finding.remedy:
            case Remedy.REPORT | Remedy.WAIT:
                return ""
            case Remedy.CANCEL:
                await lease.cancel()
                return "its lease was cancelled"
            case Remedy.TELL:
                await lease.signal("look_again")
                return "its lease was asked to look for itself"
            case Remedy.END:
                order = self._order(target, finding, covered, now)
                try:
                    await start_to_end(self._client, order, WorkflowIDConflictPolicy.FAIL, sealed)
                except WorkflowAlreadyStartedError:
                    return ""
                return f"a lease takes it away, on {order.ticket.key}"
            case Remedy.REPLACE:
                order = self._order(target, finding, covered, now)
                await start_to_end(self._client, order, WorkflowIDConflictPolicy.TERMINATE_EXISTING, sealed)
                return f"another lease takes it away in its place, on {order.ticket.key}"

    def _order(self, target: WatchedTarget, finding: Finding, covered: Covered | None, now: datetime) -> LeaseOrder:
        """An order that ends: on the ticket that the judge's own warrant names, or on the control ticket."""
        lease_id = LeaseId.parse(finding.lease_id)
        ticket = covered.warrant.ticket if covered is not None and covered.warrant is not None else self._control
        return LeaseOrder(
            ticket=ticket,
            request_id=request_workflow_id(ticket),
            grantee=Grantee(
                kind=target.kind,
                target=target.ref,
                subject=lease_id.subject,
                target_name=target.name,
                max_residual=MAX_RESIDUAL,
                suspend_after=target.suspend_after,
            ),
            entitlement="",
            terms_digest="",
            expires_at=now,
            never_after=now,
            keys=self._keys,
            surface=SURFACES[target.kind],
            end_only=True,
            why=f"the reconciler found {WHY[finding.kind]}",
        )

    async def _list(self, target: WatchedTarget) -> list[Holder]:
        """Every member. Nobody is one of a target that people have given up as gone for good, while the vendor says the same."""
        provider = self._providers.for_target(target.kind, target.ref)
        try:
            return [holder async for holder in provider.list_holders(target.ref)]
        except NotFoundError:
            if not await self._is_given_up(target):
                raise
        return []

    async def _is_given_up(self, target: WatchedTarget) -> bool:
        """Whether a lease of it was forgotten, none runs, and the catalogue does not name it any more."""
        query = (
            f"WorkflowType = '{LEASE_TYPE}' AND {TARGET} = '{target.ref}'"
            f" AND (ExecutionStatus = 'Running' OR {STATE} = '{LeaseState.FORGOTTEN}')"
        )
        leases = [run.status async for run in self._client.list_workflows(query)] if not target.is_named else []
        return bool(leases) and WorkflowExecutionStatus.RUNNING not in leases

    async def _leased_since(self, since: datetime, instance: str) -> AsyncIterator[LeasedTarget]:
        """The targets of leases begun at an instance since then, oldest first."""
        queue = queue_name(prefix_of(activity.info().task_queue), Queue.LEASES)
        query = f"WorkflowType = '{LEASE_TYPE}' AND TaskQueue = '{queue}' AND StartTime >= '{render_instant(since)}'"
        async for run in self._client.list_workflows(query):
            try:
                ref = LeaseId.parse(run.id).target
                kind = KIND_OF_SCOPE[ref.scope]
            except (InvalidInputError, KeyError):
                continue
            if ref.instance == instance:
                names = run.typed_search_attributes.get(TARGET_KEY) or [str(ref)]
                yield LeasedTarget(kind=kind, ref=ref, name=names[0][:80], leased_at=run.start_time)

    async def _active(self, target: TargetRef) -> AsyncIterator[str]:
        """The ids of leases of a target that say that they hold access."""
        query = (
            f"WorkflowType = '{LEASE_TYPE}' AND {TARGET} = '{target}' AND {STATE} = 'active'"
            " AND ExecutionStatus = 'Running'"
        )
        async for run in self._client.list_workflows(query):
            try:
                if LeaseId.parse(run.id).target == target:
                    yield run.id
            except InvalidInputError:
                continue


def _of_members(request: LookInput, members: set[str], covers: dict[str, Covered], now: datetime) -> Iterator[Finding]:
    for lease_id in sorted(members):
        cover = covers[lease_id].cover if lease_id in covers else None
        finding = _judge(request.target, lease_id, cover, now, request.known.get(lease_id, UNSEEN))
        if finding is not None:
            yield finding


def _judge(target: WatchedTarget, lease_id: str, cover: Cover | None, now: datetime, known: Known) -> Finding | None:
    exception = target.why_exempt(lease_id, now)
    return judge_member(lease_id, cover, now, mode=target.mode, exception=exception, known=known)


def _of_absent(members: set[str], covers: dict[str, Covered], now: datetime) -> Iterator[Finding]:
    for lease_id in sorted(covers.keys() - members):
        finding = judge_absence(lease_id, covers[lease_id].cover, now)
        if finding is not None:
            yield finding
