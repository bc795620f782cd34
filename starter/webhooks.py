"""What a verified webhook of Jira means: which ticket moved, and which hint to give. The body proves nothing more than that."""

import re
from typing import Any, TypeVar

import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.errors import InvalidInputError
from domain.ids import IssueId, IssueKey, SiteName, TicketRef
from domain.ticket import TicketRules
from domain.values import Value
from starter.requests import HintName

CREATED, UPDATED, DELETED = "jira:issue_created", "jira:issue_updated", "jira:issue_deleted"
COMMENTED = frozenset({"comment_created", "comment_updated"})
_MOVES = frozenset({"project", "issuetype", "Key"})
"""Fields of a change that takes a ticket away from us: its request must hear of it, although the project is another now."""


class News(Value):
    """Something happened on a ticket. Without a hint it has just been created."""

    ticket: TicketRef
    hint: HintName | None
    event: str
    by: str

    @property
    def how(self) -> str:
        """Half a sentence for people: `revoked by a comment on the ticket`."""
        return f"by {'a comment on' if self.event in COMMENTED else 'a change of'} the ticket"


class Ignored(Value):
    reason: str


class _Shape(BaseModel):
    """Tolerant of what is not asked for; its errors do not quote the ticket."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class _Account(_Shape):
    account_id: str = Field(default="", alias="accountId")


class _Project(_Shape):
    key: str


class _Named(_Shape):
    name: str


class _Fields(_Shape):
    project: _Project | None = None
    issue_type: _Named | None = Field(default=None, alias="issuetype")


class _Issue(_Shape):
    id: IssueId
    key: IssueKey
    fields: _Fields = _Fields()


class _Item(_Shape):
    field: str
    field_id: str | None = Field(default=None, alias="fieldId")
    to_text: str | None = Field(default=None, alias="toString")

    @property
    def names(self) -> set[str]:
        return {self.field, self.field_id or self.field}


class _Changelog(_Shape):
    items: tuple[_Item, ...] = ()


class _Comment(_Shape):
    body: Any = None


class _Envelope(_Shape):
    webhook_event: str = Field(alias="webhookEvent")


class _Event(_Envelope):
    user: _Account | None = None
    issue: _Issue
    changelog: _Changelog = _Changelog()
    comment: _Comment = _Comment()

    @property
    def author(self) -> str:
        return self.user.account_id if self.user else ""


def read_event(raw: bytes, site: SiteName, rules: TicketRules) -> News | Ignored:
    """What the body of a webhook means to us.

    Raises:
        InvalidInputError: it is not JSON, or not in the form that Jira documents for its event.
    """
    plain = read_json(raw)
    name = read_shape(_Envelope, plain).webhook_event
    if name not in {CREATED, UPDATED, DELETED, *COMMENTED}:
        return Ignored(reason="no event of interest")
    event = read_shape(_Event, plain)
    moved = any(item.names & _MOVES for item in event.changelog.items)
    if not moved and _is_foreign(event.issue, rules):
        return Ignored(reason="another project or issue type")
    hint = _hint_of(event, rules)
    if hint is None and name != CREATED:
        return Ignored(reason="nothing that a request rests on")
    if hint == "approve" and event.author == rules.own_account:
        return Ignored(reason="done by our own account")
    ticket = TicketRef(site=site, issue_id=event.issue.id, key=event.issue.key)
    return News(ticket=ticket, hint=hint, event=name, by=event.author)


def command_of(text: object) -> HintName | None:
    """The hint that a comment asks for by its first word. Whether it is obeyed is the request's to say."""
    match = re.match(r"\s*/(extend|revoke)\b", text, re.IGNORECASE) if isinstance(text, str) else None
    if match is None:
        return None
    return "extend" if match.group(1).lower() == "extend" else "revoke"


def read_json(raw: bytes) -> Any:
    """Raises `InvalidInputError` with the cause: not UTF-8, not JSON, nested too deeply, a number that JSON does not have."""
    try:
        return pydantic_core.from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidInputError(f"the body is not JSON: {error}") from error


Shape = TypeVar("Shape", bound=BaseModel)


def read_shape(shape: type[Shape], plain: Any) -> Shape:
    """Raises `InvalidInputError` that names the first part that is wrong, and quotes nothing."""
    try:
        return shape.model_validate(plain)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise InvalidInputError(f"the body is not as documented: {where[:100]}: {first['msg']}") from error


def _is_foreign(issue: _Issue, rules: TicketRules) -> bool:
    """What the body does not tell (a comment's event has no issue type) is looked up before anything is started."""
    project, issue_type = issue.fields.project, issue.fields.issue_type
    return (project is not None and project.key != rules.project) or (
        issue_type is not None and issue_type.name != rules.request_type
    )


def _hint_of(event: _Event, rules: TicketRules) -> HintName | None:
    if event.webhook_event in COMMENTED:
        return command_of(event.comment.body)
    if event.webhook_event == DELETED:
        return "revoke"
    statuses = [item.to_text for item in event.changelog.items if rules.status_field in item.names]
    if rules.terminal_statuses.intersection(statuses):
        return "deny"
    touched = set().union(*(item.names for item in event.changelog.items))
    return "approve" if statuses or touched & (rules.bound_fields | _MOVES) else None
