"""The request as one frozen status and one transition table: people ask, people decide, leases live, the ticket closes."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from domain.errors import IllegalTransitionError
from domain.values import Value


class RequestState(StrEnum):
    OPENING = "opening"
    PENDING = "pending"
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    REVOKING = "revoking"
    CLOSING = "closing"
    CLOSED = "closed"


class RequestEvent(StrEnum):
    ASKED = "asked"
    APPROVED = "approved"
    NOT_APPROVED = "not_approved"
    ALL_GRANTED = "all_granted"
    ENDING = "ending"
    ALL_ENDED = "all_ended"
    CLOSED = "closed"


class RequestOutcome(StrEnum):
    """How a request ended, as the ticket says it."""

    REFUSED = "refused"
    DENIED = "denied"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"
    NOT_PROVISIONED = "not_provisioned"
    ENDED = "ended"


class RequestStatus(Value):
    state: RequestState = RequestState.OPENING
    outcome: RequestOutcome | None = None
    why: str = ""


_S, _E = RequestState, RequestEvent

TRANSITIONS: Mapping[tuple[RequestState, RequestEvent], RequestState] = MappingProxyType(
    {
        (_S.OPENING, _E.ASKED): _S.PENDING,
        (_S.PENDING, _E.ASKED): _S.PENDING,
        (_S.OPENING, _E.NOT_APPROVED): _S.CLOSING,
        (_S.PENDING, _E.NOT_APPROVED): _S.CLOSING,
        (_S.PENDING, _E.APPROVED): _S.PROVISIONING,
        (_S.PROVISIONING, _E.ALL_GRANTED): _S.ACTIVE,
        (_S.PROVISIONING, _E.ENDING): _S.REVOKING,
        (_S.ACTIVE, _E.ENDING): _S.REVOKING,
        (_S.REVOKING, _E.ALL_ENDED): _S.CLOSING,
        (_S.CLOSING, _E.CLOSED): _S.CLOSED,
    }
)

_DECIDES = frozenset({_E.NOT_APPROVED, _E.ENDING})


def advance(
    status: RequestStatus, event: RequestEvent, *, outcome: RequestOutcome | None = None, why: str = ""
) -> RequestStatus:
    """The status after `event`. `outcome` and `why` belong to the events that decide how the request ends.

    Raises:
        IllegalTransitionError: the table has no such move, or an outcome is missing or out of place.
    """
    state = TRANSITIONS.get((status.state, event))
    if state is None:
        raise IllegalTransitionError(f"a request in {status.state} has no move for {event}")
    if (event in _DECIDES) != (outcome is not None):
        raise IllegalTransitionError(f"{event} came with the wrong arguments")
    changes: dict[str, object] = {"state": state}
    if outcome is not None:
        changes |= {"outcome": outcome, "why": why}
    return status.model_copy(update=changes)
