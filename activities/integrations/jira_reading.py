"""One complete, consistent reading of an issue, as a neutral ticket view."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import rfc8785

from activities.integrations.jira_pages import read_changes, read_comments
from activities.integrations.jira_settings import JiraSettings
from activities.integrations.jira_shapes import BulkPage, Change, Comment, Issue, Named, Project, PropertyKeys
from domain.errors import MalformedError, RetryableError
from domain.ids import TicketRef
from domain.ticket import TicketView

if TYPE_CHECKING:
    from activities.integrations.jira_client import JiraClient

ATTEMPTS = 2


def read_issue(
    client: "JiraClient", ticket: TicketRef, fields: str, properties: str | None = None
) -> tuple[Issue, datetime]:
    """The issue of that immutable id with some fields, and Jira's own time.

    Raises:
        MalformedError: the id answers with another issue. (Another key is fine: the issue was moved.)
    """
    path = f"/issue/{ticket.issue_id}"
    parameters = {"fields": fields} | ({"properties": properties} if properties else {})
    body, at = client.get(path, parameters)
    issue = Issue.read(path, body)
    if issue.id != ticket.issue_id:
        raise MalformedError(f"Jira {path}: the answer is issue {issue.id}, not the one that was asked for")
    return issue, at


def read_view(client: "JiraClient", settings: JiraSettings, ticket: TicketRef) -> TicketView:
    """Fields first, then changes and comments, then a second look at `updated`: nothing moved in between.

    Raises:
        RetryableError: somebody kept changing the ticket while it was read.
    """
    fields = ",".join(_fields(settings))
    for _ in range(ATTEMPTS):
        issue, _at = read_issue(client, ticket, fields)
        changes = read_changes(client, ticket.issue_id)
        comments = read_comments(client, ticket.issue_id)
        again, read_at = read_issue(client, ticket, "updated")
        if again.instant("updated") == issue.instant("updated"):
            return _view(settings, ticket, issue, changes, comments, read_at)
    raise RetryableError(f"{ticket.key} was changed each time while it was read; it will be read again")


def read_properties(client: "JiraClient", ticket: TicketRef, prefix: str) -> dict[str, str]:
    """Every property whose key begins with `prefix`: the keys are listed first, so that none can be left out unnoticed."""
    path = f"/issue/{ticket.issue_id}/properties"
    listed = PropertyKeys.read(path, client.get(path)[0]).keys
    wanted = [entry.key for entry in listed if entry.key.startswith(prefix)]
    if not wanted:
        return {}
    kept = read_issue(client, ticket, "updated", properties="*all")[0].properties
    if missing := [key for key in wanted if key not in kept]:
        raise RetryableError(f"{ticket.key}: the properties {missing} are listed and were not given; read them again")
    return {key: _canonical(kept[key]) for key in wanted}


def shown_among(client: "JiraClient", issue_ids: Sequence[str]) -> set[str]:
    """The ids of those issues that Jira shows to our account, and of those that it could not fetch just now.

    What it leaves out without an error was deleted or is hidden. It takes at most 100.
    """
    page = BulkPage.read("/issue/bulkfetch", client.post_bulkfetch(issue_ids))
    return {issue.id for issue in page.issues} | {failed.id for failed in page.issue_errors}


def _canonical(value: Any) -> str:
    """RFC 8785 text; a value that it cannot say (a stranger's fraction or huge number) as plain JSON, for others to refuse."""
    try:
        return rfc8785.dumps(value).decode()
    except rfc8785.CanonicalizationError:
        return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _fields(settings: JiraSettings) -> tuple[str, ...]:
    asked_for = (settings.entitlement, settings.duration, settings.subject, settings.reason)
    return ("project", "issuetype", "status", "creator", "reporter", "created", "updated", *asked_for)


def _view(
    settings: JiraSettings,
    ticket: TicketRef,
    issue: Issue,
    changes: list[Change],
    comments: list[Comment],
    read_at: datetime,
) -> TicketView:
    return TicketView(
        ref=ticket.model_copy(update={"key": issue.key}),
        project=issue.part(Project, "project").key,
        request_type=issue.part(Named, "issuetype").name,
        status=issue.part(Named, "status").name,
        creator=issue.account("creator"),
        reporter=issue.account("reporter"),
        subject_account=issue.account(settings.subject),
        entitlement=issue.text(settings.entitlement),
        duration=issue.text(settings.duration),
        reason=issue.text(settings.reason),
        created_at=issue.instant("created"),
        read_at=read_at,
        changes=tuple(told for change in changes for told in change.to_changes(settings)),
        comments=tuple(comment.to_comment() for comment in comments),
    )
