"""What is left of a run when it is over, and all that the oracle is shown: the vendors' log, the tickets, and what befell the house."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from activities.settings import Settings
from domain.canonical import KeyRing
from domain.catalogue import LOCK_SCOPES, TargetKind
from domain.errors import SignatureRefusedError
from domain.evidence import property_key, read_chain
from domain.ids import LeaseId, SubjectRef, TargetRef, TicketRef
from domain.ticket import TicketComment
from starter.dev_config import BOT_ACCOUNT, OKTA_INSTANCE
from starter.ticket_evidence import Line, read_lines, read_ticket
from tests.chaos.oracle import only_grew
from tests.chaos.seeded.bounds import Happening
from tests.chaos.seeded.plan import Act, PlannedLease

Entry = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """One account in one group."""

    group_id: str
    user_id: str

    @property
    def lease_id(self) -> str:
        """Of the lease that guards it."""
        target = TargetRef(instance=OKTA_INSTANCE, scope=LOCK_SCOPES[TargetKind.OKTA_GROUP], container_id=self.group_id)
        return str(LeaseId(target=target, subject=SubjectRef(instance=OKTA_INSTANCE, user_id=self.user_id)))


@dataclass(frozen=True)
class Done:
    """What somebody did to a request, once it was done; with a `lease_id`, to that lease of it alone."""

    act: Act
    at: datetime
    lease_id: str = ""


@dataclass
class Request:
    """One planned lease as it was lived. `done`: what people and operators did to it, besides asking and approving."""

    planned: PlannedLease
    pairs: tuple[Pair, ...]
    ticket: TicketRef | None = None
    done: list[Done] = field(default_factory=list)
    is_closed: bool = False
    trouble: str = ""

    def did(self, *acts: Act) -> bool:
        return any(done.act in acts for done in self.done)


@dataclass(frozen=True)
class Told:
    """A ticket as it stands in the end, and the Jira account of who asked.

    `marks`: of each of our comments; `torn`: what is wrong with how its records came to be.
    """

    request: Request
    ticket: TicketRef
    requester: str
    lines: tuple[Line, ...]
    marks: tuple[str, ...] = ()
    torn: tuple[str, ...] = ()


@dataclass(frozen=True)
class Account:
    begun_at: datetime
    told: tuple[Told, ...]
    log: tuple[Entry, ...]
    happened: tuple[Happening, ...]
    reconciled_every: timedelta
    approvers: frozenset[str]
    """Their Jira accounts."""

    groups: frozenset[str]
    """Of the targets: nobody is a member there but by a lease."""


async def read_told(
    request: Request, ticket: TicketRef, settings: Settings, keys: KeyRing, log: Iterable[Entry]
) -> Told:
    """The ticket of a request with every record on it, verified or not."""
    view, properties = await read_ticket(settings.jira, ticket.key)
    lines = tuple(read_lines(properties, ticket, keys))
    writes = [entry for entry in log if entry["event"] == "property.put" and entry["issue_id"] == ticket.issue_id]
    torn = tuple(
        problem
        for writer in sorted({line.writer for line in lines if line.verified})
        if (problem := _torn(ticket, writer, properties, keys, writes))
    )
    return Told(request, ticket, view.reporter, lines, _marks(view.comments), torn)


def _torn(ticket: TicketRef, writer: str, properties: dict[str, str], keys: KeyRing, writes: list[Entry]) -> str:
    """Why what a writer has told cannot have grown record by record, or empty."""
    key = property_key(writer, 0)
    try:
        chain = read_chain([properties[key]], ticket, writer, keys)
        only_grew([write for write in writes if write["property"] == key], chain)
    except (SignatureRefusedError, AssertionError, KeyError) as error:
        return f"{writer}: {error}"
    return ""


def _marks(comments: Iterable[TicketComment]) -> tuple[str, ...]:
    """The last line of each comment of our own: what it is known by."""
    return tuple(comment.text.rpartition("\n")[2] for comment in comments if comment.author == BOT_ACCOUNT)


def twice(things: Iterable[str]) -> list[str]:
    return [thing for thing, times in Counter(things).items() if times > 1]
