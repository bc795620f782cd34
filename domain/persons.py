"""Persons, and the stored links by which every account is known to be theirs. People are compared as persons, never by e-mail."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from domain.ids import NativeId, ProviderInstance
from domain.values import StrictValue

PersonKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9._-]{0,63}$")]
JiraAccountId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9:_-]+$")]


class SlackLink(StrictValue):
    team_id: str
    user_id: str


class Person(StrictValue):
    """One human being and the accounts linked with them by directory import or login."""

    name: str
    jira: tuple[JiraAccountId, ...] = Field(min_length=1)
    slack: tuple[SlackLink, ...] = ()
    accounts: Mapping[ProviderInstance, NativeId] = {}


class Directory(StrictValue):
    """All persons. An account that nobody or more than one person is linked with belongs to no one: refused."""

    people: Mapping[PersonKey, Person]

    def by_jira(self, account_id: str) -> PersonKey | None:
        """The one person linked with a Jira account, or None when there is none or more than one."""
        found = [key for key, person in self.people.items() if account_id in person.jira]
        return found[0] if len(found) == 1 else None

    def shared_accounts(self) -> list[str]:
        """Every account that two persons claim, in words."""
        claims: dict[str, list[str]] = {}
        for key, person in self.people.items():
            links = [f"Jira account {account}" for account in person.jira]
            links += [f"Slack user {link.team_id}/{link.user_id}" for link in person.slack]
            links += [f"{instance} account {native}" for instance, native in person.accounts.items()]
            for link in links:
                claims.setdefault(link, []).append(key)
        return [f"{link} is linked with {' and '.join(keys)}" for link, keys in claims.items() if len(keys) > 1]
