"""The ports: what activities need from the world, by role. No vendor is named; adapters and doubles implement these alike."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from activities.send_window import SendWindow
from domain.catalogue import Catalogue, TargetKind
from domain.ids import SubjectRef, TargetRef, TicketRef
from domain.paper import Alarm
from domain.ticket import TicketComment, TicketRules, TicketView
from domain.values import Instant, Value
from domain.warrant import Warrant
from domain.witness import Presence, SessionsEnded


class Capabilities(Value):
    """What one vendor surface can do, as measured or documented.

    `read_lag`: how long after a write a read may still show the old state. `landing_lag`: how long after it was sent a
    write may still take effect. `client_timeout`: no call takes longer. `native_expiry`: the vendor holds the deadline.
    `suspends`: an account can be suspended.
    """

    native_expiry: bool
    read_lag: timedelta
    landing_lag: timedelta
    client_timeout: timedelta
    suspends: bool = False


class Answered(Value):
    """A vendor's acknowledgement: its own clock and request id, where it gave them."""

    vendor_at: Instant | None = None
    vendor_request_id: str = ""


class Look(Value):
    """One complete reading of one pair. UNKNOWN is for an answer that neither proves membership nor its absence."""

    presence: Presence
    vendor_at: Instant | None = None
    vendor_request_id: str = ""
    note: str = ""


class SessionsReceipt(Value):
    achieved: SessionsEnded
    note: str = ""


class Holder(Value):
    subject: SubjectRef
    status: str = ""


class AccessProvider(Protocol):
    """One vendor surface: adds, takes away, looks. Every failure is one of the `VendorError` family; silence is never success.

    Each call is one attempt: Temporal owns retrying. Writes ask `window` right before they send.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    async def preflight(self, target: TargetRef, subject: SubjectRef) -> tuple[str, ...]:
        """Reasons why this pair must not be granted (empty: none): wrong kind of container, rules, inactive user.

        Raises:
            VendorError: the vendor could not be asked, `NotFoundError` with `thing` user or group included.
        """
        ...

    async def resolve_subject(self, login: str) -> SubjectRef:
        """The one active account of that exact login.

        Raises:
            NotFoundError: none, or more than one.
            VendorError: the vendor could not be asked.
        """
        ...

    async def grant(self, warrant: Warrant, window: SendWindow) -> Answered:
        """Add the pair until `warrant.expires_at`. Safe to repeat."""
        ...

    async def prolong(self, warrant: Warrant, window: SendWindow) -> Answered:
        """Move the deadline that the vendor holds to `warrant.expires_at`; where it holds none, nothing is sent."""
        ...

    async def verify(self, target: TargetRef, subject: SubjectRef) -> Look:
        """Read direct membership back, to the last page.

        Raises:
            VendorError: no readable, complete answer. Never turned into ABSENT.
        """
        ...

    async def find_target(self, target: TargetRef) -> Look:
        """Whether the container itself stands. ABSENT only when the vendor says in its own words that it does not exist.

        Raises:
            VendorError: no readable answer, or one that contradicts another. Never turned into ABSENT.
        """
        ...

    async def revoke(self, target: TargetRef, subject: SubjectRef, window: SendWindow) -> Answered:
        """Ask for removal. Safe to repeat; an acknowledgement is not yet an observation."""
        ...

    async def end_sessions(self, target: TargetRef, subject: SubjectRef, window: SendWindow) -> SessionsReceipt:
        """End what the vendor itself has issued to the subject."""
        ...

    async def suspend(self, target: TargetRef, subject: SubjectRef, window: SendWindow) -> Answered:
        """Let the account sign in nowhere until people restore it. Returns when a reading says that it cannot. Safe to repeat.

        Raises:
            VendorError: it may still sign in.
        """
        ...

    def list_holders(self, target: TargetRef) -> AsyncIterator[Holder]:
        """Every direct member, whatever their state. Raises `VendorError` on any page that cannot be read."""
        ...

    async def last_seen(self, subject: SubjectRef, target: TargetRef) -> datetime | None:
        """When the subject last signed in, as far as the vendor tells."""
        ...


class AccessProviders(Protocol):
    """Finds the adapter of a target's kind and instance; imports a vendor's SDK only then."""

    def for_target(self, kind: TargetKind, target: TargetRef) -> AccessProvider:
        """Raises `InvalidInputError` naming the instance when none is configured."""
        ...


class TicketSystem(Protocol):
    """The system of record. Every call is one attempt and raises `VendorError`; a 404 is `NotFoundError(thing="ticket")`."""

    @property
    def rules(self) -> TicketRules: ...

    async def read(self, ticket: TicketRef) -> TicketView:
        """The whole ticket by immutable id: fields, the full change log and every comment, each to the last page.

        Raises:
            MalformedError: the pages do not add up, or the id answers with another ticket.
        """
        ...

    async def read_properties(self, ticket: TicketRef, prefix: str) -> dict[str, str]:
        """Every issue property whose key begins with `prefix`, as its canonical JSON text."""
        ...

    async def write_property(self, ticket: TicketRef, key: str, text: str) -> None:
        """Put one issue property (JSON text) and return when the vendor has acknowledged it. Safe to repeat."""
        ...

    async def comment(self, ticket: TicketRef, text: str, marker: str) -> TicketComment:
        """Post `text` with `marker` as its visible reference, unless our own account has posted that marker already.

        Paragraphs are separated by a blank line. Returns the comment as read back.
        """
        ...

    async def set_fields(
        self, ticket: TicketRef, *, state: str, active_from: datetime | None, active_until: datetime | None
    ) -> None:
        """Make the fields for queries say so. Empty and None leave a field as it is. Safe to repeat."""
        ...

    async def transition(self, ticket: TicketRef, status: str) -> None:
        """Move the ticket to `status` if it is not there and the workflow allows it.

        Raises:
            InvalidError: there is no such transition from where the ticket stands.
        """
        ...

    async def changed_since(self, since: datetime) -> Sequence[TicketRef]:
        """Tickets of the configured project and type changed at or after `since`, oldest change first, to the last page."""
        ...

    async def missing_among(self, tickets: Sequence[TicketRef]) -> Sequence[TicketRef]:
        """Those of at most 100 tickets that the vendor does not show us: deleted, hidden, or nothing is shown at all."""
        ...


class Pager(Protocol):
    """Wakes people."""

    async def page(self, alarm: Alarm) -> None:
        """Return when somebody else has taken charge of the alarm. Raises `VendorError` otherwise."""
        ...


class Catalogues(Protocol):
    """The catalogue in force. Raises `InvalidInputError` when it cannot be read: unknown is closed."""

    def current(self) -> Catalogue: ...


class RunFacts(Value):
    """What the engine says of one run. `follows_another`: it was begun by a reset of an earlier one. `began_at`: when it was.

    `attempts`: the number of the attempt that each of its activities is at, of those that are under way and wanted.
    """

    workflow_type: str
    task_queue: str
    follows_another: bool
    has_timeout: bool
    began_at: Instant
    attempts: Mapping[str, int] = {}


class RunInspector(Protocol):
    """Asks the engine about workflow runs."""

    async def inspect(self, workflow_id: str, run_id: str) -> RunFacts: ...
