"""By when a member has to be gone, given what befell the house meanwhile: formed from the rows of DESIGN 3. Pure.

Alone, a fault that holds removals up allows them so long after it is over, or after they were due if that is later. A fault
counts if it began before the removal had to be there, and what it leaves behind reaches beyond the due time. Faults that
overlap are taken in the order in which they began: what was under way when the next one fell may have to begin anew when
that is over, and then has the longest of its own time and the fault's. So a chain of faults ends with the allowance of
one of them; allowances are never added up. What a worker leaves behind are timeouts of the engine's, and they do not run
while the engine is away: an outage that falls into them ends with a worker's allowance, not with its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from tests.chaos.seeded.plan import WORKERS, Act, Fault

POLL_SECONDS = 5.0
"""How often the bridge of a seeded run asks the tickets."""

STALL = "machine stood still"


class Way(StrEnum):
    """How a removal comes about. CLOCK: its time is over. ENGINE: somebody reached for it in the engine.

    TICKET: a word on the ticket, which the bridge must hear. NET: nobody is left but the reconciler.
    """

    CLOCK = "clock"
    ENGINE = "engine"
    TICKET = "ticket"
    NET = "net"


WORKER = timedelta(seconds=12)
"""The engine's 10 s task and sticky timeouts; a worker that the network cuts off is as one that died."""

SERVER = timedelta(seconds=10)
PROVIDER = timedelta(seconds=5)
PROMPTLY = timedelta(seconds=5)
HEARD = timedelta(seconds=POLL_SECONDS + 8)
"""The ticket is asked within the interval of the polls; 8 s as where the bridge is killed."""

RECONCILED = timedelta(seconds=30)
"""Besides the interval of its runs."""

WAYS = {
    Act.REVOKE: Way.TICKET,
    Act.CANCEL_REQUEST: Way.ENGINE,
    Act.CANCEL_LEASE: Way.ENGINE,
    Act.TERMINATE_REQUEST: Way.ENGINE,
    Act.TERMINATE_LEASE: Way.ENGINE,
    Act.TERMINATE_BOTH: Way.NET,
    Act.PAUSE_REMOVAL: Way.NET,
}
"""Resetting a request is to change nothing."""

HOLDS_UP: dict[str, timedelta] = {
    Fault.WORKER_KILLED: WORKER,
    Fault.WORKER_FROZEN: WORKER,
    Fault.SERVER_LINK: WORKER,
    Fault.SERVER_KILLED: SERVER,
    Fault.SERVER_FROZEN: SERVER,
    Fault.VENDORS_KILLED: PROVIDER,
    Fault.VENDORS_FROZEN: PROVIDER,
    Fault.OKTA: PROVIDER,
    Fault.VENDOR_LINK: PROVIDER,
    STALL: PROVIDER,
}
"""The rest holds no removal up that is due by the clock: Jira, the bridge, webhooks, the clock of a worker."""

ENGINE_AWAY = frozenset({Fault.SERVER_KILLED, Fault.SERVER_FROZEN})

DEAFENS = frozenset({Fault.BRIDGE_KILLED, Fault.BRIDGE_FROZEN, Fault.JIRA, Fault.WEBHOOKS})
"""What only keeps a word on the ticket from being heard."""


@dataclass(frozen=True)
class Happening:
    """What befell the house: a `Fault`, or that the machine `STALL`ed. With a `lease_id` it befell that lease alone."""

    what: str
    where: str
    how: str
    began_at: datetime
    ended_at: datetime
    lease_id: str = ""


@dataclass(frozen=True)
class Bound:
    """`because`: the faults that it allows for, in order."""

    at: datetime
    because: tuple[Happening, ...]


def bound(due_at: datetime, way: Way, happened: Sequence[Happening], reconciled_every: timedelta) -> Bound:
    """By when a removal has to be there that was due then."""
    own = {
        Way.CLOCK: PROMPTLY,
        Way.ENGINE: PROMPTLY,
        Way.TICKET: HEARD,
        Way.NET: reconciled_every + RECONCILED,
    }[way]
    latest, because = due_at + own, []
    in_order = sorted((relieved(one, happened) for one in happened), key=lambda one: one.began_at)
    for one in in_order:
        allowed = _suspending(one, in_order) or _allowance(one, way)
        if allowed is None or one.ended_at + allowed < due_at or one.began_at > latest:
            continue
        latest = max(latest, max(one.ended_at, due_at) + max(allowed, own))
        because.append(one)
    return Bound(latest, tuple(because))


def relieved(one: Happening, happened: Iterable[Happening]) -> Happening:
    """A killed worker is made up for by another one: the kill is over as soon as any other worker is in no trouble."""
    if one.what != Fault.WORKER_KILLED or one.where not in WORKERS:
        return one
    [other] = [name for name in WORKERS if name != one.where]
    over_at = one.began_at
    for trouble in sorted(happened, key=lambda each: each.began_at):
        if _troubles(trouble, other) and trouble.began_at <= over_at < trouble.ended_at:
            over_at = trouble.ended_at
    return replace(one, ended_at=min(one.ended_at, over_at))


def _troubles(one: Happening, worker: str) -> bool:
    kinds = {Fault.WORKER_KILLED, Fault.WORKER_FROZEN, Fault.SERVER_LINK, Fault.VENDOR_LINK}
    return one.what in kinds and one.where in {worker, "both"}


def _suspending(one: Happening, in_order: Iterable[Happening]) -> timedelta | None:
    """A worker's allowance for an outage of the engine that falls into what a worker has left behind."""
    if one.what not in ENGINE_AWAY:
        return None
    before = (each for each in in_order if each.began_at <= one.began_at and HOLDS_UP.get(each.what) == WORKER)
    left = any(each.where != "bridge" and each.ended_at + WORKER >= one.began_at for each in before)
    return WORKER if left else None


def _allowance(one: Happening, way: Way) -> timedelta | None:
    """How long after it the removal may come; None where it holds nothing up."""
    deafens = one.what in DEAFENS or one.where == "bridge"
    if deafens:
        return HEARD if way is Way.TICKET else None
    return HOLDS_UP.get(one.what)
