"""What hangs on an issue in the store: its comments, its changelog and its properties, each in order of writing."""

from typing import Any

from sandbox.store import Document, Store

FIRST_ID = 10_000


def new_id(store: Store, series: str) -> str:
    """A numeric id as text, from 10000 on, never given twice in a series."""
    return str(FIRST_ID - 1 + store.next_number(f"jira.{series}"))


def comments_table(issue_id: str) -> str:
    return f"jira.comments.{issue_id}"


def changes_table(issue_id: str) -> str:
    return f"jira.changes.{issue_id}"


def properties_table(issue_id: str) -> str:
    return f"jira.properties.{issue_id}"


def comments(store: Store, issue_id: str) -> list[Document]:
    return [comment for _, comment in store.items(comments_table(issue_id))]


def changes(store: Store, issue_id: str) -> list[Document]:
    return [change for _, change in store.items(changes_table(issue_id))]


def properties(store: Store, issue_id: str) -> dict[str, Any]:
    return {key: kept["value"] for key, kept in store.items(properties_table(issue_id))}


def forget(store: Store, issue_id: str) -> None:
    """Drop all that hangs on a deleted issue."""
    for table in (comments_table(issue_id), changes_table(issue_id), properties_table(issue_id)):
        for key, _ in store.items(table):
            store.delete(table, key)
