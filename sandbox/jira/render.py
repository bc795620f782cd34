"""The API's JSON for users, statuses, issues, comments and changelogs. Which issue, and may it be seen, is decided before."""

from typing import Any

from sandbox.jira import projects, records
from sandbox.jira.people import Person, find_person
from sandbox.jira.schema import (
    EDITABLE,
    FIELDS,
    ISSUE_TYPE_ID,
    ISSUE_TYPE_NAME,
    STATUSES,
    TRANSITIONS,
    Kind,
    Status,
    Transition,
)
from sandbox.jira.session import Session
from sandbox.jira.times import printed
from sandbox.store import Document

EXPANDABLE = "renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations"


def user(session: Session, person: Person, *, profile: bool = False) -> Document:
    """A person; the e-mail address only in a `profile`, as where people keep theirs from other members of the site."""
    shown: Document = {
        "self": f"{session.site}/rest/api/3/user?accountId={person.account_id}",
        "accountId": person.account_id,
        "accountType": "atlassian",
        "active": person.active,
        "displayName": person.display_name,
        "timeZone": "Etc/UTC",
    }
    return shown | {"emailAddress": person.email, "locale": "en_GB"} if profile else shown


def user_or_none(session: Session, account_id: str | None) -> Document | None:
    person = find_person(session.world.store, account_id) if account_id else None
    return user(session, person) if person else None


def status(session: Session, value: Status) -> Document:
    category = value.category
    return {
        "self": f"{session.site}/rest/api/3/status/{value.id}",
        "id": value.id,
        "name": value.name,
        "description": "",
        "statusCategory": {
            "self": f"{session.site}/rest/api/3/statuscategory/{category.id}",
            "id": category.id,
            "key": category.key,
            "name": category.name,
            "colorName": category.colour,
        },
    }


def issue_type(session: Session) -> Document:
    return {
        "self": f"{session.site}/rest/api/3/issuetype/{ISSUE_TYPE_ID}",
        "id": ISSUE_TYPE_ID,
        "name": ISSUE_TYPE_NAME,
        "description": "A request for cloud privileges that end by themselves",
        "subtask": False,
        "hierarchyLevel": 0,
    }


def project(session: Session, key: str) -> Document:
    project_id, name = projects.project(session.world.store, key)
    return {
        "self": f"{session.site}/rest/api/3/project/{project_id}",
        "id": project_id,
        "key": key,
        "name": name,
        "projectTypeKey": "software",
        "simplified": False,
    }


def transition(session: Session, value: Transition) -> Document:
    return {
        "id": value.id,
        "name": value.name,
        "to": status(session, value.target),
        "hasScreen": False,
        "isGlobal": len(value.sources) > 1,
        "isInitial": False,
        "isAvailable": True,
        "isConditional": False,
        "looped": False,
    }


def open_transitions(issue: Document) -> list[Transition]:
    return [transition for transition in TRANSITIONS if issue["status"] in transition.sources]


def comment(session: Session, value: Document, *, with_properties: bool = False) -> Document:
    shown: Document = {
        "self": f"{session.site}/rest/api/3/issue/{value['issue_id']}/comment/{value['id']}",
        "id": value["id"],
        "author": user_or_none(session, value["author"]),
        "body": value["body"],
        "updateAuthor": user_or_none(session, value["update_author"]),
        "created": printed(value["created"]),
        "updated": printed(value["updated"]),
        "jsdPublic": True,
    }
    return shown | {"properties": value["properties"]} if with_properties else shown


def change(session: Session, value: Document) -> Document:
    return {
        "id": value["id"],
        "author": user_or_none(session, value["author"]),
        "created": printed(value["created"]),
        "items": value["items"],
    }


def issue_link(session: Session, issue: Document) -> Document:
    return {"id": issue["id"], "key": issue["key"], "self": f"{session.site}/rest/api/3/issue/{issue['id']}"}


def issue(
    session: Session,
    value: Document,
    *,
    wanted: tuple[str, ...] = ("*all",),
    expand: tuple[str, ...] = (),
    properties: tuple[str, ...] = (),
) -> Document:
    """The issue with the `wanted` fields (ids, `*all`, `*navigable`, `-id` to leave one out) and expansions."""
    shown: Document = {"expand": EXPANDABLE, **issue_link(session, value)}
    shown["fields"] = chosen_fields(issue_fields(session, value), wanted)
    if "names" in expand:
        shown["names"] = {field_id: FIELDS[field_id].name for field_id in shown["fields"] if field_id in FIELDS}
    if "changelog" in expand:
        shown["changelog"] = _newest_changes(session, value)
    if "transitions" in expand:
        shown["transitions"] = [transition(session, each) for each in open_transitions(value)]
    if properties:
        kept = records.properties(session.world.store, value["id"])
        everything = "*all" in properties
        shown["properties"] = {key: kept[key] for key in kept if everything or key in properties}
    return shown


def issue_fields(session: Session, value: Document) -> Document:
    fields: Document = {
        "project": project(session, value["project"]),
        "issuetype": issue_type(session),
        "status": status(session, STATUSES[value["status"]]),
        "creator": user_or_none(session, value["creator"]),
        "created": printed(value["created"]),
        "updated": printed(value["updated"]),
        "comment": _comments(session, value),
    }
    for field in EDITABLE.values():
        kept = value["fields"].get(field.id)
        fields[field.id] = user_or_none(session, kept) if field.kind is Kind.PERSON else kept
    return fields


def chosen_fields(fields: Document, wanted: tuple[str, ...]) -> Document:
    """The part of `fields` that a `fields` parameter asks for; a comment is no navigable field."""
    left_out = {name.removeprefix("-") for name in wanted if name.startswith("-")}
    named = {name for name in wanted if not name.startswith("-")}
    if "*all" in named or not named:
        named = set(fields)
    elif "*navigable" in named:
        named |= set(fields) - {"comment"}
    return {key: field for key, field in fields.items() if key in named - left_out}


def _comments(session: Session, value: Document) -> dict[str, Any]:
    shown = [comment(session, each) for each in records.comments(session.world.store, value["id"])]
    link = f"{session.site}/rest/api/3/issue/{value['id']}/comment"
    return {"comments": shown, "self": link, "maxResults": len(shown), "total": len(shown), "startAt": 0}


def _newest_changes(session: Session, value: Document) -> dict[str, Any]:
    """The expansion has the newest hundred changes, newest first; only the changelog endpoint has them all."""
    kept = records.changes(session.world.store, value["id"])
    histories = [change(session, each) for each in reversed(kept[-100:])]
    return {"startAt": 0, "maxResults": 100, "total": len(kept), "histories": histories}
