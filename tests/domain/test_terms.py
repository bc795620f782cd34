"""The terms: resolved or refused with every reason, and a digest over each of them."""

from datetime import timedelta
from typing import Any

import pytest

from domain.ids import TicketRef
from domain.terms import Grantee, Refused, RequestTerms, resolve_terms
from domain.ticket import TicketView
from tests.domain.examples import (
    ADA_TOO,
    BEN,
    CLEO,
    DAN,
    LEASE_ID,
    NOBODY,
    RULES,
    SUBJECT,
    TARGET,
    TICKET,
    catalogue,
    catalogue_plain,
    resolved,
    view,
)

MUTATIONS: dict[str, Any] = {
    "issue_id": "10043",
    "site": "other",
    "project": "OPS",
    "request_type": "Incident",
    "creator": ADA_TOO,
    "reporter": ADA_TOO,
    "requester": "cleo",
    "subject": "cleo",
    "entitlement": "prod-reader",
    "grantees": (),
    "duration": "2h1s",
    "starts_at": "2026-03-02T09:00:00Z",
    "reason": "Rotate the signing key ",
    "extension": {"each": "1h", "total": "2h", "count": 3},
    "entry_digest": "sha256:00",
}
GRANTEE_MUTATIONS: dict[str, Any] = {
    "kind": None,
    "target": TARGET.model_copy(update={"container_id": "00g2"}),
    "subject": SUBJECT.model_copy(update={"user_id": "00u2"}),
    "target_name": "Other",
    "max_residual": "2h",
    "suspend_after": "30m",
}


def refusal(shown: TicketView, **entry: Any) -> str:
    terms = resolve_terms(shown, catalogue(**entry), RULES)
    assert isinstance(terms, Refused)
    return "; ".join(terms.reasons)


def test_resolves_a_sound_ticket_to_native_ids() -> None:
    """What was asked in names is granted by immutable ids."""
    terms = resolved()
    assert (terms.requester, terms.subject, terms.duration) == ("ada", "ada", timedelta(hours=2))
    assert [str(grantee.lease_id) for grantee in terms.grantees] == [LEASE_ID]
    assert terms.entry_digest == catalogue().entry_digest("prod-admin")


def test_resolves_a_request_for_somebody_else() -> None:
    """Requester and subject are two persons, each by their own account."""
    terms = resolved(view(subject_account=CLEO))
    assert (terms.requester, terms.subject) == ("ada", "cleo")
    assert terms.grantees[0].subject.user_id == "00u3CLEO"


def test_mutates_every_field_that_an_approval_is_bound_to() -> None:
    """A new field of the terms needs a line in the table below, or this fails."""
    assert set(MUTATIONS) == set(RequestTerms.model_fields)
    assert set(GRANTEE_MUTATIONS) == set(Grantee.model_fields)


@pytest.mark.parametrize("field", MUTATIONS)
def test_changes_the_digest_with_each_bound_field(field: str) -> None:
    """No bound field can change under an approval."""
    terms = resolved()
    changed = RequestTerms.model_validate(terms.model_dump() | {field: MUTATIONS[field]})
    assert changed.digest != terms.digest


@pytest.mark.parametrize("field", [name for name, value in GRANTEE_MUTATIONS.items() if value is not None])
def test_changes_the_digest_with_each_field_of_a_grantee(field: str) -> None:
    """Targets and accounts are bound by their native ids."""
    terms = resolved()
    grantee = Grantee.model_validate(terms.grantees[0].model_dump() | {field: GRANTEE_MUTATIONS[field]})
    assert RequestTerms.model_validate(terms.model_dump() | {"grantees": (grantee,)}).digest != terms.digest


def test_keeps_the_digest_through_json() -> None:
    """The digest that the judge computes is that of the terms that people were shown."""
    terms = resolved()
    assert RequestTerms.model_validate_json(terms.model_dump_json()).digest == terms.digest


def test_keeps_the_digest_when_the_ticket_gets_a_new_key_or_status() -> None:
    """Only the immutable id is bound: a status that moves is the answer, not the question."""
    renamed = TicketRef(site=TICKET.site, issue_id=TICKET.issue_id, key="SEC-99")
    assert resolved(view(ref=renamed, status="Approved")).digest == resolved().digest


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"project": "OPS"}, "access is asked for as"),
        ({"request_type": "access request"}, "access is asked for as"),
        ({"ref": TicketRef(site="other", issue_id="10042", key="SEC-9")}, "of site 'other'"),
        ({"reason": ""}, "no reason is given"),
        ({"reason": " \t\n\u3000"}, "no reason is given"),
        ({"reason": "\u200b\u2060\ufeff..."}, "no reason is given"),
        ({"reason": "deploy \ud83d"}, "half a character"),
        ({"reporter": NOBODY}, "the reporter's Jira account"),
        ({"reporter": ""}, "the reporter's Jira account ''"),
        ({"creator": NOBODY}, "the creator's Jira account"),
        ({"subject_account": NOBODY}, "the subject's Jira account"),
        ({"subject_account": " "}, "the subject's Jira account"),
        ({"reporter": BEN}, "ben may not ask for prod-admin"),
        ({"subject_account": DAN}, "dan may not hold prod-admin"),
        ({"entitlement": ""}, "is not in the catalogue"),
        ({"entitlement": "Prod-Admin"}, "is not in the catalogue; known: prod-admin"),
        ({"duration": ""}, "is not a duration"),
        ({"duration": "0h"}, "out of range"),
        ({"duration": "4h1s"}, "4h1s is longer than the 4h"),
    ],
)
def test_refuses_what_is_missing_unknown_or_over_a_limit(fields: dict[str, Any], words: str) -> None:
    """Unknown is closed, and the person is told what to do."""
    assert words in refusal(view(**fields))


def test_allows_a_duration_of_exactly_the_limit() -> None:
    """The limit itself is allowed."""
    assert resolved(view(duration="4h")).duration == timedelta(hours=4)


def test_refuses_a_subject_without_an_account_at_a_target() -> None:
    """No account is guessed from a name or an e-mail address."""
    plain = catalogue_plain()
    plain["people"]["people"]["ada"]["accounts"] = {"okta/test": SUBJECT.user_id}
    terms = resolve_terms(view(), type(catalogue()).model_validate(plain), RULES)
    assert isinstance(terms, Refused)
    assert terms.reasons == ("ada has no linked account at okta/prod; link it in people",)


def test_gives_every_reason_at_once() -> None:
    """A person is sent back once, not five times."""
    text = refusal(view(reason="", duration="9h", reporter=NOBODY, subject_account=DAN))
    assert all(words in text for words in ("no reason", "longer than", "the reporter's", "dan may not hold"))


def test_refuses_when_two_persons_claim_the_reporters_account() -> None:
    """An ambiguous link is no link."""
    plain = catalogue_plain()
    plain["people"]["people"]["dan"]["jira"] = [BEN]
    terms = resolve_terms(view(reporter=BEN), type(catalogue()).model_validate(plain), RULES)
    assert isinstance(terms, Refused)
