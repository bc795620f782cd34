"""What a person does to an issue: create, edit, transition, move, delete.

Each is one transaction of state, changelog, audit line and webhook event.
"""

from typing import Any

from sandbox.jira import comments, events, fields, projects, properties, records
from sandbox.jira.errors import JiraError
from sandbox.jira.render import open_transitions
from sandbox.jira.schema import EDITABLE, ISSUE_TYPE_ID, ISSUE_TYPE_NAME, STATUSES, WAITING
from sandbox.jira.session import ISSUES, KEYS, Session
from sandbox.jira.times import now_ms
from sandbox.store import Document


def create(session: Session, given: dict[str, Any], properties_given: tuple[tuple[str, Any], ...] = ()) -> Document:
    """A new issue, waiting for approval; the caller is its creator and, unless another is named, its reporter."""
    given = dict(given)
    project = _project(session, given.pop("project", None))
    _check_issue_type(given.pop("issuetype", None))
    store = session.world.store
    kept = fields.accepted(store, {"summary": None, "labels": [], **given})
    kept.setdefault("reporter", session.person.account_id)
    with store.transaction():
        at = now_ms()
        issue: Document = {
            "id": records.new_id(store, "issue"),
            "key": _next_key(session, project),
            "project": project,
            "status": WAITING.id,
            "creator": session.person.account_id,
            "created": at,
            "updated": at,
            "fields": kept,
            "viewers": None,
        }
        store.put(KEYS, issue["key"], {"id": issue["id"]})
        store.put(ISSUES, issue["id"], issue)
        session.note("issue.created", issue)
        for key, value in properties_given:
            properties.put(session, issue, key, value)
        events.issue_created(session, issue)
    return issue


def edit(session: Session, issue: Document, given: dict[str, Any], update: dict[str, Any]) -> None:
    """Set fields and apply update operations; what does not change leaves no trace. Raises a 400 and changes nothing."""
    if both := sorted(given.keys() & update.keys()):
        raise JiraError(400, fields=dict.fromkeys(both, "Field cannot be in both 'fields' and 'update'."))
    operations = dict(update)
    added_comments = _comments_in(operations.pop("comment", []))
    wanted = dict(given)
    for field_id, steps in operations.items():
        wanted[field_id] = _after(field_id, issue["fields"].get(field_id), steps)
    kept = fields.accepted(session.world.store, wanted)
    items = [
        _item(session, field_id, issue["fields"].get(field_id), value)
        for field_id, value in kept.items()
        if issue["fields"].get(field_id) != value
    ]
    with session.world.store.transaction():
        if items:
            issue["fields"] |= kept
            session.note("issue.updated", issue, fields=[item["fieldId"] for item in items])
            assigned = [item["fieldId"] for item in items] == ["assignee"]
            _commit(session, issue, items, "issue_assigned" if assigned else "issue_updated")
        for body in added_comments:
            comments.add(session, issue, body)


def transition(session: Session, issue: Document, transition_id: str) -> None:
    """Move the issue along its workflow; raises a 400 when the transition does not leave its present status."""
    step = next((each for each in open_transitions(issue) if each.id == transition_id), None)
    if step is None:
        name = STATUSES[issue["status"]].name
        raise JiraError(
            400,
            f"Transition id '{transition_id}' is not valid for this issue: it does not lead out of status '{name}',"
            " which may have been changed by somebody else meanwhile.",
        )
    before = STATUSES[issue["status"]]
    issue["status"] = step.target.id
    item = {
        "field": "status",
        "fieldtype": "jira",
        "fieldId": "status",
        "from": before.id,
        "fromString": before.name,
        "to": step.target.id,
        "toString": step.target.name,
    }
    with session.world.store.transaction():
        ends = {"from": before.name, "to": step.target.name}
        session.note("issue.transitioned", issue, author=session.person.account_id, **ends)
        _commit(session, issue, [item], "issue_generic")


