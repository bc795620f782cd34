"""A ticket as Nightlatch reads it back: neutral facts with authors and times, whatever system holds them."""

from typing import Self

from pydantic import Field, model_validator

from domain.ids import TicketRef
from domain.values import Instant, Value


class TicketChange(Value):
    """One field changed by one author, from the system's own change log."""

    change_id: str
    at: Instant
    author: str
    field: str
    old: str = ""
    new: str = ""


class TicketComment(Value):
    comment_id: str
    at: Instant
    author: str
    text: str
    edited: bool = False


class TicketView(Value):
    """One complete reading: fields, every change, every comment. `read_at` is the ticket system's own clock."""

    ref: TicketRef
    project: str
    request_type: str
    status: str
    creator: str
    reporter: str
    subject_account: str
    entitlement: str
    duration: str
    reason: str
    created_at: Instant
    read_at: Instant
    changes: tuple[TicketChange, ...] = ()
    comments: tuple[TicketComment, ...] = ()


class TicketRules(Value):
    """What the words of this ticket system mean: statuses by name, fields that an approval is bound to, our own account."""

    project: str
    request_type: str
    waiting_status: str
    approved_status: str
    declined_status: str
    active_status: str
    closed_status: str
    status_field: str = "status"
    bound_fields: frozenset[str] = Field(min_length=1)
    own_account: str

    @model_validator(mode="after")
    def _approved_stands_apart(self) -> Self:
        if self.approved_status in {self.waiting_status, self.active_status, *self.terminal_statuses}:
            raise ValueError(
                f"{self.approved_status!r} must mean approved and nothing else; use another status for the rest"
            )
        return self

    @property
    def terminal_statuses(self) -> frozenset[str]:
        return frozenset({self.declined_status, self.closed_status})
