"""What the ticket page shows, as plain values for the templates: fields, comments, changes and machine evidence."""

import json
from typing import Any

from sandbox.jira import adf, records
from sandbox.jira.fields import wording
from sandbox.jira.people import everyone, find_person
from sandbox.jira.render import open_transitions
from sandbox.jira.schema import EDITABLE, STATUSES, Kind
from sandbox.jira.session import Session
from sandbox.jira.times import for_people, parsed_ms
from sandbox.store import Document

EVIDENCE_PREFIX = "nightlatch."
FORM_FIELDS = tuple(field for field in EDITABLE.values() if field.custom)
# Wherever a record keeps them: at its top, or one level down inside its envelope.
EVENT_NAMES = ("event", "kind", "type")
INSTANT_NAMES = ("at", "recorded_at", "occurred_at")
SEQUENCE_NAMES = ("seq", "sequence")
WRITER_NAMES = ("writer",)


def row(session: Session, issue: Document) -> Document:
    """A line in the list of tickets."""
    kept = issue["fields"]
    status = STATUSES[issue["status"]]
    return {
        "key": issue["key"],
        "summary": kept["summary"],
        "status": status.name,
        "tone": status.category.key,
        "entitlement": kept.get("customfield_10101") or "",
        "reporter": _display_name(session, kept["reporter"]),
        "subject": _display_name(session, kept.get("customfield_10103") or kept["reporter"]),
        "updated": for_people(issue["updated"]),
    }


def ticket(session: Session, issue: Document) -> Document:
    """Everything on one ticket's page."""
    store = session.world.store
    return row(session, issue) | {
        "creator": _display_name(session, issue["creator"]),
        "created": for_people(issue["created"]),
        "labels": issue["fields"]["labels"],
        "description": adf.to_html(issue["fields"]["description"]) if issue["fields"].get("description") else None,
        "fields": [_field(session, issue, field.id) for field in FORM_FIELDS],
        "transitions": open_transitions(issue),
        "comments": [_comment(session, each) for each in records.comments(store, issue["id"])],
        "changes": [_change(session, each) for each in records.changes(store, issue["id"])],
        "evidence": [
            _segment(key, value)
            for key, value in records.properties(store, issue["id"]).items()
            if key.startswith(EVIDENCE_PREFIX)
        ],
    }


def people(session: Session) -> list[Document]:
    """Who can be chosen in a form."""
    return [{"name": each.name, "display_name": each.display_name} for each in everyone(session.world.store)]


def _display_name(session: Session, account_id: str | None) -> str:
    person = find_person(session.world.store, account_id) if account_id else None
    return person.display_name if person else account_id or ""


def _field(session: Session, issue: Document, field_id: str) -> Document:
    field, kept = EDITABLE[field_id], issue["fields"].get(field_id)
    _, shown = wording(session.world.store, field, kept)
    person = find_person(session.world.store, kept) if field.kind is Kind.PERSON and kept else None
    instant = for_people(parsed_ms(kept)) if field.kind is Kind.INSTANT and kept else None
    return {
        "id": field.id,
        "name": field.name,
        "kind": field.kind.value,
        "shown": instant or shown or "",
        "value": person.name if person else shown or "",
    }


def _comment(session: Session, comment: Document) -> Document:
    return {
        "author": _display_name(session, comment["author"]),
        "at": for_people(comment["created"]),
        "edited_by": _display_name(session, comment["update_author"])
        if comment["updated"] != comment["created"]
        else None,
        "html": adf.to_html(comment["body"]),
    }


def _change(session: Session, change: Document) -> Document:
    return {
        "author": _display_name(session, change["author"]),
        "at": for_people(change["created"]),
        "items": [(item["field"], item["fromString"] or "", item["toString"] or "") for item in change["items"]],
    }


def _segment(key: str, value: Any) -> Document:
    """A property with its records, whether it is one record, a list of them or an object that holds such a list."""
    records_in = value if isinstance(value, list) else [value]
    if isinstance(value, dict):
        records_in = next((each for each in value.values() if _is_list_of_objects(each)), records_in)
    return {
        "key": key,
        "writer": _found(records_in[0], WRITER_NAMES) if records_in else "",
        "records": [_record(each) for each in records_in],
        "json": _pretty(value),
    }


def _record(value: Any) -> Document:
    return {
        "seq": _found(value, SEQUENCE_NAMES),
        "at": _found(value, INSTANT_NAMES),
        "event": _found(value, EVENT_NAMES),
        "json": _pretty(value),
    }


def _found(value: Any, names: tuple[str, ...]) -> str:
    if not isinstance(value, dict):
        return ""
    for holder in (value, *(each for each in value.values() if isinstance(each, dict))):
        for name in names:
            if isinstance(holder.get(name), (str, int)):
                return str(holder[name])
    return ""


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
