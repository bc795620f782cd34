"""Task queues: named by a prefix and an urgency, and read back."""

import pytest

from domain.queues import Queue, prefix_of, queue_name


@pytest.mark.parametrize("prefix", ["", "nightlatch-", "team-leases-", "grants"])
@pytest.mark.parametrize("queue", Queue)
def test_finds_the_prefix_of_each_queue_that_it_names(prefix: str, queue: Queue) -> None:
    """Two installations on one namespace never poll each other's queues, whatever their prefix looks like."""
    assert prefix_of(queue_name(prefix, queue)) == prefix


@pytest.mark.parametrize("name", ["", "default", "Leases", "leases "])
def test_refuses_a_queue_that_is_not_ours(name: str) -> None:
    """A workflow that was started elsewhere finds no queue to send its activities to."""
    with pytest.raises(ValueError, match="not a Nightlatch task queue"):
        prefix_of(name)