def move(session: Session, issue: Document, project: str) -> None:
    """Give the issue a key in another project; the old key keeps finding it."""
    store = session.world.store
    old_project, old_key = issue["project"], issue["key"]
    before, after = projects.project(store, old_project), projects.project(store, project)
    with store.transaction():
        issue["project"], issue["key"] = project, _next_key(session, project)
        store.put(KEYS, issue["key"], {"id": issue["id"]})
        items = [
            {
                "field": "project",
                "fieldtype": "jira",
                "fieldId": "project",
                "from": before[0],
                "fromString": before[1],
                "to": after[0],
                "toString": after[1],
            },
            {"field": "Key", "fieldtype": "jira", "fromString": old_key, "toString": issue["key"]},
        ]
        session.note("issue.moved", issue, **{"from": old_key, "to": issue["key"]})
        _commit(session, issue, items, "issue_moved")


def delete(session: Session, issue: Document) -> None:
    store = session.world.store
    with store.transaction():
        session.note("issue.deleted", issue)
        events.issue_deleted(session, issue)
        records.forget(store, issue["id"])
        store.delete(ISSUES, issue["id"])
        for key, named in store.items(KEYS):
            if named["id"] == issue["id"]:
                store.delete(KEYS, key)


def _commit(session: Session, issue: Document, items: list[Document], event_type: str) -> None:
    store = session.world.store
    issue["updated"] = now_ms()
    change = {
        "id": records.new_id(store, "change"),
        "author": session.person.account_id,
        "created": issue["updated"],
        "items": items,
    }
    store.put(ISSUES, issue["id"], issue)
    store.put(records.changes_table(issue["id"]), change["id"], change)
    events.issue_updated(session, issue, change, event_type)


def _item(session: Session, field_id: str, before: Any, after: Any) -> Document:
    field = EDITABLE[field_id]
    old_id, old_text = fields.wording(session.world.store, field, before)
    new_id, new_text = fields.wording(session.world.store, field, after)
    return {
        "field": field.name if field.custom else field.id,
        "fieldtype": "custom" if field.custom else "jira",
        "fieldId": field.id,
        "from": old_id,
        "fromString": old_text,
        "to": new_id,
        "toString": new_text,
    }


def _after(field_id: str, before: Any, steps: Any) -> Any:
    """The value that a list of `set`, `add` and `remove` operations makes of the present one."""
    value = before
    for step in steps if isinstance(steps, list) else [steps]:
        match step:
            case {"set": new}:
                value = new
            case {"add": str(label)} if field_id == "labels":
                value = [*(value or []), label]
            case {"remove": str(label)} if field_id == "labels":
                value = [each for each in value or [] if each != label]
            case _:
                raise JiraError(400, fields={field_id: f"Operation {step!r} is not supported for this field."})
    return value


def _comments_in(steps: Any) -> list[Any]:
    bodies = []
    for step in steps if isinstance(steps, list) else [steps]:
        match step:
            case {"add": {"body": body}}:
                bodies.append(comments.accepted(body))
            case _:
                raise JiraError(400, fields={"comment": f"Operation {step!r} is not supported for this field."})
    return bodies


def _project(session: Session, given: Any) -> str:
    for key, (project_id, _) in projects.projects(session.world.store).items():
        if isinstance(given, dict) and (given.get("key") == key or given.get("id") == project_id):
            return key
    raise JiraError(400, fields={"project": "Specify a valid project ID or key"})


def _check_issue_type(given: Any) -> None:
    named = isinstance(given, dict) and (given.get("id") == ISSUE_TYPE_ID or given.get("name") == ISSUE_TYPE_NAME)
    if not named:
        raise JiraError(400, fields={"issuetype": "Specify a valid issue type"})


def _next_key(session: Session, project: str) -> str:
    return f"{project}-{session.world.store.next_number(f'jira.key.{project}')}"
