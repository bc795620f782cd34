"""Lists that Jira gives in pages, read to the last one: changes, comments, search results. A list with a hole is none."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from activities.integrations.jira_shapes import Change, ChangePage, Comment, CommentPage, Issue, SearchPage
from domain.errors import MalformedError

if TYPE_CHECKING:
    from activities.integrations.jira_client import JiraClient

Entry = TypeVar("Entry")

PAGE_SIZE = 100
MAX_SEARCH_PAGES = 1_000
"""100,000 tickets: beyond this the search is going round in circles."""


def read_changes(client: "JiraClient", issue_id: str) -> list[Change]:
    """Every entry of the change log, by time and then id."""
    path = f"/issue/{issue_id}/changelog"

    def page(start: int) -> tuple[int, int, bool, list[Change]]:
        body, _ = client.get(path, {"startAt": start, "maxResults": PAGE_SIZE})
        read = ChangePage.read(path, body)
        return read.start_at, read.total, read.is_last, read.values

    changes = _collect(path, page)
    _refuse_repeats(path, [change.id for change in changes])
    return sorted(changes, key=lambda change: (change.created, int(change.id)))


def read_comments(client: "JiraClient", issue_id: str) -> list[Comment]:
    """Every comment that the account may see, by time and then id."""
    path = f"/issue/{issue_id}/comment"

    def page(start: int) -> tuple[int, int, bool, list[Comment]]:
        body, _ = client.get(path, {"startAt": start, "maxResults": PAGE_SIZE, "orderBy": "created"})
        read = CommentPage.read(path, body)
        return read.start_at, read.total, start + len(read.comments) >= read.total, read.comments

    comments = _collect(path, page)
    _refuse_repeats(path, [comment.id for comment in comments])
    return sorted(comments, key=lambda comment: (comment.created, int(comment.id)))


def search(client: "JiraClient", query: str, fields: Sequence[str]) -> list[Issue]:
    """Every issue that `query` finds. One that moved between pages while they were read is told once, as read last."""
    found: dict[str, Issue] = {}
    token: str | None = None
    for _ in range(MAX_SEARCH_PAGES):
        parameters: dict[str, str | int] = {"jql": query, "fields": ",".join(fields), "maxResults": PAGE_SIZE}
        if token is not None:
            parameters["nextPageToken"] = token
        page = SearchPage.read("/search/jql", client.get("/search/jql", parameters)[0])
        for issue in page.issues:
            found.pop(issue.id, None)
            found[issue.id] = issue
        if page.next_page_token is None:
            return list(found.values())
        if page.next_page_token == token:
            break
        token = page.next_page_token
    raise MalformedError("Jira /search/jql: the pages do not come to an end")


def _collect(path: str, page: Callable[[int], tuple[int, int, bool, list[Entry]]]) -> list[Entry]:
    """All entries of a list paged by offset, where `page` gives (start, total, is last, entries).

    The last page's total counts: what is appended meanwhile comes at the end.
    """
    entries: list[Entry] = []
    is_last = False
    while not is_last:
        start, total, is_last, batch = page(len(entries))
        if start != len(entries) or (not batch and not is_last):
            raise MalformedError(f"Jira {path}: a page from {len(entries)} on was asked for, and something else came")
        entries += batch
        if is_last and len(entries) != total:
            raise MalformedError(f"Jira {path}: the pages hold {len(entries)} entries, and Jira speaks of {total}")
    return entries


def _refuse_repeats(path: str, ids: list[str]) -> None:
    if len(set(ids)) != len(ids):
        raise MalformedError(f"Jira {path}: an entry came twice, so that another may be missing")
