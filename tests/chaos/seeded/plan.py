"""A whole run from a number: who asks for what and for how long, what people do in the last instant, and which fault falls when.

Pure: the same numbers give the same plan on every machine. What comes of it is not here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from random import Random

SUBJECTS = ("alice", "bob", "dave", "erin")
APPROVERS = ("carol", "bob")
WORKERS = ("w1", "w2")
SKEWED = "w2"
"""The worker whose clock can be moved."""

LEASES_TO_AN_ENTITLEMENT = 12
FIRST_FAULT_SECONDS = 4.0
LAST_BEGIN_SECONDS = 12.0
"""No lease begins later than this before the end of the faults."""


class Act(StrEnum):
    """What somebody does to one lease before its time. The first by a comment on the ticket, the others in the engine."""

    REVOKE = "revoke on the ticket"
    CANCEL_REQUEST = "request cancelled"
    CANCEL_LEASE = "lease cancelled"
    TERMINATE_REQUEST = "request terminated"
    TERMINATE_LEASE = "lease terminated"
    TERMINATE_BOTH = "request and lease terminated"
    RESET_REQUEST = "request reset"
    PAUSE_REMOVAL = "removal paused"


class Fault(StrEnum):
    """What befalls a part of the house for a while."""

    WORKER_KILLED = "worker killed"
    WORKER_FROZEN = "worker frozen"
    SERVER_KILLED = "server killed"
    SERVER_FROZEN = "server frozen"
    BRIDGE_KILLED = "bridge killed"
    BRIDGE_FROZEN = "bridge frozen"
    VENDORS_KILLED = "vendors killed"
    VENDORS_FROZEN = "vendors frozen"
    OKTA = "Okta answers badly"
    JIRA = "Jira answers badly"
    SERVER_LINK = "network to the server"
    VENDOR_LINK = "network to the vendors"
    CLOCK = "clock moved"
    WEBHOOKS = "webhooks misbehave"


ANSWERS = (
    "500", "503", "429", "403", "empty", "delay", "truncate", "reset before", "reset after", "html", "hold before", "hold after",
)  # fmt: skip
NETWORK = ("delay", "cut", "hole", "reset")
SECONDS: dict[Fault, tuple[float, float]] = {
    Fault.WORKER_KILLED: (0.0, 3.0),
    Fault.WORKER_FROZEN: (2.0, 14.0),
    Fault.SERVER_KILLED: (0.0, 3.0),
    Fault.SERVER_FROZEN: (1.0, 6.0),
    Fault.BRIDGE_KILLED: (0.0, 4.0),
    Fault.BRIDGE_FROZEN: (2.0, 8.0),
    Fault.VENDORS_KILLED: (0.0, 3.0),
    Fault.VENDORS_FROZEN: (1.0, 5.0),
    Fault.OKTA: (2.0, 9.0),
    Fault.JIRA: (3.0, 12.0),
    Fault.SERVER_LINK: (2.0, 8.0),
    Fault.VENDOR_LINK: (2.0, 8.0),
    Fault.CLOCK: (5.0, 20.0),
    Fault.WEBHOOKS: (4.0, 12.0),
}
"""From, to: how long each lasts, besides what a killed process takes to start."""


@dataclass(frozen=True)
class Wish:
    """More time, asked for so shortly before the end."""

    before_end_seconds: float
    by_seconds: int


@dataclass(frozen=True)
class PlannedLease:
    """One request. `act` happens when this part of the time is over."""

    number: int
    subject: str
    approver: str
    entitlement: int
    begins: float
    lasts: int
    wish: Wish | None = None
    act: Act | None = None
    act_at: float = 1.0


@dataclass(frozen=True)
class PlannedFault:
    """`where`: which part of the house; `how`: which of the ways in which it can go wrong."""

    number: int
    fault: Fault
    where: str
    how: str
    begins: float
    lasts: float


@dataclass(frozen=True)
class Plan:
    """`entitlements`: how many targets each has; no two share one, and people share them all. Seconds count from the start."""

    seed: int
    minutes: float
    entitlements: tuple[int, ...]
    leases: tuple[PlannedLease, ...]
    faults: tuple[PlannedFault, ...]

    @property
    def seconds(self) -> float:
        return self.minutes * 60


def make_plan(seed: int, leases: int, minutes: float, faults: tuple[Fault, ...] = tuple(Fault)) -> Plan:
    """The plan of these numbers; `faults` are those that may fall. Leases and faults roll dice of their own."""
    entitlements = tuple(1 + (number % 3 == 2) for number in range(max(2, ceil(leases / LEASES_TO_AN_ENTITLEMENT))))
    people = Random(f"people {seed}")  # noqa: S311 - dice that fall the same way again
    fate = Random(f"fate {seed}")  # noqa: S311
    asked = [_lease(people, number, minutes * 60, len(entitlements)) for number in range(leases)]
    fallen = tuple(_faults(fate, minutes * 60, faults)) if faults else ()
    return Plan(seed, minutes, entitlements, tuple(sorted(asked, key=lambda lease: lease.begins)), fallen)


def _lease(dice: Random, number: int, seconds: float, entitlements: int) -> PlannedLease:
    subject = dice.choice(SUBJECTS)
    lasts = dice.randint(6, max(8, min(45, int(seconds / 4))))
    wish = Wish(round(dice.uniform(0.1, 2.0), 2), dice.randint(2, 10)) if dice.random() < 0.35 else None
    act = dice.choice(list(Act)) if dice.random() < 0.4 else None
    return PlannedLease(
        number=number,
        subject=subject,
        approver=dice.choice([name for name in APPROVERS if name != subject]),
        entitlement=dice.randrange(entitlements),
        begins=round(dice.uniform(0, max(1.0, seconds - LAST_BEGIN_SECONDS)), 2),
        lasts=lasts,
        wish=wish,
        act=act,
        act_at=round(dice.uniform(0.2, 0.95), 2),
    )


def _faults(dice: Random, seconds: float, kinds: tuple[Fault, ...]) -> Iterator[PlannedFault]:
    """One after the other, each kind once before any comes again; now and then the next begins before the last is over."""
    bag: list[Fault] = []
    begins = FIRST_FAULT_SECONDS
    number = 0
    while True:
        bag = bag or dice.sample(kinds, len(kinds))
        fault = bag.pop()
        lasts = round(dice.uniform(*SECONDS[fault]), 2)
        if begins + lasts > seconds:
            return
        where, how = _where_and_how(dice, fault)
        yield PlannedFault(number, fault, where, how, round(begins, 2), lasts)
        number += 1
        begins += lasts * dice.uniform(0.3, 1.0) + dice.uniform(1.0, 8.0)


def _where_and_how(dice: Random, fault: Fault) -> tuple[str, str]:
    match fault:
        case Fault.WORKER_KILLED | Fault.WORKER_FROZEN:
            return dice.choice([*WORKERS, *WORKERS, "both"]), ""
        case Fault.OKTA | Fault.JIRA:
            return fault.name.lower(), dice.choice(ANSWERS)
        case Fault.SERVER_LINK | Fault.VENDOR_LINK:
            return dice.choice([*WORKERS, "both", "bridge"]), dice.choice(NETWORK)
        case Fault.CLOCK:
            return SKEWED, dice.choice(["-600", "-45", "+45", "+600"])
        case Fault.WEBHOOKS:
            return "webhooks", dice.choice(["drop", "double", "hold", "reorder"])
        case _:
            return fault.value.partition(" ")[0], ""
