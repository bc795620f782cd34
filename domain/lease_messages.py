"""What a lease says to its activities and to its request. Messages only grow: fields are appended with defaults, never renamed."""

from typing import Self

from domain.canonical import KeyRing
from domain.catalogue import Surface
from domain.forgetting import Forgetting
from domain.ids import TicketRef
from domain.lease import EndReason, LeaseState, Sent
from domain.signed import Signed
from domain.terms import Grantee
from domain.values import Instant, Value
from domain.witness import Proof, SessionsEnded


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

    def without_keys(self) -> Self:
        """As activities are told it: they believe the keys of their own process, and no others."""
        return self.model_copy(update={"keys": KeyRing()})


class PairInput(Value):
    """One target and subject, for the activities that look or take away."""

    order: LeaseOrder


class ObserveInput(PairInput):
    """`then_end_sessions`: when the pair is seen absent, what the provider has issued to the subject is ended once more."""

    then_end_sessions: bool = False


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


class SuspendResult(Value):
    """`receipt` is a `Receipt`: by then the account could sign in nowhere."""

    receipt: Signed


class ObserveResult(Value):
    """`observation` is an `Observation`; `sessions` what came of the one try to end them, where there was one."""

    observation: Signed
    sessions: SessionsResult | None = None


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


class ForgetAsk(Value):
    """Body of the signal `forget`: on this ticket two people want the lease forgotten, go and look. `ask_id`: of this asking."""

    ticket: TicketRef
    ask_id: str = ""


class GoneResult(Value):
    """`word` is a `GoneWord`; without one `why_not` says why the target is not known to be gone."""

    word: Signed | None = None
    why_not: str = ""


class ForgetInput(Value):
    """`ticket`: where two people are said to have asked. `first` and `second` are `GoneWord`s. `ended_at`: when the removal began."""

    order: LeaseOrder
    ticket: TicketRef
    ended_at: Instant
    first: Signed
    second: Signed


class ForgetResult(Value):
    """`word` is a `ForgetWord`; without one `refused` says why the lease is not forgotten."""

    word: Signed | None = None
    refused: str = ""


class ForgetView(Value):
    """Answer of a lease's query `forgetting`. `ended_at`: since when it takes away. `ask_id`: the last asking that it judged.

    `refused`: why that was in vain; empty while nothing was judged, and when the lease is forgotten.
    """

    ended_at: Instant | None = None
    ask_id: str = ""
    refused: str = ""


class LeaseOutcome(Value):
    """How a lease ended. `proof` is missing only when nothing was ever sent; `disclaimer` is then the witness's word for it;
    or when two people have given the lease up, and `forgetting` says so.

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
    forgetting: Forgetting | None = None
