"""One person at work on the stand-in's site, whether through the REST API, the ticket page or an admin's control call.

Finds issues for that person; what may be done to them is in `issues.py`, `comments.py` and `properties.py`.
"""

from dataclasses import dataclass

from sandbox.jira.errors import no_such_issue
from sandbox.jira.people import Person
from sandbox.store import Document
from sandbox.world import World

ISSUES = "jira.issues"
KEYS = "jira.keys"


@dataclass(frozen=True)
class Session:
    """`site` is the address under which this caller reached the site, without a trailing slash: `self` links use it."""

    world: World
    site: str
    person: Person

    def may_browse(self, issue: Document) -> bool:
        """An issue with a security level is seen only by the accounts it names."""
        viewers = issue["viewers"]
        return viewers is None or self.person.account_id in viewers

    def issue(self, id_or_key: str) -> Document:
        """The issue by id, key or a key it had before it was moved; raises a 404 when absent or not to be seen."""
        key = self.world.store.get(KEYS, id_or_key.upper())
        issue = self.world.store.get(ISSUES, key["id"] if key else id_or_key)
        if issue is None or not self.may_browse(issue):
            raise no_such_issue()
        return issue

    def issues(self) -> list[Document]:
        """Every issue this person may see, oldest first."""
        return [issue for _, issue in self.world.store.items(ISSUES) if self.may_browse(issue)]

    def note(self, event: str, issue: Document, **facts: object) -> None:
        """A line in the audit log of what this person did to the issue."""
        named = {"issue_id": issue["id"], "issue_key": issue["key"]}
        self.world.audit.append("jira", event, actor=self.person.account_id, **named, **facts)
