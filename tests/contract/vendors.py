"""The provider port's implementations as one suite sees them: the adapter or double, a hand inside, and an oracle."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Protocol

from activities.ports import AccessProvider
from activities.providers.okta_groups import OktaGroups
from activities.send_window import SendWindow
from domain.ids import SubjectRef, TargetRef, TicketRef
from domain.warrant import Warrant, WarrantKind
from sandbox.client import SandboxClient
from tests.fakes.providers import FakeAccessProvider

INSTANCE = "okta/prod"
NUMBERS = itertools.count(1)


class Vendor(Protocol):
    """`changes` (memberships added and removed) and `sessions` are the vendor's own word, past the port."""

    provider: AccessProvider

    async def make_group(self) -> TargetRef: ...
    async def make_unassignable_group(self) -> TargetRef: ...
    async def make_user(self, login: str | None = None) -> SubjectRef: ...
    async def set_status(self, subject: SubjectRef, status: str) -> None: ...
    async def status(self, subject: SubjectRef) -> str: ...
    async def delete_user(self, subject: SubjectRef) -> None: ...
    async def delete_group(self, target: TargetRef) -> None: ...
    async def restore_group(self, target: TargetRef) -> None: ...
    async def make_rule(self, target: TargetRef) -> None: ...
    async def add_by_hand(self, target: TargetRef, subject: SubjectRef) -> None: ...
    async def open_session(self, subject: SubjectRef) -> None: ...
    async def sessions(self, subject: SubjectRef) -> int: ...
    async def changes(self, target: TargetRef, subject: SubjectRef) -> list[str]: ...


class FakeVendor:
    def __init__(self) -> None:
        self.fake = FakeAccessProvider(instance=INSTANCE)
        self.provider: AccessProvider = self.fake

    async def make_group(self) -> TargetRef:
        return self.fake.make_group(f"group-{next(NUMBERS)}")

    async def make_unassignable_group(self) -> TargetRef:
        return self.fake.make_group(f"group-{next(NUMBERS)}", assignable=False)

    async def make_user(self, login: str | None = None) -> SubjectRef:
        number = next(NUMBERS)
        return self.fake.make_user(f"user-{number}", login or f"user-{number}@example.com")

    async def set_status(self, subject: SubjectRef, status: str) -> None:
        self.fake.users[subject.user_id].status = status

    async def status(self, subject: SubjectRef) -> str:
        return self.fake.users[subject.user_id].status

    async def delete_user(self, subject: SubjectRef) -> None:
        self.fake.delete_user(subject)

    async def delete_group(self, target: TargetRef) -> None:
        self.fake.delete_group(target)

    async def restore_group(self, target: TargetRef) -> None:
        self.fake.restore_group(target)

    async def make_rule(self, target: TargetRef) -> None:
        self.fake.groups[target.container_id].rules.append("everybody")

    async def add_by_hand(self, target: TargetRef, subject: SubjectRef) -> None:
        self.fake.add_by_hand(target, subject)

    async def open_session(self, subject: SubjectRef) -> None:
        user = self.fake.users[subject.user_id]
        user.sessions += 1
        user.last_seen_at = datetime.now(UTC)

    async def sessions(self, subject: SubjectRef) -> int:
        return self.fake.users[subject.user_id].sessions

    async def changes(self, target: TargetRef, subject: SubjectRef) -> list[str]:
        changes = [entry for entry in self.fake.ledger if entry.changed and entry.action in {"added", "removed"}]
        return [entry.action for entry in changes if (entry.target, entry.subject) == (target, subject)]


class OktaVendor:
    def __init__(self, hand: SandboxClient, provider: OktaGroups) -> None:
        self.hand = hand
        self.provider: AccessProvider = provider

    async def make_group(self) -> TargetRef:
        return okta_target(await self.hand.make_okta_group(f"group-{next(NUMBERS)}"))

    async def make_unassignable_group(self) -> TargetRef:
        return okta_target("00gworkdaystaff000001")

    async def make_user(self, login: str | None = None) -> SubjectRef:
        login = login or f"user-{next(NUMBERS)}@example.com"
        return okta_subject((await self.hand.make_okta_users([login]))[0])

    async def set_status(self, subject: SubjectRef, status: str) -> None:
        await self.hand.set_okta_status(subject.user_id, status)

    async def status(self, subject: SubjectRef) -> str:
        """By the vendor's own log: a new user is active."""
        changes = [line for line in await self.hand.audit() if line["event"] == "user.status_changed"]
        mine = [str(line["new"]) for line in changes if line["user_id"] == subject.user_id]
        return mine[-1] if mine else "ACTIVE"

    async def delete_user(self, subject: SubjectRef) -> None:
        await self.hand.set_okta_status(subject.user_id, "DELETED")

    async def delete_group(self, target: TargetRef) -> None:
        await self.hand.delete_okta_group(target.container_id)

    async def restore_group(self, target: TargetRef) -> None:
        await self.hand.restore_okta_group(target.container_id)

    async def make_rule(self, target: TargetRef) -> None:
        await self.hand.make_okta_rule("everybody", [target.container_id])

    async def add_by_hand(self, target: TargetRef, subject: SubjectRef) -> None:
        await self.hand.add_okta_member(target.container_id, subject.user_id)

    async def open_session(self, subject: SubjectRef) -> None:
        await self.hand.open_okta_session(subject.user_id)

    async def sessions(self, subject: SubjectRef) -> int:
        return len(await self.hand.okta_sessions(subject.user_id))

    async def changes(self, target: TargetRef, subject: SubjectRef) -> list[str]:
        return [
            line["event"].removeprefix("membership.")
            for line in await self.hand.audit()
            if line.get("changed") and (line["group_id"], line["user_id"]) == (target.container_id, subject.user_id)
        ]


def okta_target(group_id: str) -> TargetRef:
    return TargetRef(instance=INSTANCE, scope="group", container_id=group_id)


def okta_subject(user_id: str) -> SubjectRef:
    return SubjectRef(instance=INSTANCE, user_id=user_id)


def warrant_for(target: TargetRef, subject: SubjectRef, kind: WarrantKind = WarrantKind.GRANT) -> Warrant:
    now = datetime.now(UTC)
    return Warrant(
        kind=kind,
        ticket=TicketRef(site="example", issue_id="10001", key="SEC-1"),
        lease_id=f"lease:{target}/{subject.user_id}",
        run_id="run",
        target=target,
        subject=subject,
        expires_at=now + timedelta(hours=1),
        issued_at=now,
        grant_before=now + timedelta(minutes=2),
        terms_digest="terms",
        record="record",
    )


def open_window() -> SendWindow:
    return SendWindow(timedelta(seconds=30))


def closed_window() -> SendWindow:
    return SendWindow(timedelta(0))
