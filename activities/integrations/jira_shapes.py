"""The parts of Jira's JSON that are believed, checked for their types, and turned into neutral facts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from activities.integrations import jira_adf
from activities.integrations.jira_settings import JiraSettings
from domain.errors import MalformedError
from domain.ids import IssueId, IssueKey
from domain.ticket import TicketChange, TicketComment
from domain.values import Instant


def _instant(value: Any) -> datetime:
    return datetime.fromisoformat(str(value))


JiraInstant = Annotated[Instant, BeforeValidator(_instant)]
"""`2026-11-22T10:00:00.000+0000`; without an offset it is refused."""

NumericId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,19}$")]


class Shape(BaseModel):
    """Tolerant of what is not asked for, strict about types; its errors do not quote the ticket."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, strict=True)

    @classmethod
    def read(cls, call: str, body: Any) -> Self:
        """Raises `MalformedError` naming `call` and the first part that is not as documented."""
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise MalformedError(f"Jira {call}: {where or 'body'} is not as documented ({first['msg']})") from error


AnyShape = TypeVar("AnyShape", bound=Shape)


class Account(Shape):
    account_id: str = Field(alias="accountId", min_length=1)


class Named(Shape):
    name: str


class Project(Shape):
    key: str


class Issue(Shape):
    """Fields stay as they came: which are there is the caller's question."""

    id: IssueId
    key: IssueKey
    fields: Mapping[str, Any] = {}
    properties: Mapping[str, Any] = {}

    def part(self, shape: type[AnyShape], field: str) -> AnyShape:
        return shape.read(f"issue {self.key}: {field}", self.fields.get(field))

    def text(self, field: str) -> str:
        """A text field; empty when it is not set.

        Raises:
            MalformedError: it holds something else: the settings name a field of another kind.
        """
        value = self.fields.get(field)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise MalformedError(f"Jira issue {self.key}: {field} holds {type(value).__name__}; name a text field")
        return value

    def account(self, field: str) -> str:
        """The accountId in a person field; empty when nobody is set."""
        return self.part(Account, field).account_id if self.fields.get(field) is not None else ""

    def instant(self, field: str) -> datetime:
        return Moment.read(f"issue {self.key}: {field}", {"at": self.fields.get(field)}).at

    def instant_or_none(self, field: str) -> datetime | None:
        return self.instant(field) if self.fields.get(field) is not None else None


class Moment(Shape):
    at: JiraInstant


class ChangeItem(Shape):
    field: str
    field_id: str | None = Field(default=None, alias="fieldId")
    from_id: str | None = Field(default=None, alias="from")
    from_text: str | None = Field(default=None, alias="fromString")
    to_id: str | None = Field(default=None, alias="to")
    to_text: str | None = Field(default=None, alias="toString")


class Change(Shape):
    """One entry of the change log; an entry without author was made by nobody who could be asked."""

    id: NumericId
    author: Account | None = None
    created: JiraInstant
    items: list[ChangeItem]

    def to_changes(self, settings: JiraSettings) -> list[TicketChange]:
        """One neutral change for each item. People are told by account id, everything else by its words."""
        people = {"reporter", settings.subject}
        told = []
        for item in self.items:
            field = item.field_id or item.field
            old, new = (item.from_id, item.to_id) if field in people else (item.from_text, item.to_text)
            told.append(
                TicketChange(
                    change_id=self.id,
                    at=self.created,
                    author=self.author.account_id if self.author else "",
                    field=field,
                    old=old or "",
                    new=new or "",
                )
            )
        return told


class Comment(Shape):
    id: NumericId
    author: Account | None = None
    body: Any
    created: JiraInstant
    updated: JiraInstant

    def to_comment(self) -> TicketComment:
        return TicketComment(
            comment_id=self.id,
            at=self.created,
            author=self.author.account_id if self.author else "",
            text=jira_adf.to_text(self.body),
            edited=self.updated != self.created,
        )


class ChangePage(Shape):
    start_at: int = Field(alias="startAt")
    total: int
    is_last: bool = Field(alias="isLast")
    values: list[Change]


class CommentPage(Shape):
    start_at: int = Field(alias="startAt")
    total: int
    comments: list[Comment]


class Transition(Shape):
    id: NumericId
    to: Named


class Transitions(Shape):
    transitions: list[Transition]


class PropertyKey(Shape):
    key: str


class PropertyKeys(Shape):
    keys: list[PropertyKey]


class SearchPage(Shape):
    issues: list[Issue]
    next_page_token: str | None = Field(default=None, alias="nextPageToken")


class FetchError(Shape):
    id: str


class BulkPage(Shape):
    issues: list[Issue]
    issue_errors: list[FetchError] = Field(default=[], alias="issueErrors")
