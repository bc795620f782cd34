"""How the stand-in's site is set up: projects, the issue type, its workflow and its fields. Nothing here changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

ISSUE_TYPE_ID = "10100"
ISSUE_TYPE_NAME = "Access request"
PROJECTS: Mapping[str, tuple[str, str]] = {"SEC": ("10000", "Security"), "OPS": ("10001", "Operations")}


@dataclass(frozen=True)
class Category:
    id: int
    key: str
    name: str
    colour: str


NEW = Category(2, "new", "To Do", "blue-gray")
IN_PROGRESS = Category(4, "indeterminate", "In Progress", "yellow")
DONE = Category(3, "done", "Done", "green")


@dataclass(frozen=True)
class Status:
    id: str
    name: str
    category: Category


WAITING = Status("10001", "Waiting for approval", NEW)
APPROVED = Status("10002", "Approved", IN_PROGRESS)
DECLINED = Status("10003", "Declined", DONE)
ACTIVE = Status("10004", "Access active", IN_PROGRESS)
CLOSED = Status("10005", "Closed", DONE)
STATUSES = {status.id: status for status in (WAITING, APPROVED, DECLINED, ACTIVE, CLOSED)}


@dataclass(frozen=True)
class Transition:
    id: str
    name: str
    sources: frozenset[str]
    target: Status


TRANSITIONS = (
    Transition("11", "Approve", frozenset({WAITING.id}), APPROVED),
    Transition("21", "Decline", frozenset({WAITING.id}), DECLINED),
    Transition("31", "Start access", frozenset({APPROVED.id}), ACTIVE),
    Transition("51", "Send back", frozenset({APPROVED.id}), WAITING),
    Transition("41", "Close", frozenset(STATUSES) - {CLOSED.id}, CLOSED),
)


class Kind(StrEnum):
    TEXT = "string"
    DOCUMENT = "doc"
    PERSON = "user"
    INSTANT = "datetime"
    LABELS = "array"
    FIXED = "fixed"


CUSTOM_TYPES = {
    Kind.TEXT: "com.atlassian.jira.plugin.system.customfieldtypes:textfield",
    Kind.PERSON: "com.atlassian.jira.plugin.system.customfieldtypes:userpicker",
    Kind.INSTANT: "com.atlassian.jira.plugin.system.customfieldtypes:datetime",
}


@dataclass(frozen=True)
class Field:
    """A field; `kind` FIXED means that only Jira itself writes it, `type` is what `/field` calls its type."""

    id: str
    name: str
    kind: Kind
    type: str

    @property
    def custom(self) -> bool:
        return self.id.startswith("customfield_")

    def json(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": self.type}
        if self.type == "array":
            schema["items"] = "string"
        if self.custom:
            number = int(self.id.removeprefix("customfield_"))
            schema |= {"custom": CUSTOM_TYPES[self.kind], "customId": number}
            names = [f"cf[{number}]", self.name]
        else:
            schema["system"] = self.id
            names = [self.id]
        return {
            "id": self.id,
            "key": self.id,
            "name": self.name,
            "custom": self.custom,
            "orderable": self.kind is not Kind.FIXED,
            "navigable": True,
            "searchable": True,
            "clauseNames": names,
            "schema": schema,
        }


FIELDS = {
    field.id: field
    for field in (
        Field("summary", "Summary", Kind.TEXT, "string"),
        Field("description", "Description", Kind.DOCUMENT, "string"),
        Field("labels", "Labels", Kind.LABELS, "array"),
        Field("reporter", "Reporter", Kind.PERSON, "user"),
        Field("assignee", "Assignee", Kind.PERSON, "user"),
        Field("customfield_10101", "Entitlement", Kind.TEXT, "string"),
        Field("customfield_10102", "Duration", Kind.TEXT, "string"),
        Field("customfield_10103", "Subject", Kind.PERSON, "user"),
        Field("customfield_10104", "Reason", Kind.TEXT, "string"),
        Field("customfield_10105", "Access state", Kind.TEXT, "string"),
        Field("customfield_10106", "Access from", Kind.INSTANT, "datetime"),
        Field("customfield_10107", "Access until", Kind.INSTANT, "datetime"),
        Field("project", "Project", Kind.FIXED, "project"),
        Field("issuetype", "Issue Type", Kind.FIXED, "issuetype"),
        Field("status", "Status", Kind.FIXED, "status"),
        Field("creator", "Creator", Kind.FIXED, "user"),
        Field("created", "Created", Kind.FIXED, "datetime"),
        Field("updated", "Updated", Kind.FIXED, "datetime"),
    )
}
EDITABLE = {field_id: field for field_id, field in FIELDS.items() if field.kind is not Kind.FIXED}
