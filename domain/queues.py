"""Task queues by urgency. One process serves all by default; split, each holds only the credentials it needs."""

from enum import StrEnum


class Queue(StrEnum):
    """REQUESTS: request workflows. LEASES: lease workflows, revoke, verify. GRANTS: what adds. TICKETS: judge, evidence.

    APPROVALS: is it approved? All that adds access comes after that answer, and it is paced, so that removals find room.
    RECONCILE: the look from outside. It reads vendors and starts what takes away; it signs nothing.
    """

    REQUESTS = "requests"
    LEASES = "leases"
    GRANTS = "grants"
    TICKETS = "tickets"
    APPROVALS = "approvals"
    RECONCILE = "reconcile"


def queue_name(prefix: str, queue: Queue) -> str:
    return f"{prefix}{queue}"


def prefix_of(name: str) -> str:
    """The prefix of the installation whose queue is called `name`.

    Raises:
        ValueError: `name` is no queue of ours.
    """
    for queue in Queue:
        if name.endswith(queue):
            return name.removesuffix(queue)
    raise ValueError(f"{name!r} is not a Nightlatch task queue")
