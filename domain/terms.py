"""What is asked for, resolved to native ids: the terms whose digest an approval is bound to (DESIGN law 4)."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator

from domain.canonical import digest
from domain.catalogue import Catalogue, Duration, Entitlement, ExtensionTerms, SuspendAfter, TargetKind
from domain.durations import parse_duration, render_duration
from domain.errors import InvalidInputError
from domain.ids import LeaseId, SubjectRef, TargetRef
from domain.ticket import TicketRules, TicketView
from domain.values import Instant, Value

_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")


class Grantee(Value):
    """One target of a request with the subject's own account there."""

    kind: TargetKind
    target: TargetRef
    subject: SubjectRef
    target_name: str
    max_residual: Duration
    suspend_after: SuspendAfter = None

    @property
    def lease_id(self) -> LeaseId:
        return LeaseId(target=self.target, subject=self.subject)


def _known_only(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: entry for name, entry in value.items() if name in ExtensionTerms.model_fields}


FrozenExtensionTerms = Annotated[ExtensionTerms, BeforeValidator(_known_only)]
"""The catalogue's terms as they travel in histories: strict at the edge, tolerant of a newer writer's fields here."""


class RequestTerms(Value):
    """Every bound field. Changing any of them is a new question, and voids every answer to the old one."""

    issue_id: str
    site: str
    project: str
    request_type: str
    creator: str
    reporter: str
    requester: str
    subject: str
    entitlement: str
    grantees: tuple[Grantee, ...]
    duration: Duration
    starts_at: Instant | None = None
    reason: str
    extension: FrozenExtensionTerms
    entry_digest: str

    @property
    def digest(self) -> str:
        return digest(self)


class Refused(Value):
    """A no, with every reason found and what the person can do."""

    reasons: tuple[str, ...]


def resolve_terms(view: TicketView, catalogue: Catalogue, rules: TicketRules) -> RequestTerms | Refused:
    """Resolve what the ticket asks for against the catalogue. Anything missing, unknown or over a limit refuses."""
    reasons: list[str] = []
    if view.project != rules.project or view.request_type != rules.request_type:
        reasons.append(
            f"this is a {view.request_type!r} in {view.project}; access is asked for as {rules.request_type!r} in {rules.project}"
        )
    if view.ref.site != catalogue.site:
        reasons.append(f"the ticket is of site {view.ref.site!r}, the catalogue of {catalogue.site!r}")
    if not any(map(str.isalnum, view.reason)):
        reasons.append("no reason is given; write why the access is needed")
    if _HALF_A_CHARACTER.search(view.reason):
        reasons.append("the reason holds half a character, which cannot be signed; write it anew")
    requester = _person(view.reporter, "reporter", catalogue, reasons)
    _person(view.creator, "creator", catalogue, reasons)
    subject = _person(view.subject_account or view.reporter, "subject", catalogue, reasons)
    entitlement = catalogue.entitlements.get(view.entitlement)
    if entitlement is None:
        reasons.append(
            f"entitlement {view.entitlement!r} is not in the catalogue; known: {', '.join(sorted(catalogue.entitlements))}"
        )
        return Refused(reasons=tuple(reasons))
    if requester and requester not in entitlement.requesters:
        reasons.append(f"{requester} may not ask for {view.entitlement}")
    if subject and subject not in entitlement.requesters:
        reasons.append(f"{subject} may not hold {view.entitlement}")
    duration = _duration(view.duration, entitlement, reasons)
    grantees = _grantees(subject, entitlement, catalogue, reasons) if subject else ()
    if reasons:
        return Refused(reasons=tuple(reasons))
    return RequestTerms(
        issue_id=view.ref.issue_id,
        site=view.ref.site,
        project=view.project,
        request_type=view.request_type,
        creator=view.creator,
        reporter=view.reporter,
        requester=requester,
        subject=subject,
        entitlement=view.entitlement,
        grantees=grantees,
        duration=duration,
        reason=view.reason,
        extension=entitlement.extension,
        entry_digest=catalogue.entry_digest(view.entitlement),
    )


def _person(account: str, part: str, catalogue: Catalogue, reasons: list[str]) -> str:
    person = catalogue.people.by_jira(account)
    if person is None:
        reasons.append(
            f"the {part}'s Jira account {account!r} is not linked with exactly one person; link it in people"
        )
        return ""
    return person


def _duration(text: str, entitlement: Entitlement, reasons: list[str]) -> timedelta:
    try:
        duration = parse_duration(text)
    except InvalidInputError as error:
        reasons.append(str(error))
        return timedelta(0)
    if duration > entitlement.max_duration:
        reasons.append(
            f"{render_duration(duration)} is longer than the {render_duration(entitlement.max_duration)} "
            "that this entitlement allows"
        )
    return duration


def _grantees(subject: str, entitlement: Entitlement, catalogue: Catalogue, reasons: list[str]) -> tuple[Grantee, ...]:
    accounts = catalogue.people.people[subject].accounts
    grantees = []
    for target in catalogue.targets_of(entitlement):
        if target.instance not in accounts:
            reasons.append(f"{subject} has no linked account at {target.instance}; link it in people")
            continue
        grantees.append(
            Grantee(
                kind=target.kind,
                target=target.ref,
                subject=SubjectRef(instance=target.instance, user_id=accounts[target.instance]),
                target_name=target.name,
                max_residual=target.max_residual,
                suspend_after=target.suspend_after,
            ),
        )
    return tuple(grantees)
