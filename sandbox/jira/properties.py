"""Issue properties: JSON by key, up to 32,768 characters each. Writing one does not count as updating the issue."""

import hashlib
import json
from typing import Any

from sandbox.jira import records
from sandbox.jira.errors import JiraError
from sandbox.jira.session import Session
from sandbox.store import Document

MAX_KEY = 255
MAX_VALUE = 32_768


def accepted_list(given: Any) -> tuple[tuple[str, Any], ...]:
    """The pairs of a body's `properties` list; raises a 400 when it is not one."""
    if not isinstance(given, list):
        raise JiraError(400, "Properties must be a list of objects with a key and a value.")
    pairs = []
    for each in given:
        match each:
            case {"key": str(key), "value": value}:
                pairs.append((key, value))
            case _:
                raise JiraError(400, "Each property must be an object with a key and a value.")
    return tuple(pairs)


def put(session: Session, issue: Document, key: str, value: Any) -> bool:
    """Write a property and return whether it is new; its length is that of its most compact JSON."""
    sent = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if not 0 < len(key) <= MAX_KEY:
        raise JiraError(400, f"The property key must have between 1 and {MAX_KEY} characters.")
    if len(sent) > MAX_VALUE:
        raise JiraError(400, f"The property value is too long: {len(sent)} characters, and {MAX_VALUE} are allowed.")
    store, table = session.world.store, records.properties_table(issue["id"])
    with store.transaction():
        is_new = store.get(table, key) is None
        store.put(table, key, {"value": value})
        digest = hashlib.sha256(sent.encode()).hexdigest()
        session.note("property.put", issue, property=key, characters=len(sent), sha256=digest, new=is_new)
    return is_new


def find(session: Session, issue: Document, key: str) -> Any:
    """The value; raises a 404 when there is none."""
    kept = session.world.store.get(records.properties_table(issue["id"]), key)
    if kept is None:
        raise JiraError(404, f"The property {key} does not exist.")
    return kept["value"]


def remove(session: Session, issue: Document, key: str) -> None:
    find(session, issue, key)
    with session.world.store.transaction():
        session.world.store.delete(records.properties_table(issue["id"]), key)
        session.note("property.deleted", issue, property=key)
