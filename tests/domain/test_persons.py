"""Persons: an account belongs to exactly one, or to no one."""

from typing import Any

import pytest
from pydantic import ValidationError

from domain.persons import Directory, Person
from tests.domain.examples import ADA, ADA_TOO, NOBODY, catalogue


def directory(**people: dict[str, Any]) -> Directory:
    return Directory.model_validate(
        {"people": {key: {"name": key, "jira": [f"1:{key}"], **who} for key, who in people.items()}}
    )


@pytest.mark.parametrize("account", [ADA, ADA_TOO])
def test_finds_one_person_by_each_of_their_accounts(account: str) -> None:
    """Two accounts of one person are one person."""
    assert catalogue().people.by_jira(account) == "ada"


@pytest.mark.parametrize("account", ["", NOBODY, ADA.upper(), ADA + " ", ADA[:-1]])
def test_finds_nobody_for_an_account_that_is_not_exactly_linked(account: str) -> None:
    """Accounts are compared as they are: no case folding, trimming or prefix makes a link."""
    assert catalogue().people.by_jira(account) is None


def test_finds_nobody_for_an_account_that_two_persons_claim() -> None:
    """An ambiguous link is no link."""
    people = directory(ada={"jira": ["1:shared"]}, ben={"jira": ["1:shared"]})
    assert people.by_jira("1:shared") is None


def test_finds_nobody_in_an_empty_directory() -> None:
    """The empty case refuses."""
    assert Directory(people={}).by_jira(ADA) is None


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ({"jira": ["1:shared"]}, "Jira account 1:shared is linked with ada and ben"),
        ({"slack": [{"team_id": "T", "user_id": "U"}]}, "Slack user T/U is linked with ada and ben"),
        ({"accounts": {"okta/prod": "00u"}}, "okta/prod account 00u is linked with ada and ben"),
    ],
)
def test_names_every_kind_of_account_that_two_persons_claim(link: dict[str, Any], words: str) -> None:
    """Whoever acts by the other's account would approve for themselves, so each kind is found."""
    assert directory(ada=link, ben=link).shared_accounts() == [words]


def test_names_no_account_when_each_belongs_to_one() -> None:
    """The same native id at two instances is two accounts."""
    people = directory(ada={"accounts": {"okta/prod": "00u"}}, ben={"accounts": {"okta/test": "00u"}})
    assert people.shared_accounts() == []


@pytest.mark.parametrize("jira", [[], [""], ["a b"], ["a\n"], ["ada@example.com"]])
def test_refuses_a_person_without_a_proper_jira_account(jira: list[str]) -> None:
    """A person is known by immutable account ids, and an e-mail address is none."""
    with pytest.raises(ValidationError):
        Person.model_validate({"name": "Ada", "jira": jira})
