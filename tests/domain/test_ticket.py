"""The rules by which a ticket system's words are read."""

import pytest
from pydantic import ValidationError

from domain.ticket import TicketRules
from tests.domain.examples import RULES


def test_reads_declined_and_closed_as_the_end() -> None:
    """Both statuses mean no, whoever set them."""
    assert RULES.terminal_statuses == {"Declined", "Closed"}


@pytest.mark.parametrize("other", ["waiting_status", "declined_status", "active_status", "closed_status"])
def test_refuses_rules_in_which_approved_means_something_else_too(other: str) -> None:
    """A status that says two things would let a ticket that only waits, or is over, read as approved."""
    with pytest.raises(ValidationError, match="must mean approved and nothing else"):
        TicketRules.model_validate(RULES.model_dump() | {other: RULES.approved_status})


def test_refuses_rules_without_bound_fields() -> None:
    """With no field bound, a change there and back would go unseen and its author unbarred."""
    with pytest.raises(ValidationError, match="bound_fields"):
        TicketRules.model_validate(RULES.model_dump() | {"bound_fields": []})
