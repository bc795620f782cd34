"""One small world for the domain tests: four persons, one entitlement, one ticket, three keys. No test lives here."""

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.approval import AskedRound
from domain.canonical import KeyRing, KeyRole, SigningKey
from domain.catalogue import Catalogue
from domain.ids import LeaseId, SubjectRef, TargetRef, TicketRef
from domain.terms import RequestTerms, resolve_terms
from domain.ticket import TicketChange, TicketRules, TicketView

CREATED_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ASKED_AT = CREATED_AT + timedelta(minutes=1)
ANSWERED_AT = CREATED_AT + timedelta(minutes=5)
NOW = CREATED_AT + timedelta(minutes=6)

JUDGE = SigningKey.from_seed(b"j" * 32, KeyRole.JUDGE)
WITNESS = SigningKey.from_seed(b"w" * 32, KeyRole.WITNESS)
SCRIBE = SigningKey.from_seed(b"s" * 32, KeyRole.SCRIBE)
STRANGER_KEYS = {role: SigningKey.from_seed(b"x" * 32, role) for role in KeyRole}
KEYS = KeyRing(keys=(JUDGE.public, WITNESS.public, SCRIBE.public))

TICKET = TicketRef(site="acme", issue_id="10042", key="SEC-9")
OTHER_TICKET = TicketRef(site="acme", issue_id="10043", key="SEC-10")
TARGET = TargetRef(instance="okta/prod", scope="group", container_id="00g1PRODADMINS")
SUBJECT = SubjectRef(instance="okta/prod", user_id="00u1ADA")
LEASE_ID = str(LeaseId(target=TARGET, subject=SUBJECT))
RUN_ID = "run-1"

BOT = "712020:nightlatch"
ADA, ADA_TOO, BEN, CLEO, DAN = "712020:ada", "712020:ada-admin", "712020:ben", "712020:cleo", "712020:dan"
NOBODY = "712020:nobody-knows"

RULES = TicketRules(
    project="SEC",
    request_type="Access request",
    waiting_status="Waiting for approval",
    approved_status="Approved",
    declined_status="Declined",
    active_status="Access active",
    closed_status="Closed",
    bound_fields=frozenset({"Entitlement", "Duration", "Subject", "Reason"}),
    own_account=BOT,
)


def catalogue_plain() -> dict[str, Any]:
    """The catalogue as YAML would hold it: Ada and Cleo may ask, Ben and Cleo decide, Dan is known and nothing else."""
    return {
        "site": "acme",
        "targets": {
            "prod-admins": {
                "kind": "okta-group",
                "instance": "okta/prod",
                "container_id": TARGET.container_id,
                "name": "Prod admins",
            },
        },
        "entitlements": {
            "prod-admin": {
                "title": "Administer production",
                "application": "Production",
                "targets": ["prod-admins"],
                "requesters": ["ada", "cleo"],
                "approval": {"approvers": ["ben", "cleo"]},
                "max_duration": "4h",
                "extension": {"each": "1h", "total": "2h", "count": 2},
            },
        },
        "people": {
            "people": {
                "ada": {"name": "Ada", "jira": [ADA, ADA_TOO], "accounts": {"okta/prod": SUBJECT.user_id}},
                "ben": {"name": "Ben", "jira": [BEN], "slack": [{"team_id": "T1", "user_id": "UBEN"}]},
                "cleo": {"name": "Cleo", "jira": [CLEO], "accounts": {"okta/prod": "00u3CLEO"}},
                "dan": {"name": "Dan", "jira": [DAN]},
            },
        },
    }


def catalogue(**entry: Any) -> Catalogue:
    """The catalogue, with fields of its one entitlement replaced."""
    plain = catalogue_plain()
    plain["entitlements"]["prod-admin"] |= entry
    return Catalogue.model_validate(plain)


def view(**fields: Any) -> TicketView:
    """Ada's ticket as it waits for approval, with fields replaced."""
    plain: dict[str, Any] = {
        "ref": TICKET,
        "project": "SEC",
        "request_type": "Access request",
        "status": RULES.waiting_status,
        "creator": ADA,
        "reporter": ADA,
        "subject_account": "",
        "entitlement": "prod-admin",
        "duration": "2h",
        "reason": "Rotate the signing key",
        "created_at": CREATED_AT,
        "read_at": NOW,
    }
    return TicketView.model_validate(plain | fields)


def change(author: str, field: str = "status", *, at: datetime = ANSWERED_AT, new: str = "Approved") -> TicketChange:
    return TicketChange(change_id=f"{author} {field} {at:%H:%M:%S.%f}", at=at, author=author, field=field, new=new)


def resolved(shown: TicketView | None = None, known: Catalogue | None = None) -> RequestTerms:
    terms = resolve_terms(shown or view(), known or catalogue(), RULES)
    assert isinstance(terms, RequestTerms), terms
    return terms


def asked(terms: RequestTerms | None = None) -> AskedRound:
    return AskedRound(number=1, digest=(terms or resolved()).digest, posted_at=ASKED_AT)
