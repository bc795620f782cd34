"""Everything that crosses a process boundary inside Temporal. Messages only grow: fields are appended with defaults, never renamed."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from domain.approval import ApprovalVerdict, AskedRound
from domain.canonical import KeyRing
from domain.catalogue import Surface, TargetKind
from domain.evidence import RecordKind
from domain.extension import ExtensionVerdict
from domain.ids import TicketRef
from domain.lease import EndReason, LeaseState, Sent
from domain.request import RequestOutcome, RequestState
from domain.signed import Signed
from domain.terms import Grantee, RequestTerms
from domain.values import Instant, Value
from domain.witness import Proof, SessionsEnded


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

    `keys` are the public keys that the leases of this request will believe.
    """

    terms: RequestTerms | None = None
    asked: AskedRound | None = None
    lapse_after: timedelta = timedelta(0)
    keys: KeyRing = KeyRing()
    refused: tuple[str, ...] = ()


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


class LeaseOrder(Value):
    """Input of a lease: all that revoking ever needs, frozen. It is authority for nothing: adding needs a warrant.

    `terms_digest` is the question that was answered, and what the judge is asked to confirm. An `end_only` lease never grants;
    `why` says who wanted it, for people.
    """

    ticket: TicketRef
    request_id: str
    grantee: Grantee
    entitlement: str
    terms_digest: str
    expires_at: Instant
    never_after: Instant
    keys: KeyRing
    surface: Surface
    end_only: bool = False
    why: str = ""


class PairInput(Value):
    """One target and subject, for the activities that look or take away."""

    order: LeaseOrder


class LookResult(Value):
    """`observation` is an `Observation`; `refusals` say why the pair cannot be granted (group rules, inactive user, ...)."""

    observation: Signed
    refusals: tuple[str, ...] = ()


class ArmInput(Value):
    order: LeaseOrder


class ArmResult(Value):
    """A sealed `Warrant`, or the reasons why there is none."""

    warrant: Signed | None = None
    refused: tuple[str, ...] = ()


class GrantInput(Value):
    order: LeaseOrder
    warrant: Signed


class GrantResult(Value):
    """`receipt` is a `Receipt`; `observation` the read-back that followed it."""

    receipt: Signed
    observation: Signed


class RevokeResult(Value):
    """`observation` is the look after the removal; `receipt` is missing when the pair was already absent."""

    observation: Signed
    receipt: Signed | None = None
    sessions: SessionsEnded = SessionsEnded.FAILED
    sessions_note: str = ""


class SessionsResult(Value):
    """`receipt` is a `Receipt` that says what was achieved."""

    sessions: SessionsEnded
    note: str = ""
    receipt: Signed | None = None


class ExtensionOffer(Value):
    """Request to lease: move your provider's deadline, then wait for the commit. Order: judged wish, one at a time."""

    wish_id: str
    new_end: Instant


class ExtensionCommit(Value):
    """Request to lease: every target has prolonged (`commit`), or one has not and the old end stays."""

    wish_id: str
    commit: bool


class ArmExtensionInput(Value):
    order: LeaseOrder
    wish_id: str
    current_end: Instant
    new_end: Instant


class VoidExtensionInput(Value):
    order: LeaseOrder
    wish_id: str
    end: Instant


class LeaseNews(Value):
    """Lease to request: what just became true. `wish_id` and `prolonged` answer an offer; `ending` says that it ends, and why.

    `receipt` is the witness's word for a grant or a prolonging; without one, neither is believed.
    """

    lease_id: str
    run_id: str
    state: LeaseState
    at: Instant
    expires_at: Instant
    wish_id: str = ""
    prolonged: bool = False
    note: str = ""
    receipt: Signed | None = None
    ending: str = ""


class Fact(Value):
    """One thing to be recorded once: `fact_id` is stable over retries, `comment` is what people read, if anything."""

    fact_id: str
    kind: RecordKind
    at: Instant
    facts: dict[str, Any] = {}
    witness: tuple[Signed, ...] = ()
    comment: str = ""


class TicketFields(Value):
    """What the ticket's own fields should say: empty means leave as it is. `transition_to`: active or closed."""

    state: str = ""
    active_from: Instant | None = None
    active_until: Instant | None = None
    transition_to: str = ""


class EvidenceInput(Value):
    """Facts of one writer, oldest first: the ticket is made to hold each of them once and in order. `final`: these are all."""

    ticket: TicketRef
    writer: str
    facts: tuple[Fact, ...]
    fields: TicketFields = TicketFields()
    final: bool = False


class EvidenceResult(Value):
    records: int
    head: str = ""


class Alarm(Value):
    """What people are woken for. `key`: the same for all that is said about one thing. `over`: it has passed by itself.

    `times`: how often it has been said, this time included. `since`: when what is late was due.
    """

    key: str
    summary: str
    ticket: str
    since: Instant
    times: int = 1
    over: bool = False


class PageResult(Value):
    sent: bool


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


class LeaseOutcome(Value):
    """How a lease ended. `proof` is missing only when nothing was ever sent; `disclaimer` is then the witness's word for it.

    `removed_at` and `proved_at` repeat the two looks for people; a parent believes the signed ones.
    `unheard` are wishes that arrived and got no verdict before the end.
    """

    lease_id: str
    run_id: str
    reason: EndReason
    sent: Sent
    proof: Proof | None = None
    disclaimer: Signed | None = None
    removed_at: Instant | None = None
    proved_at: Instant | None = None
    sessions: SessionsEnded | None = None
    note: str = ""
    unheard: tuple[str, ...] = ()


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

    `is_lease`: it is a lease workflow on our own queue, and not something else under a lease's id.
    """

    running: bool
    is_lease: bool = False
    state: str = ""
    issue_id: str = ""
    ticket_key: str = ""
    terms_digest: str = ""


class FollowResult(Value):
    """How a followed lease ended; None when it closed without an outcome (terminated, failed, gone)."""

    outcome: LeaseOutcome | None = None
