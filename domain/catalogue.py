"""The catalogue: what can be asked for, by whom, for how long, and who decides. YAML is read at the edge, not here."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PlainSerializer, StringConstraints, model_validator

from domain.canonical import digest
from domain.durations import check_duration, parse_duration, render_duration
from domain.errors import InvalidInputError
from domain.ids import EntitlementId, NativeId, ProviderInstance, SiteName, TargetRef
from domain.persons import Directory, PersonKey
from domain.values import StrictValue, Value

TargetName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]


def _as_duration(value: Any) -> Any:
    try:
        if isinstance(value, timedelta):
            return check_duration(value)
        return parse_duration(str(value))
    except InvalidInputError as error:
        raise ValueError(str(error)) from error


Duration = Annotated[timedelta, BeforeValidator(_as_duration), PlainSerializer(render_duration, return_type=str)]


class TargetKind(StrEnum):
    """The vendor surface that grants and revokes; the adapter of the same name acts on it."""

    OKTA_GROUP = "okta-group"


LOCK_SCOPES: Mapping[TargetKind, str] = MappingProxyType({TargetKind.OKTA_GROUP: "group"})
"""Surfaces that act on the same container share a lock scope, and so a lease id."""

KIND_OF_SCOPE = MappingProxyType({scope: kind for kind, scope in LOCK_SCOPES.items()})


class Surface(Value):
    """What the kernel must know of a vendor surface in advance; its adapter's capabilities must say the same.

    `read_lag`: how long a read may still show the state before a write. `landing_lag`: how long after it was sent a write
    may still take effect. `native_expiry`: the vendor holds the deadline too. `suspends`: an account can be suspended there.
    """

    read_lag: timedelta
    landing_lag: timedelta
    native_expiry: bool
    suspends: bool = False


SURFACES: Mapping[TargetKind, Surface] = MappingProxyType(
    {
        TargetKind.OKTA_GROUP: Surface(
            read_lag=timedelta(seconds=1), landing_lag=timedelta(seconds=2), native_expiry=False, suspends=True
        ),
    }
)


class TargetMode(StrEnum):
    """OBSERVE: members without a lease are reported, and removed only if we added them. ENFORCE: they are removed."""

    OBSERVE = "observe"
    ENFORCE = "enforce"


class StandingException(StrictValue):
    """An account that may be a member without a lease, through the day `until` (UTC), and why. It is reported every time."""

    account: NativeId
    reason: str = Field(min_length=1, max_length=200)
    until: date


SuspendAfter = Annotated[Duration | None, Field(exclude_if=lambda after: after is None)]
"""Absent when it was not asked for, from digests too: an approval of what went before it stays an approval."""

EARLIEST_SUSPENSION = timedelta(minutes=5)
"""People are paged a minute after a removal was due, and get time to put it right with less harm."""


class Target(StrictValue):
    """One container at one provider instance. `max_residual`: how long a session issued before the end can still live.

    `suspend_after`: a removal, or an ending of sessions, that is so late has the whole account suspended. Default: never.
    """

    kind: TargetKind
    instance: ProviderInstance
    container_id: NativeId
    name: str = Field(min_length=1, max_length=80)
    max_residual: Duration = timedelta(hours=1)
    mode: TargetMode = TargetMode.OBSERVE
    exceptions: tuple[StandingException, ...] = ()
    suspend_after: SuspendAfter = None

    @model_validator(mode="after")
    def _suspends_late_and_can(self) -> Self:
        if self.suspend_after is None:
            return self
        if not SURFACES[self.kind].suspends:
            raise ValueError(f"suspend_after: no account can be suspended by way of {self.kind}; remove it")
        if self.suspend_after < EARLIEST_SUSPENSION:
            earliest = render_duration(EARLIEST_SUSPENSION)
            raise ValueError(f"suspend_after is shorter than {earliest}, in which people can act; raise it")
        return self

    @property
    def ref(self) -> TargetRef:
        return TargetRef(instance=self.instance, scope=LOCK_SCOPES[self.kind], container_id=self.container_id)


WATCHING = frozenset({"mode", "exceptions"})
"""Fields of a target that say how it is watched. No approval is about them."""


class ExtensionTerms(StrictValue):
    """How far a lease may be prolonged: `each` time, in `total` over its life, and how often. The default is not at all."""

    each: Duration | None = None
    total: Duration | None = None
    count: int = Field(default=0, ge=0, le=50)

    @model_validator(mode="after")
    def _all_or_none(self) -> Self:
        if len({self.count > 0, self.each is not None, self.total is not None}) > 1:
            raise ValueError("extension terms need each, total and a count above 0 together, or none of them")
        return self


class ApprovalRoute(StrictValue):
    """Who decides. `lapse_after`: an unanswered request ends. `valid_for`: an approval not used by then is void."""

    approvers: tuple[PersonKey, ...] = Field(min_length=1)
    lapse_after: Duration = timedelta(hours=24)
    valid_for: Duration = timedelta(minutes=15)


class Entitlement(StrictValue):
    title: str = Field(min_length=1, max_length=120)
    application: str = Field(min_length=1, max_length=80)
    targets: tuple[TargetName, ...] = Field(min_length=1, max_length=20)
    requesters: tuple[PersonKey, ...] = Field(min_length=1)
    approval: ApprovalRoute
    max_duration: Duration
    extension: ExtensionTerms = ExtensionTerms()


class Catalogue(StrictValue):
    """Everything that can be asked for at one site, and the persons it speaks of.

    `operators` may lift a freeze, two of them together. Nobody is one who is not named.
    """

    site: SiteName
    targets: Mapping[TargetName, Target]
    entitlements: Mapping[EntitlementId, Entitlement]
    people: Directory
    operators: tuple[PersonKey, ...] = ()

    def targets_of(self, entitlement: Entitlement) -> tuple[Target, ...]:
        return tuple(self.targets[name] for name in entitlement.targets)

    def entry_digest(self, entitlement_id: EntitlementId) -> str:
        """Digest of one entry with its targets: what an approver relies on beyond the ticket's own fields."""
        entitlement = self.entitlements[entitlement_id]
        targets = [target.model_dump(mode="json", exclude=set(WATCHING)) for target in self.targets_of(entitlement)]
        return digest({"id": entitlement_id, "entry": entitlement.model_dump(mode="json"), "targets": targets})


