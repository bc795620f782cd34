"""Comments on an issue: add, change, remove. Bodies are documents; who may read the issue may comment on it."""

from typing import Any

from sandbox.jira import adf, events, records
from sandbox.jira.errors import JiraError
from sandbox.jira.session import ISSUES, Session
from sandbox.jira.times import now_ms
from sandbox.store import Document


def accepted(body: Any) -> Document:
    """The body if it is a document that Jira takes; raises a 400 otherwise."""
    if (reason := adf.problem(body)) is not None:
        raise JiraError(400, fields={"comment": reason})
    if not adf.to_text(body).strip():
        raise JiraError(400, fields={"comment": "Comment body can not be empty!"})
    return dict(body)


def add(session: Session, issue: Document, body: Any, properties: tuple[tuple[str, Any], ...] = ()) -> Document:
    """Jira has no idempotency key for comments: the same body sent twice is two comments."""
    store = session.world.store
    with store.transaction():
        at = now_ms()
        comment: Document = {
            "id": records.new_id(store, "comment"),
            "issue_id": issue["id"],
            "author": session.person.account_id,
            "update_author": session.person.account_id,
            "body": accepted(body),
            "properties": [{"key": key, "value": value} for key, value in properties],
            "created": at,
            "updated": at,
        }
        _write(session, issue, comment, at)
        session.note("comment.added", issue, comment_id=comment["id"])
        events.comment_created(session, issue, comment)
    return comment


def find(session: Session, issue: Document, comment_id: str) -> Document:
    comment = session.world.store.get(records.comments_table(issue["id"]), comment_id)
    if comment is None:
        raise JiraError(404, f"Can not find a comment for the id: {comment_id}.")
    return comment


def change(session: Session, issue: Document, comment: Document, body: Any) -> None:
    with session.world.store.transaction():
        at = now_ms()
        comment |= {"body": accepted(body), "update_author": session.person.account_id, "updated": at}
        _write(session, issue, comment, at)
        session.note("comment.updated", issue, comment_id=comment["id"])


def remove(session: Session, issue: Document, comment: Document) -> None:
    with session.world.store.transaction():
        session.world.store.delete(records.comments_table(issue["id"]), comment["id"])
        session.note("comment.deleted", issue, comment_id=comment["id"])


def _write(session: Session, issue: Document, comment: Document, at_ms: int) -> None:
    store = session.world.store
    store.put(records.comments_table(issue["id"]), comment["id"], comment)
    issue["updated"] = at_ms
    store.put(ISSUES, issue["id"], issue)
