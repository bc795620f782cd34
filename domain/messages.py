"""What a request says to its activities and to whoever asks it. Messages only grow: fields are appended with defaults, never renamed."""

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from domain.approval import ApprovalVerdict, AskedRound
from domain.canonical import KeyRing
from domain.catalogue import TargetKind
from domain.extension import ExtensionVerdict
from domain.ids import TicketRef
from domain.lease import LeaseState
from domain.lease_messages import LeaseOutcome
from domain.request import RequestOutcome, RequestState
from domain.terms import RequestTerms
from domain.values import Instant, Value


class RequestInput(Value):
    """Starts a request. Everything else is read from the ticket."""

    ticket: TicketRef


def _clipped(longest: int) -> BeforeValidator:
    """Cuts instead of refusing: a message that takes access away is never lost for a word too many.

    What is not printable becomes a space: the words end up in comments, which a vendor may refuse or a reader misread.
    """
    return BeforeValidator(lambda value: "".join(c if c.isprintable() else " " for c in str(value)[:longest]))


class Hint(Value):
    """Body of the signals `approve`, `deny`, `extend`, `revoke`: something happened on the ticket, go and look.

    `by` and `note` are for people's eyes only; no decision rests on them.
    """

    by: Annotated[str, _clipped(200)] = ""
    note: Annotated[str, _clipped(500)] = ""


class ExtendInput(Value):
    """Body of the update `request_extension`: the comment that holds the wish."""

    wish_id: str = Field(max_length=64)


class OpenResult(Value):
    """What opening a request found: the terms shown to approvers and the posted round, or the reasons for a refusal.

    `keys` are the public keys that the leases of this request will believe. `judged`: whether the round is answered already.
    """

    terms: RequestTerms | None = None
    asked: AskedRound | None = None
    lapse_after: timedelta = timedelta(0)
    keys: KeyRing = KeyRing()
    refused: tuple[str, ...] = ()
    judged: "JudgeResult | None" = None


class OpenInput(Value):
    """`round_number` counts postings of the question, from 1."""

    ticket: TicketRef
    round_number: int = 1


class JudgeInput(Value):
    ticket: TicketRef
    asked: AskedRound


class JudgeResult(Value):
    """`armed_until` is set when this approval has already armed a lease: a reset run follows that lease to its end."""

    verdict: ApprovalVerdict
    armed_until: Instant | None = None


class WishesInput(Value):
    """Which wishes of the ticket to judge: those not in `seen`."""

    ticket: TicketRef
    terms: RequestTerms
    first_end: Instant
    current_end: Instant
    times_extended: int
    seen: tuple[str, ...] = ()


class WishesResult(Value):
    verdicts: tuple[ExtensionVerdict, ...] = ()
    revoke_asked_by: str = ""


class RequestResult(Value):
    outcome: RequestOutcome
    why: str = ""
    leases: tuple[LeaseOutcome, ...] = ()


class LeaseLine(Value):
    """One target in a request's status."""

    lease_id: str
    target_name: str
    state: LeaseState
    expires_at: Instant
    note: str = ""


class StatusView(Value):
    """Answer of the query `status`."""

    ticket: TicketRef
    state: RequestState
    outcome: RequestOutcome | None = None
    why: str = ""
    subject: str = ""
    entitlement: str = ""
    approver: str = ""
    expires_at: Instant | None = None
    leases: tuple[LeaseLine, ...] = ()


class TimelineEntry(Value):
    at: Instant
    what: str


class TimelineView(Value):
    """Answer of the query `timeline`, oldest first."""

    entries: tuple[TimelineEntry, ...] = ()


class ArmedInput(Value):
    """Which ticket to look through for leases."""

    ticket: TicketRef


class ArmedLease(Value):
    """A lease that was armed on a ticket and is not yet proved over, by the judge's own records. `until`: its first end."""

    lease_id: str
    kind: TargetKind
    target_name: str
    until: Instant
    terms_digest: str


class ArmedResult(Value):
    """Every such lease, and the public keys that their ends are to be verified with."""

    leases: tuple[ArmedLease, ...] = ()
    keys: KeyRing = KeyRing()


class HolderInput(Value):
    """Which lease id to ask the engine about."""

    lease_id: str


class HolderResult(Value):
    """Who holds a lease id: `running` is false when nobody does. The ticket and `terms_digest` come from its memo.

    `state` and `expires_at` are what it shows: one that ends at its time shows no other state until that does not go well.

    `is_lease`: it is a lease workflow on our own queue, and not something else under a lease's id.
    """

    running: bool
    is_lease: bool = False
    state: str = ""
    issue_id: str = ""
    ticket_key: str = ""
    terms_digest: str = ""
    expires_at: Instant | None = None


class FollowResult(Value):
    """How a followed lease ended; None when it closed without an outcome (terminated, failed, gone)."""

    outcome: LeaseOutcome | None = None
