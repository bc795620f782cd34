"""What is told to tickets and to people. Messages only grow: fields are appended with defaults, never renamed."""

from typing import Any

from domain.canonical import Signature
from domain.evidence import RecordKind, ticket_name
from domain.ids import TicketRef
from domain.signed import Signed
from domain.values import Instant, Value

WRITTEN = "written"
"""The purpose of the scribe's signature over what was written."""


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
    """Facts of one writer, oldest first: the ticket is made to hold each of them once and in order. `final`: these are all.

    `judged_wishes`: write only when the ticket bears no other wishes for more time than these; None looks for none.
    """

    ticket: TicketRef
    writer: str
    facts: tuple[Fact, ...]
    fields: TicketFields = TicketFields()
    final: bool = False
    judged_wishes: tuple[str, ...] | None = None


def what_is_written(request: EvidenceInput) -> dict[str, object]:
    """What the scribe signs when the ticket holds these facts. One that is gone holds them elsewhere, once they are `final`."""
    return {
        "ticket": ticket_name(request.ticket),
        "writer": request.writer,
        "facts": [fact.fact_id for fact in request.facts],
        "final": request.final,
    }


class EvidenceResult(Value):
    """`written`: the scribe's signature over `what_is_written`; without it nothing is taken for written.

    `unanswered`: how many wishes are to be judged before anything is written. A hint: the judge reads them itself.
    """

    records: int
    head: str = ""
    written: Signature | None = None
    unanswered: int = 0


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
