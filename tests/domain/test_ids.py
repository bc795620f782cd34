"""Identifiers: built and parsed by inverse pairs, and nothing odd gets in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.errors import InvalidInputError
from domain.ids import LeaseId, SubjectRef, TargetRef, TicketRef, parse_request_workflow_id, request_workflow_id
from tests.domain.examples import LEASE_ID, SUBJECT, TARGET, TICKET

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True)
INSTANCES = st.builds("{}/{}".format, NAMES, NAMES)
NATIVE_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@=+-]{0,127}", fullmatch=True)


@given(INSTANCES, NAMES, NATIVE_IDS, NATIVE_IDS)
def test_parses_every_lease_id_that_it_builds(instance: str, scope: str, container_id: str, user_id: str) -> None:
    """The id is the lock: it names exactly one pair, whatever the parts are."""
    lease_id = LeaseId(
        target=TargetRef(instance=instance, scope=scope, container_id=container_id),
        subject=SubjectRef(instance=instance, user_id=user_id),
    )
    assert LeaseId.parse(str(lease_id)) == lease_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        LEASE_ID + "\n",
        LEASE_ID + "/more",
        LEASE_ID.replace("lease:", "Lease:"),
        LEASE_ID.replace("okta", "Okta"),
        LEASE_ID.replace("okta", "\N{CYRILLIC SMALL LETTER O}kta"),
        LEASE_ID.replace("00u1ADA", ""),
        LEASE_ID.replace("00u1ADA", "../00u1ADA"),
        LEASE_ID.replace("00u1ADA", "u" * 129),
        "request:acme/10042",
    ],
)
def test_refuses_what_is_no_lease_id(text: str) -> None:
    """No text but the exact one is read as a lock."""
    with pytest.raises(InvalidInputError, match="is not a lease id"):
        LeaseId.parse(text)


def test_refuses_a_lease_whose_subject_lives_at_another_instance() -> None:
    """The id does not repeat the subject's instance, so a pair over two tenants would share the lock of another pair."""
    with pytest.raises(ValidationError, match="no account of okta/prod"):
        LeaseId(target=TARGET, subject=SubjectRef(instance="okta/test", user_id=SUBJECT.user_id))


def test_builds_the_request_id_from_the_immutable_id() -> None:
    """A ticket that is moved and gets a new key stays the same request."""
    moved = TicketRef(site=TICKET.site, issue_id=TICKET.issue_id, key="OPS-1")
    assert request_workflow_id(moved) == request_workflow_id(TICKET) == "request:acme/10042"
    assert parse_request_workflow_id("request:acme/10042") == ("acme", "10042")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "request:acme/SEC-9",
        "request:acme/10042\n",
        "request:acme/\N{ARABIC-INDIC DIGIT FOUR}",
        "request:/1",
        LEASE_ID,
    ],
)
def test_refuses_what_is_no_request_id(text: str) -> None:
    """Digits of other scripts, keys and trailing lines are no issue ids."""
    with pytest.raises(InvalidInputError, match="is not a request id"):
        parse_request_workflow_id(text)


def test_renders_a_subject_with_its_instance() -> None:
    """A native id means nothing without its tenant."""
    assert str(SUBJECT) == "okta/prod/00u1ADA"


@pytest.mark.parametrize(
    "odd",
    ["", " ", "a b", "a/b", "a\n", "a\x00", ".a", "a" * 129, "é", "a\u200b", "\N{FULLWIDTH LATIN SMALL LETTER A}"],
)
def test_refuses_a_native_id_with_odd_characters(odd: str) -> None:
    """A native id cannot smuggle a separator, an invisible character or a look-alike into a lock."""
    with pytest.raises(ValidationError):
        SubjectRef(instance="okta/prod", user_id=odd)
    with pytest.raises(ValidationError):
        TargetRef(instance="okta/prod", scope="group", container_id=odd)


@pytest.mark.parametrize("odd", ["", "okta", "okta/", "/prod", "Okta/prod", "okta/prod/x", "okta/prod\n", "0kta/prod"])
def test_refuses_an_instance_that_is_not_vendor_and_name(odd: str) -> None:
    """One tenant has one name."""
    with pytest.raises(ValidationError):
        SubjectRef(instance=odd, user_id="u")


@pytest.mark.parametrize(
    "odd",
    [
        {"issue_id": "SEC-9"},
        {"issue_id": "1" * 20},
        {"issue_id": "\N{ARABIC-INDIC DIGIT FOUR}"},
        {"key": "sec-9"},
        {"key": "SEC-9\n"},
        {"site": "Acme"},
    ],
)
def test_refuses_a_ticket_reference_of_another_form(odd: dict[str, str]) -> None:
    """Ticket references are built from what Jira itself issues."""
    with pytest.raises(ValidationError):
        TicketRef.model_validate(TICKET.model_dump() | odd)
