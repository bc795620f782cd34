"""Which queues the workers of a test serve."""

from domain.queues import Queue


def all_but(*away: Queue) -> list[Queue]:
    """Every queue but these, which the test leaves to others or to nobody."""
    return [queue for queue in Queue if queue not in away]
