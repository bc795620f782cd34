"""What is told to tickets and to people. Messages only grow: fields are appended with defaults, never renamed."""

from typing import Any

from domain.evidence import RecordKind
from domain.ids import TicketRef
from domain.signed import Signed
from domain.values import Instant, Value


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
