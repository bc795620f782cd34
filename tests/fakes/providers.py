"""The provider port in memory: honest about groups, users and memberships, scripted to fail, with a ledger as its oracle."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, TypeVar

from activities.ports import AccessProvider, Answered, Capabilities, Holder, Look, SessionsReceipt
from activities.send_window import SendWindow
from domain.catalogue import TargetKind
from domain.errors import ForbiddenError, InvalidInputError, NotFoundError, OutcomeUnknownError, RetryableError
from domain.ids import SubjectRef, TargetRef
from domain.warrant import Warrant
from domain.witness import Presence, SessionsEnded
from tests.fakes.script import Gate, Script, When

Result = TypeVar("Result")
LedgerAction = Literal["added", "removed", "sessions_ended", "suspended", "looked"]

SMALL_CAPABILITIES = Capabilities(
    native_expiry=False,
    suspends=True,
    read_lag=timedelta(seconds=0.2),
    landing_lag=timedelta(seconds=0.2),
    client_timeout=timedelta(seconds=1),
)


class LedgerEntry(NamedTuple):
    """`changed` tells whether the write moved anything; for "looked", whether the pair was seen present."""

    at: datetime
    action: LedgerAction
    target: TargetRef
    subject: SubjectRef
    changed: bool


@dataclass
class FakeGroup:
    assignable: bool = True
    rules: list[str] = field(default_factory=list)
    deadlines: dict[str, datetime | None] = field(default_factory=dict)


@dataclass
class FakeUser:
    login: str
    status: str = "ACTIVE"
    last_seen_at: datetime | None = None
    sessions: int = 0


class FakeAccessProvider:
    """A vendor of groups. The names of the scripted calls are those of the port: "grant", "verify", "revoke", ..."""

    def __init__(
        self,
        *,
        instance: str = "okta/prod",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        capabilities: Capabilities = SMALL_CAPABILITIES,
        native_expiry: bool = False,
    ) -> None:
        self.capabilities = capabilities.model_copy(
            update={"native_expiry": native_expiry or capabilities.native_expiry}
        )
        self.instance = instance
        self.ledger: list[LedgerEntry] = []
        self.groups: dict[str, FakeGroup] = {}
        self.users: dict[str, FakeUser] = {}
        self._deleted: dict[str, FakeGroup] = {}
        self.script = Script()
        self._clock = clock
        self._calls = 0

    # The vendor's administrator and the test's oracle.

    def make_group(self, container_id: str, *, scope: str = "group", assignable: bool = True) -> TargetRef:
        self.groups[container_id] = FakeGroup(assignable)
        return TargetRef(instance=self.instance, scope=scope, container_id=container_id)

    def make_user(self, user_id: str, login: str, *, status: str = "ACTIVE") -> SubjectRef:
        self.users[user_id] = FakeUser(login, status)
        return SubjectRef(instance=self.instance, user_id=user_id)

    def delete_group(self, target: TargetRef) -> None:
        self._deleted[target.container_id] = self.groups.pop(target.container_id)

    def restore_group(self, target: TargetRef) -> None:
        """With everybody who was in it."""
        self.groups[target.container_id] = self._deleted.pop(target.container_id)

    def delete_user(self, subject: SubjectRef) -> None:
        """For good, and out of every group."""
        del self.users[subject.user_id]
        for group in self.groups.values():
            group.deadlines.pop(subject.user_id, None)

    def add_by_hand(self, target: TargetRef, subject: SubjectRef) -> None:
        self._add(target, subject, None)

    def remove_by_hand(self, target: TargetRef, subject: SubjectRef) -> None:
        self._remove(target, subject)

    def is_member(self, target: TargetRef, subject: SubjectRef) -> bool:
        """The truth of this moment, whatever a scripted `verify` says."""
        self._let_expire(target)
        group = self.groups.get(target.container_id)
        return group is not None and subject.user_id in group.deadlines

    def deadline(self, target: TargetRef, subject: SubjectRef) -> datetime | None:
        """The end that this vendor holds itself, if it can and was told one."""
        return self.groups[target.container_id].deadlines.get(subject.user_id)

    # The script.

    def fail(self, action: str, error: Exception, times: int | None = None) -> None:
        """Let the next `times` calls (all, when None) raise `error` without effect."""
        self.script.fail(action, error, times)

    def succeed(self, action: str) -> None:
        """Take back what `fail` said."""
        self.script.succeed(action)

    def hold(self, action: str, when: When = "before") -> Gate:
        """Hold calls before or after they take effect."""
        return self.script.hold(action, when)

    def land_late(self, action: str, delay: timedelta) -> None:
        """Let the next such write raise `OutcomeUnknownError` at once and take effect after `delay`."""
        self.script.land_late(action, delay)

    async def settle(self) -> None:
        """Return when every late effect has landed."""
        await self.script.settle()

    # The port.

    async def preflight(self, target: TargetRef, subject: SubjectRef) -> tuple[str, ...]:
        return await self._perform("preflight", lambda: tuple(self._objections(target, subject)))

    async def resolve_subject(self, login: str) -> SubjectRef:
        return await self._perform("resolve_subject", lambda: self._resolve(login))

    async def grant(self, warrant: Warrant, window: SendWindow) -> Answered:
        window.check("grant")
        deadline = warrant.expires_at if self.capabilities.native_expiry else None
        return await self._perform("grant", lambda: self._grant(warrant.target, warrant.subject, deadline))

    async def prolong(self, warrant: Warrant, window: SendWindow) -> Answered:
        if not self.capabilities.native_expiry:
            return Answered()
        window.check("prolong")
        return await self._perform("prolong", lambda: self._prolong(warrant))

    async def verify(self, target: TargetRef, subject: SubjectRef) -> Look:
        return await self._perform("verify", lambda: self._look(target, subject))

    async def find_target(self, target: TargetRef) -> Look:
        return await self._perform("find_target", lambda: self._find(target))

    async def revoke(self, target: TargetRef, subject: SubjectRef, window: SendWindow) -> Answered:
        window.check("revoke")
        return await self._perform("revoke", lambda: self._revoke(target, subject))

    async def end_sessions(self, target: TargetRef, subject: SubjectRef, window: SendWindow) -> SessionsReceipt:
        window.check("end_sessions")
        return await self._perform("end_sessions", lambda: self._end_sessions(target, subject))

    async def suspend(self, target: TargetRef, subject: SubjectRef, window: SendWindow) -> Answered:
        window.check("suspend")
        return await self._perform("suspend", lambda: self._suspend(target, subject))

    async def list_holders(self, target: TargetRef) -> AsyncIterator[Holder]:
        for holder in await self._perform("list_holders", lambda: self._holders(target)):
            yield holder

    async def last_seen(self, subject: SubjectRef, target: TargetRef) -> datetime | None:
        del target
        return await self._perform("last_seen", lambda: self._user(subject).last_seen_at)

    # What each call does, in one step, as a vendor's own transaction would.

    async def _perform(self, call: str, effect: Callable[[], Result]) -> Result:
        await self.script.stop_at_gate(call, "before")
        self.script.raise_failure(call)
        delay = self.script.delay_of(call)
        if delay is not None:
            self.script.later(delay, effect)
            raise OutcomeUnknownError(f"{call}: sent, and the reply was lost; look before you decide")
        result = effect()
        await self.script.stop_at_gate(call, "after")
        return result

    def _grant(self, target: TargetRef, subject: SubjectRef, deadline: datetime | None) -> Answered:
        if not self._group(target).assignable or self._user(subject).status != "ACTIVE":
            raise ForbiddenError("grant: this group takes no direct members, or the user is not active")
        self._add(target, subject, deadline)
        return self._answered()

    def _prolong(self, warrant: Warrant) -> Answered:
        self._let_expire(warrant.target)
        deadlines = self._group(warrant.target).deadlines
        if warrant.subject.user_id not in deadlines:
            raise NotFoundError("prolong: no such membership; grant it anew", thing="membership")
        deadlines[warrant.subject.user_id] = warrant.expires_at
        return self._answered()

    def _revoke(self, target: TargetRef, subject: SubjectRef) -> Answered:
        self._group(target)
        self._remove(target, subject)
        return self._answered()

    def _look(self, target: TargetRef, subject: SubjectRef) -> Look:
        answered = self._answered()
        group = self.groups.get(target.container_id)
        if group is None:
            presence, note = Presence.UNKNOWN, "the group does not exist"
        else:
            present = self.is_member(target, subject)
            presence = Presence.PRESENT if present else Presence.ABSENT
            note = "" if subject.user_id in self.users else "the user does not exist"
        self._write_down("looked", target, subject, changed=presence is Presence.PRESENT)
        return Look(presence=presence, note=note, **answered.model_dump())

    def _find(self, target: TargetRef) -> Look:
        stands = target.container_id in self.groups
        return Look(presence=Presence.PRESENT if stands else Presence.ABSENT, **self._answered().model_dump())

    def _end_sessions(self, target: TargetRef, subject: SubjectRef) -> SessionsReceipt:
        user = self.users.get(subject.user_id)
        note = "" if user else "the user does not exist"
        self._write_down("sessions_ended", target, subject, changed=bool(user and user.sessions))
        if user:
            user.sessions = 0
        return SessionsReceipt(achieved=SessionsEnded.ENDED, note=note)

    def _suspend(self, target: TargetRef, subject: SubjectRef) -> Answered:
        user = self._user(subject)
        if user.status not in {"ACTIVE", "SUSPENDED", "DEPROVISIONED"}:
            raise RetryableError(f"suspend: user {subject.user_id} is {user.status}")
        self._write_down("suspended", target, subject, changed=user.status == "ACTIVE")
        if user.status == "ACTIVE":
            user.status = "SUSPENDED"
        return self._answered()

    def _holders(self, target: TargetRef) -> list[Holder]:
        self._let_expire(target)
        members = self._group(target).deadlines
        return [
            Holder(subject=SubjectRef(instance=self.instance, user_id=user_id), status=self.users[user_id].status)
            for user_id in members
        ]

    def _resolve(self, login: str) -> SubjectRef:
        found = [user_id for user_id, user in self.users.items() if user.login == login and user.status == "ACTIVE"]
        if len(found) != 1:
            raise NotFoundError(f"resolve_subject: {len(found)} active users have this login", thing="user")
        return SubjectRef(instance=self.instance, user_id=found[0])

    def _objections(self, target: TargetRef, subject: SubjectRef) -> Iterator[str]:
        group, user = self._group(target), self._user(subject)
        if not group.assignable:
            yield f"group {target.container_id} takes no direct members"
        for rule in group.rules:
            yield f"rule {rule} assigns to group {target.container_id}"
        if user.status != "ACTIVE":
            yield f"user {subject.user_id} is {user.status}"

    # State.

    def _group(self, target: TargetRef) -> FakeGroup:
        if target.container_id not in self.groups:
            raise NotFoundError(f"group {target.container_id} does not exist", thing="group")
        return self.groups[target.container_id]

    def _user(self, subject: SubjectRef) -> FakeUser:
        if subject.user_id not in self.users:
            raise NotFoundError(f"user {subject.user_id} does not exist", thing="user")
        return self.users[subject.user_id]

    def _add(self, target: TargetRef, subject: SubjectRef, deadline: datetime | None) -> None:
        self._let_expire(target)
        deadlines = self._group(target).deadlines
        self._user(subject)
        self._write_down("added", target, subject, changed=subject.user_id not in deadlines)
        deadlines[subject.user_id] = deadline

    def _remove(self, target: TargetRef, subject: SubjectRef) -> None:
        self._let_expire(target)
        deadlines = self._group(target).deadlines
        self._write_down("removed", target, subject, changed=subject.user_id in deadlines)
        deadlines.pop(subject.user_id, None)

    def _let_expire(self, target: TargetRef) -> None:
        """What the vendor's own clock has ended; it stands in the ledger at its deadline."""
        group = self.groups.get(target.container_id)
        if group is None:
            return
        for user_id, deadline in list(group.deadlines.items()):
            if deadline is not None and deadline <= self._clock():
                del group.deadlines[user_id]
                subject = SubjectRef(instance=self.instance, user_id=user_id)
                self.ledger.append(LedgerEntry(deadline, "removed", target, subject, changed=True))

    def _write_down(self, action: LedgerAction, target: TargetRef, subject: SubjectRef, *, changed: bool) -> None:
        self.ledger.append(LedgerEntry(self._clock(), action, target, subject, changed))

    def _answered(self) -> Answered:
        self._calls += 1
        return Answered(vendor_at=self._clock(), vendor_request_id=f"fake-{self._calls}")


class FakeAccessProviders:
    """Finds doubles by provider instance, as the registry finds adapters."""

    def __init__(self, providers: Mapping[str, AccessProvider]) -> None:
        self._providers = providers

    def for_target(self, kind: TargetKind, target: TargetRef) -> AccessProvider:  # noqa: ARG002 - one kind an instance
        instance = target.instance
        if instance not in self._providers:
            raise InvalidInputError(f"provider instance {instance} is not configured; add it to the settings")
        return self._providers[instance]
