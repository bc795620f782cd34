"""What a webhook says of a change: the older representation, with documents as plain text and without comments."""

from sandbox.jira import adf, outbox, render
from sandbox.jira.session import Session
from sandbox.jira.times import now_ms
from sandbox.store import Document


def issue_created(session: Session, issue: Document) -> None:
    facts = {"issue_event_type_name": "issue_created", "issue": _issue(session, issue)}
    _announce(session, "jira:issue_created", facts)


def issue_updated(session: Session, issue: Document, change: Document, event_type: str) -> None:
    changelog = {"id": change["id"], "items": change["items"]}
    facts = {"issue_event_type_name": event_type, "issue": _issue(session, issue), "changelog": changelog}
    _announce(session, "jira:issue_updated", facts)


def issue_deleted(session: Session, issue: Document) -> None:
    """Told with the issue as it last was."""
    _announce(session, "jira:issue_deleted", {"issue": _issue(session, issue)})


def comment_created(session: Session, issue: Document, comment: Document) -> None:
    shown = render.comment(session, comment) | {"body": adf.to_text(comment["body"])}
    brief = render.issue_link(session, issue)
    brief["fields"] = render.chosen_fields(render.issue_fields(session, issue), ("summary", "project", "status"))
    _announce(session, "comment_created", {"comment": shown, "issue": brief, "eventType": "primaryAction"})


def _issue(session: Session, issue: Document) -> Document:
    shown = render.issue(session, issue, wanted=("*navigable",))
    if shown["fields"]["description"] is not None:
        shown["fields"]["description"] = adf.to_text(shown["fields"]["description"])
    return shown


def _announce(session: Session, event: str, facts: Document) -> None:
    user = render.user(session, session.person)
    outbox.keep(session.world, {"timestamp": now_ms(), "webhookEvent": event, "user": user} | facts)