class Fault(StrictValue):
    """One thing wrong with a catalogue: where (a path of keys), and what with which remedy."""

    path: tuple[str, ...]
    problem: str


def find_faults(catalogue: Catalogue) -> list[Fault]:
    """What single fields cannot show: dangling names, shared targets, shared accounts, routes that nobody can take."""
    faults = [
        Fault(path=("people",), problem=f"{claim}; an account belongs to one person")
        for claim in catalogue.people.shared_accounts()
    ]
    faults += _shared_targets(catalogue)
    faults += _unknown_people(("operators",), catalogue.operators, catalogue.people)
    if len(set(catalogue.operators)) == 1:
        problem = "one operator cannot lift a freeze, which takes two persons; add another, or remove this one"
        faults.append(Fault(path=("operators",), problem=problem))
    for key, entitlement in catalogue.entitlements.items():
        path = ("entitlements", key)
        for name in entitlement.targets:
            if name not in catalogue.targets:
                faults.append(
                    Fault(path=(*path, "targets"), problem=f"target {name!r} is not defined; add it under targets")
                )
        faults += _unknown_people((*path, "requesters"), entitlement.requesters, catalogue.people)
        faults += _unknown_people((*path, "approval", "approvers"), entitlement.approval.approvers, catalogue.people)
        if len({*entitlement.requesters, *entitlement.approval.approvers}) == 1:
            problem = "its one requester is its one approver, and nobody approves for themselves; add an approver"
            faults.append(Fault(path=(*path, "approval", "approvers"), problem=problem))
        terms = entitlement.extension
        if terms.each is not None and terms.total is not None and terms.each > terms.total:
            faults.append(Fault(path=(*path, "extension"), problem="each is longer than total; lower each"))
    return faults


def _unknown_people(path: tuple[str, ...], names: Iterable[str], people: Directory) -> list[Fault]:
    return [
        Fault(path=path, problem=f"person {name!r} is not in people; add the link or remove the name")
        for name in names
        if name not in people.people
    ]


def _shared_targets(catalogue: Catalogue) -> list[Fault]:
    """One (target, subject) has one lease, so two entitlements must not act on the same container."""
    users: dict[str, list[str]] = {}
    for key, entitlement in catalogue.entitlements.items():
        for name in entitlement.targets:
            if name in catalogue.targets:
                users.setdefault(str(catalogue.targets[name].ref), []).append(key)
    return [
        Fault(
            path=("entitlements", keys[1], "targets"),
            problem=f"{ref} is also a target of {keys[0]!r}; nest the group, or make the shared part an entitlement of its own",
        )
        for ref, keys in users.items()
        if len(keys) > 1
    ]
