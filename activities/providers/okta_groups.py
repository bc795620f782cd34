"""`AccessProvider` on Okta groups: direct membership of a group of type OKTA_GROUP, and the subject's Okta sessions.

Which calls are made, and what they say about access. How they are sent and read: `okta_client`, `okta_answers`.
Reference: https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Group/.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from activities.ports import Answered, Capabilities, Holder, Look, SessionsReceipt
from activities.providers.okta_answers import Answer
from activities.providers.okta_client import OktaClient
from activities.providers.okta_settings import OktaSettings
from activities.send_window import SendWindow
from domain.errors import InvalidError, MalformedError, NotFoundError, OutcomeUnknownError, RetryableError
from domain.ids import SubjectRef, TargetRef
from domain.values import Instant
from domain.warrant import Warrant
from domain.witness import Presence, SessionsEnded

READ_LAG = timedelta(seconds=1)
LANDING_LAG = timedelta(seconds=2)

CANNOT_SIGN_IN = frozenset({"SUSPENDED", "DEPROVISIONED"})

_GROUP_ID = re.compile(r"00g[A-Za-z0-9]{10,40}")
_USER_ID = re.compile(r"00u[A-Za-z0-9]{10,40}")
_INSTANT = TypeAdapter[datetime | None](Instant | None)


class OktaGroups:
    """Holds one `OktaClient`; `close` it when the process is done. See `AccessProvider` for what each method promises."""

    def __init__(self, settings: OktaSettings) -> None:
        self._instance = settings.instance
        self._client = OktaClient(settings)
        self._capabilities = Capabilities(
            native_expiry=False,
            suspends=True,
            read_lag=READ_LAG,
            landing_lag=LANDING_LAG,
            client_timeout=settings.client_timeout,
        )

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def close(self) -> None:
        await self._client.close()

    async def preflight(self, target: TargetRef, subject: SubjectRef) -> tuple[str, ...]:
        group_id, user_id = self._ids(target, subject)
        group = await self._read_group("preflight", group_id)
        user = await self._read_user("preflight", user_id)
        reasons = []
        if group.get("type") != "OKTA_GROUP":
            reasons.append(f"group {group_id} is of type {group.get('type')}; only an OKTA_GROUP takes members from us")
        reasons += [
            f"group rule {rule_id} assigns to group {group_id}; a subject whom it matches would stay in"
            for rule_id in await self._rules_into(group_id)
        ]
        if user.get("status") != "ACTIVE":
            reasons.append(f"user {user_id} has status {user.get('status')}; only an ACTIVE user is granted access")
        return tuple(reasons)

    async def resolve_subject(self, login: str) -> SubjectRef:
        if not login.strip(".") or "/" in login:
            raise InvalidError(
                "resolve_subject: Okta cannot be asked for a login that is empty, dots only or has a slash"
            )
        answer = await self._read("resolve_subject", f"/api/v1/users/{quote(login, safe='')}", thing="user")
        user = _entity("resolve_subject", answer)
        profile = user.get("profile")
        known_as = str(profile.get("login", "")) if isinstance(profile, Mapping) else ""
        # Okta also takes an id, or the part before the @: only the whole login names one account for good.
        if known_as.casefold() != login.casefold() or user.get("status") != "ACTIVE":
            raise NotFoundError(
                "resolve_subject: no ACTIVE user has exactly this login; check the mapping of the subject's account",
                thing="user",
                vendor_request_id=answer.vendor_request_id or None,
            )
        return self._subject("resolve_subject", user)

    async def grant(self, warrant: Warrant, window: SendWindow) -> Answered:
        group_id, user_id = self._ids(warrant.target, warrant.subject)
        name = "grant"
        try:
            answer = await self._client.write(name, lambda sdk: sdk.assign_user_to_group(group_id, user_id), window)
        except NotFoundError as error:
            await self._read_group(name, group_id)
            await self._read_user(name, user_id)
            raise RetryableError(f"{name}: Okta said 404, yet group {group_id} and user {user_id} exist") from error
        return answer.answered

    async def prolong(self, warrant: Warrant, window: SendWindow) -> Answered:
        """Nothing is sent: Okta holds no deadline of a group membership."""
        del warrant, window
        return Answered()

    async def revoke(self, target: TargetRef, subject: SubjectRef, window: SendWindow) -> Answered:
        group_id, user_id = self._ids(target, subject)
        try:
            answer = await self._client.write(
                "revoke", lambda sdk: sdk.unassign_user_from_group(group_id, user_id), window
            )
        except NotFoundError as error:
            look = await self.verify(target, subject)
            if look.presence is Presence.ABSENT:
                return Answered(vendor_at=look.vendor_at, vendor_request_id=look.vendor_request_id)
            if look.presence is Presence.PRESENT:
                raise RetryableError(f"revoke: Okta said 404, yet {user_id} is a member of {group_id}") from error
            raise self._gone("revoke", "group", error.vendor_request_id) from error
        return answer.answered

    async def verify(self, target: TargetRef, subject: SubjectRef) -> Look:
        """Read from the user's side, where nobody is left out for their status, and the group itself before saying ABSENT.

        A group that our credential does not see is missing from a user's list as well, so its absence there proves
        nothing until the group has been read. A user who is gone for good is looked for among the group's members.
        """
        group_id, user_id = self._ids(target, subject)
        try:
            found, answer = await self._find("verify", f"/api/v1/users/{user_id}/groups", group_id, thing="user")
            note = ""
        except NotFoundError:
            note = "the user does not exist"
            try:
                found, answer = await self._find("verify", _members_path(group_id), user_id, thing="group")
            except NotFoundError as error:
                return Look(
                    presence=Presence.UNKNOWN,
                    vendor_request_id=error.vendor_request_id or "",
                    note="neither the user nor the group exists, or we may not see them",
                )
        if found:
            return Look(presence=Presence.PRESENT, note=note, **answer.answered.model_dump())
        try:
            await self._read_group("verify", group_id)
        except NotFoundError as error:
            note = "the group does not exist, or we may not see it"
            return Look(presence=Presence.UNKNOWN, vendor_request_id=error.vendor_request_id or "", note=note)
        return Look(presence=Presence.ABSENT, note=note, **answer.answered.model_dump())

    async def find_target(self, target: TargetRef) -> Look:
        """Okta says 404 of a group that was deleted, and of one that our role may not see: only people can tell these apart."""
        group_id = self._group_id(target)
        try:
            await self._read_group("find_target", group_id)
        except NotFoundError as error:
            missing = error
        else:
            return Look(presence=Presence.PRESENT)
        try:
            await self._find("find_target", _members_path(group_id), "", thing="group")
        except NotFoundError:
            note = "neither the group nor the list of its members"
            return Look(presence=Presence.ABSENT, vendor_request_id=missing.vendor_request_id or "", note=note)
        raise MalformedError(f"find_target: Okta says that group {group_id} does not exist, and lists its members")

    async def end_sessions(self, target: TargetRef, subject: SubjectRef, window: SendWindow) -> SessionsReceipt:
        """Sessions and OAuth tokens. Remembered devices stay: they open nothing, and the end of a lease accuses nobody."""
        _, user_id = self._ids(target, subject)
        try:
            await self._client.write(
                "end_sessions",
                lambda sdk: sdk.revoke_user_sessions(user_id, oauth_tokens=True, forget_devices=False),
                window,
            )
        except NotFoundError as error:
            try:
                await self._read_user("end_sessions", user_id)
            except NotFoundError:
                return SessionsReceipt(achieved=SessionsEnded.ENDED, note="the user does not exist")
            raise RetryableError(f"end_sessions: Okta said 404, yet user {user_id} exists") from error
        return SessionsReceipt(achieved=SessionsEnded.ENDED)

    async def suspend(self, target: TargetRef, subject: SubjectRef, window: SendWindow) -> Answered:
        """Okta suspends an ACTIVE account only, with 400 for any other: what counts is the status that is read afterwards."""
        _, user_id = self._ids(target, subject)
        name = "suspend"
        with suppress(NotFoundError, InvalidError, OutcomeUnknownError):
            await self._client.write(name, lambda sdk: sdk.suspend_user(user_id), window, expected=httpx.codes.OK)
        answer = await self._read(name, f"/api/v1/users/{user_id}", thing="user")
        status = _entity(name, answer, user_id).get("status")
        if status not in CANNOT_SIGN_IN:
            said = f"{name}: user {user_id} has status {status}; suspend the account by hand, or wait for the next try"
            raise RetryableError(said, vendor_request_id=answer.vendor_request_id or None)
        return answer.answered

    async def list_holders(self, target: TargetRef) -> AsyncIterator[Holder]:
        group_id = self._group_id(target)
        try:
            async for _, users in self._client.pages("list_holders", _members_path(group_id)):
                for user in users:
                    yield Holder(subject=self._subject("list_holders", user), status=str(user.get("status", "")))
        except NotFoundError as error:
            raise self._gone("list_holders", "group", error.vendor_request_id) from error

    async def last_seen(self, subject: SubjectRef, target: TargetRef) -> datetime | None:
        _, user_id = self._ids(target, subject)
        user = await self._read_user("last_seen", user_id)
        try:
            return _INSTANT.validate_python(user.get("lastLogin"))
        except ValidationError as error:
            raise MalformedError("last_seen: lastLogin is no instant with a time zone") from error

    async def _find(self, name: str, path: str, wanted: str, *, thing: str) -> tuple[bool, Answer]:
        """Whether a list bears an item of that id, with the page that says so: the one that has it, or the last."""
        last: Answer | None = None
        try:
            async for answer, items in self._client.pages(name, path):
                last = answer
                if any(item["id"] == wanted for item in items):
                    return True, answer
        except NotFoundError as error:
            raise self._gone(name, thing, error.vendor_request_id) from error
        if last is None:
            raise MalformedError(f"{name}: a list without a first page")
        return False, last

    async def _rules_into(self, group_id: str) -> list[str]:
        """Group rules that assign to this group, unless they say INACTIVE."""
        found = []
        async for answer, rules in self._client.pages("preflight", "/api/v1/groups/rules?limit=200"):
            for rule in rules:
                try:
                    assigned = rule["actions"]["assignUserToGroups"]["groupIds"]
                    concerned = group_id in list(assigned)
                except (KeyError, TypeError) as error:
                    raise MalformedError(
                        f"preflight: group rule {rule['id']} does not say to which groups it assigns",
                        vendor_request_id=answer.vendor_request_id or None,
                    ) from error
                if concerned and rule.get("status") != "INACTIVE":
                    found.append(rule["id"])
        return found

    async def _read_group(self, name: str, group_id: str) -> Mapping[str, Any]:
        answer = await self._read(name, f"/api/v1/groups/{group_id}", thing="group")
        return _entity(name, answer, group_id)

    async def _read_user(self, name: str, user_id: str) -> Mapping[str, Any]:
        answer = await self._read(name, f"/api/v1/users/{user_id}", thing="user")
        return _entity(name, answer, user_id)

    async def _read(self, name: str, path: str, *, thing: str) -> Answer:
        try:
            return await self._client.read(name, path)
        except NotFoundError as error:
            raise self._gone(name, thing, error.vendor_request_id) from error

    def _ids(self, target: TargetRef, subject: SubjectRef) -> tuple[str, str]:
        if subject.instance != self._instance:
            raise InvalidError(f"{subject} is not an account of {self._instance}")
        return self._group_id(target), self._check_shape("user", _USER_ID, subject.user_id)

    def _group_id(self, target: TargetRef) -> str:
        if target.instance != self._instance:
            raise InvalidError(f"{target} is not a target of {self._instance}")
        return self._check_shape("group", _GROUP_ID, target.container_id)

    def _subject(self, name: str, user: Mapping[str, Any]) -> SubjectRef:
        if _USER_ID.fullmatch(user["id"]) is None:
            raise MalformedError(f"{name}: Okta names a user {user['id']!r}, which is not of the shape of a user's id")
        return SubjectRef(instance=self._instance, user_id=user["id"])

    @staticmethod
    def _check_shape(thing: str, shape: re.Pattern[str], text: str) -> str:
        # Where Okta takes an id it often takes a login too, and a login can pass to another person.
        if shape.fullmatch(text) is None:
            raise InvalidError(
                f"{text!r} is not the id of an Okta {thing}; name it by its immutable id ({shape.pattern})"
            )
        return text

    @staticmethod
    def _gone(name: str, thing: str, request_id: str | None) -> NotFoundError:
        said = (
            f"{name}: Okta says that this {thing} does not exist, or hides it from us; check its id and our admin role"
        )
        return NotFoundError(said, thing=thing, vendor_request_id=request_id)


def _members_path(group_id: str) -> str:
    return f"/api/v1/groups/{group_id}/users?limit=200"


def _entity(name: str, answer: Answer, asked: str | None = None) -> Mapping[str, Any]:
    """The object that an answer holds, which has an id: the one asked for, where one was."""
    entity = answer.document
    if not isinstance(entity, dict) or not isinstance(entity.get("id"), str) or asked not in (None, entity["id"]):
        raise MalformedError(
            f"{name}: the answer is not the one thing that was asked for",
            vendor_request_id=answer.vendor_request_id or None,
        )
    return entity
