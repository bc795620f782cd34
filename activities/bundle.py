"""All activities over one set of ports: what the composition root builds from settings, and tests from doubles."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from temporalio.client import Client

from activities.access import AccessActivities
from activities.approvals import Approvals
from activities.arming import ArmingActivities
from activities.engine import EngineActivities, EngineRuns, has_gone_on
from activities.evidence import EvidenceActivities
from activities.forgetting import ForgettingActivities, GoneActivities
from activities.freeze import FreezeGate
from activities.gone import GoneTickets
from activities.judge import JudgeActivities
from activities.paging import PagingActivities
from activities.ports import AccessProviders, Catalogues, Pager, TicketSystem
from activities.reconcile import ReconcileActivities
from activities.records import TicketRecords
from activities.turns import Turns
from domain.canonical import KeyRing, KeyRole, SigningKey
from domain.errors import InvalidInputError
from domain.ids import TicketRef
from domain.queues import Queue

SIGNERS: dict[Queue, tuple[KeyRole, ...]] = {
    Queue.REQUESTS: (),
    Queue.LEASES: (KeyRole.WITNESS,),
    Queue.GRANTS: (KeyRole.WITNESS,),
    Queue.TICKETS: (KeyRole.JUDGE, KeyRole.SCRIBE),
    Queue.APPROVALS: (KeyRole.JUDGE, KeyRole.SCRIBE),
    Queue.RECONCILE: (),
}
"""In which roles the activities of a queue sign."""


@dataclass(frozen=True)
class Keys:
    """The keys of one process: those it signs with (None: it does not speak in that role), and those it believes."""

    trusted: KeyRing
    judge: SigningKey | None = None
    witness: SigningKey | None = None
    scribe: SigningKey | None = None

    def of(self, role: KeyRole) -> SigningKey | None:
        return {KeyRole.JUDGE: self.judge, KeyRole.WITNESS: self.witness, KeyRole.SCRIBE: self.scribe}[role]

    def require_for(self, queues: Iterable[Queue]) -> None:
        """Pass when these queues can be served whole: a worker without a key would poll one and answer nothing of it.

        Raises:
            InvalidInputError: a key is missing; the message names it and the queue.
        """
        for queue in queues:
            for role in SIGNERS[queue]:
                if self.of(role) is None:
                    raise InvalidInputError(
                        f"the queue {queue!s} needs keys.{role}: set it to the file of its seed, or leave the queue out of --queues"
                    )


@dataclass(frozen=True)
class Activities:
    """What each task queue serves. A queue whose keys are not at hand serves nothing here."""

    by_queue: dict[Queue, Sequence[Callable[..., Any]]]

    @classmethod
    def over(
        cls,
        *,
        client: Client,
        tickets: TicketSystem,
        providers: AccessProviders,
        catalogues: Catalogues,
        control: TicketRef,
        keys: Keys,
        pager: Pager | None = None,
    ) -> Self:
        records = TicketRecords(tickets, keys.trusted)
        freeze = FreezeGate(tickets, control, keys.trusted)
        approvals = Approvals(tickets=tickets, records=records, catalogues=catalogues)
        runs = EngineRuns(client)
        gone = GoneTickets(tickets, control)
        by_queue: dict[Queue, list[Callable[..., Any]]] = {queue: [] for queue in Queue}
        reconciler = ReconcileActivities(
            client=client, providers=providers, catalogues=catalogues, control=control, keys=keys.trusted
        )
        by_queue[Queue.RECONCILE] += [reconciler.list_watched, reconciler.look_at_target, reconciler.remedy_drift]
        if keys.witness is not None:
            access = AccessActivities(
                providers=providers,
                records=records,
                freeze=freeze,
                runs=runs,
                keys=keys.trusted,
                witness=keys.witness,
            )
            by_queue[Queue.LEASES] += [access.revoke_access, access.observe_access, access.end_sessions]
            gone_looks = GoneActivities(providers=providers, catalogues=catalogues, witness=keys.witness)
            by_queue[Queue.LEASES] += [access.trace_run, access.suspend_subject, gone_looks.confirm_gone]
            by_queue[Queue.GRANTS] += [access.look_before_grant, access.grant_access, access.prolong_access]
        if keys.judge is not None and keys.scribe is not None:
            engine = EngineActivities(client)
            judge = JudgeActivities(
                tickets=tickets,
                records=records,
                approvals=approvals,
                catalogues=catalogues,
                gone=gone,
                turns=Turns(partial(has_gone_on, client)),
                judge=keys.judge,
                keys=keys.trusted,
            )
            arming = ArmingActivities(
                tickets=tickets,
                records=records,
                approvals=approvals,
                catalogues=catalogues,
                freeze=freeze,
                runs=runs,
                gone=gone,
                judge=keys.judge,
            )
            scribe = EvidenceActivities(
                tickets=tickets, records=records, gone=gone, scribe=keys.scribe, keys=keys.trusted
            )
            forgetting = ForgettingActivities(
                tickets=tickets,
                records=records,
                catalogues=catalogues,
                runs=runs,
                gone=gone,
                judge=keys.judge,
                keys=keys.trusted,
            )
            by_queue[Queue.TICKETS] += [forgetting.judge_forgetting]
            by_queue[Queue.TICKETS] += [judge.open_request, judge.judge_wishes, judge.find_armed]
            by_queue[Queue.APPROVALS] += [judge.judge_request]
            by_queue[Queue.TICKETS] += [arming.arm_lease, arming.arm_extension, arming.void_extension]
            by_queue[Queue.TICKETS] += [scribe.record_evidence, engine.describe_holder, engine.follow_lease]
            by_queue[Queue.TICKETS] += [engine.replace_holder, PagingActivities(pager).page_people]
        return cls(by_queue={queue: tuple(found) for queue, found in by_queue.items()})
