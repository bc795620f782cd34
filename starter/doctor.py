"""Whether an installation stands as it should, part by part. Everything is only read."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from activities.bundle import Keys
from activities.callers import LEASE_TYPE
from activities.catalogue_files import load_catalogue
from activities.ports import AccessProviders, TicketSystem
from activities.settings import Settings
from domain.catalogue import Catalogue
from domain.durations import MAX_SKEW, render_duration
from domain.errors import FrozenError, NightlatchError
from domain.freeze import read_freeze, refuse_if_frozen
from domain.lease import LeaseState
from domain.queues import Queue, queue_name
from domain.search import KINDS, STATE
from domain.sweep import STALE_AFTER
from domain.values import Value
from starter.drift_reading import read_drift
from starter.freezing import word_on
from starter.sweep_word import read_word

MOST_NAMED = 10


class Verdict(StrEnum):
    """WARNING: it works, and somebody should know. FAILED: access may be kept, or not given, because of it."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Check(Value):
    """One thing that was looked at. `told`: what was seen, or what is wrong and what to do."""

    name: str
    verdict: Verdict
    told: str


class Doctor:
    def __init__(self, settings: Settings, keys: Keys, *, tickets: TicketSystem, providers: AccessProviders) -> None:
        self._settings = settings
        self._keys = keys
        self._tickets = tickets
        self._providers = providers

    async def examine(self, client: Client | NightlatchError) -> list[Check]:
        """Every check, whatever the others say. `client`: the engine, or why it is not there."""
        checks = [
            await self._check("tickets", self._look_at_tickets),
            await self._check("freeze", self._look_at_freeze),
            *[
                await self._check(instance, lambda name=instance: self._look_at_instance(name))  # type: ignore[misc]
                for instance in sorted(entry.instance for entry in self._settings.okta)
            ],
            await self._check("sweep", self._look_at_sweep),
            self._pager(),
        ]
        if isinstance(client, NightlatchError):
            return [Check(name="temporal", verdict=Verdict.FAILED, told=str(client)), *checks]
        return [
            await self._check("temporal", lambda: self._look_at_engine(client)),
            await self._check("workers", lambda: self._look_at_queues(client)),
            await self._check("reconciler", lambda: self._look_at_drift(client)),
            await self._check("forgotten", lambda: self._look_at_forgotten(client)),
            *checks,
        ]

    async def _check(self, name: str, look: Callable[[], Awaitable[tuple[Verdict, str]]]) -> Check:
        try:
            verdict, told = await look()
        except NightlatchError as error:
            verdict, told = Verdict.FAILED, str(error)
        except RPCError as error:
            verdict, told = Verdict.FAILED, f"Temporal said {error.status.name}: {error.message}"
        return Check(name=name, verdict=verdict, told=told)

    def _catalogue(self) -> Catalogue:
        return load_catalogue(self._settings.catalogue)

    async def _look_at_engine(self, client: Client) -> tuple[Verdict, str]:
        request = ListSearchAttributesRequest(namespace=client.namespace)
        listed = await client.operator_service.list_search_attributes(request)
        missing = sorted(KINDS.keys() - listed.custom_attributes.keys())
        if missing:
            return Verdict.FAILED, f"search attributes {', '.join(missing)} are missing; run `nightlatch setup`"
        return Verdict.OK, f"namespace {client.namespace!r} answers, with its search attributes"

    async def _look_at_queues(self, client: Client) -> tuple[Verdict, str]:
        deserted = [queue for queue in Queue if not await self._is_polled(client, queue)]
        if deserted:
            return Verdict.FAILED, f"no worker polls {', '.join(deserted)}; start one with `--queues`, or see its log"
        return Verdict.OK, f"all {len(Queue)} queues are polled"

    async def _is_polled(self, client: Client, queue: Queue) -> bool:
        name = queue_name(self._settings.queue_prefix, queue)
        for kind in (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY):
            request = DescribeTaskQueueRequest(
                namespace=client.namespace, task_queue=TaskQueue(name=name), task_queue_type=kind
            )
            if (await client.workflow_service.describe_task_queue(request)).pollers:
                return True
        return False

    async def _look_at_drift(self, client: Client) -> tuple[Verdict, str]:
        drifts = await read_drift(client, self._settings)
        faults = [f"{each.instance}: {each.problem}" for each in drifts if each.problem]
        faults += [f"{target} was not listed lately" for each in drifts for target in each.stale]
        if faults:
            return Verdict.FAILED, "; ".join(faults)
        return Verdict.OK, f"it watches {', '.join(each.instance for each in drifts)}"

    async def _look_at_forgotten(self, client: Client) -> tuple[Verdict, str]:
        """Leases that people have given up, for as long as the engine remembers."""
        query = f"WorkflowType = '{LEASE_TYPE}' AND {STATE} IN ('{LeaseState.FORGETTING}', '{LeaseState.FORGOTTEN}')"
        found = [run.id async for run in client.list_workflows(query, limit=MOST_NAMED)]
        if found:
            told = f"given up by two people, and never proved: {', '.join(found)}; `nightlatch why` tells by whom"
            return Verdict.WARNING, told
        return Verdict.OK, "no removal was given up"

    async def _look_at_tickets(self) -> tuple[Verdict, str]:
        view = await self._tickets.read(self._settings.control_ticket)
        skew = abs(view.read_at - datetime.now(UTC))
        if skew > MAX_SKEW:
            return Verdict.FAILED, f"the ticket system's clock differs from this host's by {skew}; set it right"
        return Verdict.OK, f"the control ticket {self._settings.control_ticket.key} is read"

    async def _look_at_freeze(self) -> tuple[Verdict, str]:
        control, now = self._settings.control_ticket, datetime.now(UTC)
        text = await word_on(self._tickets, control)
        try:
            word = read_freeze(text, control, self._keys.trusted, now)
            refuse_if_frozen(word, word.at)
        except FrozenError as frozen:
            return Verdict.WARNING, f"nothing is granted: {frozen}"
        return Verdict.OK, f"not frozen, says {word.by}"

    async def _look_at_instance(self, instance: str) -> tuple[Verdict, str]:
        """Its first target, read as the reconciler reads it, and its clock."""
        named = (target for _, target in sorted(self._catalogue().targets.items()) if target.instance == instance)
        target = next(named, None)
        if target is None:
            return Verdict.WARNING, "the catalogue names no target of it"
        provider = self._providers.for_target(target.kind, target.ref)
        holders = [holder async for holder in provider.list_holders(target.ref)]
        if holders:
            look = await provider.verify(target.ref, holders[0].subject)
            skew = abs((look.vendor_at or datetime.now(UTC)) - datetime.now(UTC))
            if skew > MAX_SKEW:
                return Verdict.FAILED, f"its clock differs from this host's by {skew}; set it right"
        return Verdict.OK, f"{target.name} is listed ({len(holders)} members)"

    async def _look_at_sweep(self) -> tuple[Verdict, str]:
        word = await read_word(self._tickets, self._settings.control_ticket, self._keys.trusted)
        instances = sorted({target.instance for target in self._catalogue().targets.values()})
        if word is None:
            return Verdict.FAILED, "no sweep has ever been made; schedule `nightlatch sweep` outside of Temporal"
        now = datetime.now(UTC)
        ages = {name: now - at for name, at in word.looked_at.items()}
        old = [name for name in instances if name not in ages or not -MAX_SKEW <= ages[name] <= STALE_AFTER]
        if old:
            span = render_duration(STALE_AFTER)
            return (
                Verdict.FAILED,
                f"{', '.join(old)}: not swept to the end for {span}; see the log of `nightlatch sweep`",
            )
        return Verdict.OK, f"{', '.join(instances)}: swept within {render_duration(STALE_AFTER)}"

    def _pager(self) -> Check:
        if self._settings.pager is None:
            told = "no pager is configured: a late removal is told on its ticket only; set pager.url"
            return Check(name="pager", verdict=Verdict.WARNING, told=told)
        return Check(name="pager", verdict=Verdict.OK, told="an address is configured; it was not tried")
