"""What `FakeTickets` keeps of one ticket, and the clock whose instants never repeat."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.errors import NotFoundError
from domain.ids import TicketRef
from domain.ticket import TicketChange, TicketComment, TicketView

STATE, ACTIVE_FROM, ACTIVE_UNTIL = "Access state", "Access from", "Access until"


class Stamps:
    """Instants by a clock, in whole milliseconds and strictly increasing; and running numbers."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._last: datetime | None = None
        self._numbers = 0

    def now(self) -> datetime:
        """The present, never before what has happened."""
        at = self._clock()
        whole = at.replace(microsecond=at.microsecond // 1000 * 1000)
        return max(whole, self._last) if self._last else whole

    def next(self) -> datetime:
        """The instant of a happening."""
        at = self.now()
        if self._last == at:
            at += timedelta(milliseconds=1)
        self._last = at
        return at

    def number(self) -> int:
        self._numbers += 1
        return self._numbers


@dataclass
class Issue:
    """`fields` holds every field's present text by name; people are account ids."""

    ref: TicketRef
    fields: dict[str, str]
    created_at: datetime
    changes: list[TicketChange] = field(default_factory=list)
    comments: list[TicketComment] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    updated_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.updated_at = self.created_at

    def change(self, at: datetime, author: str, name: str, value: str) -> None:
        old = self.fields.get(name, "")
        if old != value:
            self.fields[name] = value
            self.record(at, author, name, old, value)

    def record(self, at: datetime, author: str, name: str, old: str, new: str) -> None:
        change_id = str(20_000 + len(self.changes))
        self.changes.append(TicketChange(change_id=change_id, at=at, author=author, field=name, old=old, new=new))
        self.updated_at = at

    def add(self, posted: TicketComment) -> None:
        self.comments.append(posted)
        self.updated_at = posted.at

    def rewrite(self, at: datetime, comment_id: str, text: str) -> None:
        for place, posted in enumerate(self.comments):
            if posted.comment_id == comment_id:
                self.comments[place] = posted.model_copy(update={"text": text, "edited": True})
                self.updated_at = at
                return
        raise NotFoundError(f"{self.ref.key} has no comment {comment_id}", thing="comment")

    def view(self, read_at: datetime) -> TicketView:
        return TicketView(
            ref=self.ref,
            project=self.fields["project"],
            request_type=self.fields["issuetype"],
            status=self.fields["status"],
            creator=self.fields["creator"],
            reporter=self.fields["reporter"],
            subject_account=self.fields["Subject"],
            entitlement=self.fields["Entitlement"],
            duration=self.fields["Duration"],
            reason=self.fields["Reason"],
            created_at=self.created_at,
            read_at=read_at,
            changes=tuple(self.changes),
            comments=tuple(self.comments),
        )
