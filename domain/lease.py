"""The lease as one frozen status and one transition table: which event moves which state, and nothing else does."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from domain.errors import IllegalTransitionError
from domain.values import Instant, Value


class LeaseState(StrEnum):
    """Where a lease is. LOOKING to GRANTING add access; REVOKING, STUCK and PROVING take it away; the rest is paper.

    FORGETTING and FORGOTTEN stand beside RECORDING and CLOSED: the target is gone for good, and nothing was proved.
    """

    LOOKING = "looking"
    ARMING = "arming"
    ARMED = "armed"
    GRANTING = "granting"
    ACTIVE = "active"
    EXTENDING = "extending"
    REVOKING = "revoking"
    STUCK = "stuck"
    PROVING = "proving"
    RECORDING = "recording"
    CLOSED = "closed"
    FORGETTING = "forgetting"
    FORGOTTEN = "forgotten"


class LeaseEvent(StrEnum):
    LOOKED_ABSENT = "looked_absent"
    WARRANTED = "warranted"
    GRANT_SCHEDULED = "grant_scheduled"
    GRANTED = "granted"
    EXTENSION_OFFERED = "extension_offered"
    EXTENSION_COMMITTED = "extension_committed"
    EXTENSION_DROPPED = "extension_dropped"
    ENDED = "ended"
    OVERDUE = "overdue"
    LOOKED_ABSENT_AFTER = "looked_absent_after"
    LOOKED_PRESENT_AFTER = "looked_present_after"
    PROVED = "proved"
    RECORDED = "recorded"
    FORGOTTEN = "forgotten"


class EndReason(StrEnum):
    """Why a lease ended, never whether access is gone: that is an observation.

    FORGOTTEN is a reason of outcomes only: two people gave up what nobody could prove. A status keeps its first reason.
    """

    EXPIRED = "expired"
    REVOKED = "revoked"
    CANCELLED = "cancelled"
    REFUSED_STANDING = "refused_standing"
    REFUSED = "refused"
    GRANT_FAILED = "grant_failed"
    EXTENSION_UNCERTAIN = "extension_uncertain"
    REMOVED_ELSEWHERE = "removed_elsewhere"
    END_ONLY = "end_only"
    RESET = "reset"
    HISTORY_FULL = "history_full"
    FAULT = "fault"
    FORGOTTEN = "forgotten"


class Sent(StrEnum):
    """What is known of a grant. UNKNOWN is treated as granted everywhere."""

    NOTHING = "nothing"
    UNKNOWN = "unknown"
    GRANTED = "granted"


class LeaseStatus(Value):
    """The durable state of one lease, changed only by `advance`."""

    state: LeaseState = LeaseState.LOOKING
    sent: Sent = Sent.NOTHING
    warranted: bool = False
    proved: bool = False
    reason: EndReason | None = None
    expires_at: Instant


_S, _E = LeaseState, LeaseEvent

TRANSITIONS: Mapping[tuple[LeaseState, LeaseEvent], LeaseState] = MappingProxyType(
    {
        (_S.LOOKING, _E.LOOKED_ABSENT): _S.ARMING,
        (_S.ARMING, _E.WARRANTED): _S.ARMED,
        (_S.ARMED, _E.GRANT_SCHEDULED): _S.GRANTING,
        (_S.GRANTING, _E.GRANTED): _S.ACTIVE,
        (_S.ACTIVE, _E.EXTENSION_OFFERED): _S.EXTENDING,
        (_S.EXTENDING, _E.EXTENSION_COMMITTED): _S.ACTIVE,
        (_S.EXTENDING, _E.EXTENSION_DROPPED): _S.ACTIVE,
        (_S.LOOKING, _E.ENDED): _S.RECORDING,
        (_S.ARMING, _E.ENDED): _S.RECORDING,
        (_S.ARMED, _E.ENDED): _S.RECORDING,
        (_S.GRANTING, _E.ENDED): _S.REVOKING,
        (_S.ACTIVE, _E.ENDED): _S.REVOKING,
        (_S.EXTENDING, _E.ENDED): _S.REVOKING,
        (_S.REVOKING, _E.OVERDUE): _S.STUCK,
        (_S.PROVING, _E.OVERDUE): _S.STUCK,
        (_S.STUCK, _E.OVERDUE): _S.STUCK,
        (_S.REVOKING, _E.LOOKED_ABSENT_AFTER): _S.PROVING,
        (_S.STUCK, _E.LOOKED_ABSENT_AFTER): _S.PROVING,
        (_S.PROVING, _E.LOOKED_PRESENT_AFTER): _S.REVOKING,
        (_S.STUCK, _E.LOOKED_PRESENT_AFTER): _S.STUCK,
        (_S.PROVING, _E.PROVED): _S.RECORDING,
        (_S.STUCK, _E.PROVED): _S.RECORDING,
        (_S.RECORDING, _E.RECORDED): _S.CLOSED,
        (_S.STUCK, _E.FORGOTTEN): _S.FORGETTING,
        (_S.FORGETTING, _E.RECORDED): _S.FORGOTTEN,
    }
)
"""Every legal move. A lease that must revoke although it sent nothing itself (`end_only`, or the run of a reset that finds
access of its own) starts as `must_revoke` says."""


def open_lease(expires_at: datetime) -> LeaseStatus:
    """A lease that has done nothing yet."""
    return LeaseStatus(expires_at=expires_at)


def must_revoke(status: LeaseStatus, reason: EndReason) -> LeaseStatus:
    """The status of a lease that ends access which an earlier run, or nobody known, has added. Allowed before it sent anything.

    Raises:
        IllegalTransitionError: this lease has itself begun to grant; its own `ENDED` leads to the revoke.
    """
    if status.sent is not Sent.NOTHING or status.state not in {_S.LOOKING, _S.ARMING, _S.ARMED}:
        raise IllegalTransitionError(f"a lease in {status.state} ends by {_E.ENDED}")
    return status.model_copy(update={"state": _S.REVOKING, "sent": Sent.UNKNOWN, "reason": reason})


def advance(
    status: LeaseStatus,
    event: LeaseEvent,
    *,
    reason: EndReason | None = None,
    expires_at: datetime | None = None,
) -> LeaseStatus:
    """The status after `event`. `reason` belongs to ENDED alone, `expires_at` to EXTENSION_COMMITTED alone.

    Raises:
        IllegalTransitionError: the table has no such move, or its argument is missing or out of place.
        ValueError: `expires_at` is naive.
    """
    state = TRANSITIONS.get((status.state, event))
    if state is None:
        raise IllegalTransitionError(f"a lease in {status.state} has no move for {event}")
    if (event is _E.ENDED) != (reason is not None) or (event is _E.EXTENSION_COMMITTED) != (expires_at is not None):
        raise IllegalTransitionError(f"{event} came with the wrong arguments")
    changes: dict[str, object] = {"state": state}
    if event is _E.WARRANTED:
        changes["warranted"] = True
    elif event is _E.GRANT_SCHEDULED:
        changes["sent"] = Sent.UNKNOWN
    elif event is _E.GRANTED:
        changes["sent"] = Sent.GRANTED
    elif event is _E.PROVED:
        changes["proved"] = True
    elif event is _E.ENDED:
        changes["reason"] = reason
    elif event is _E.EXTENSION_COMMITTED:
        changes["expires_at"] = expires_at
    return LeaseStatus.model_validate(dict(status) | changes)
