"""Okta's state: users, groups, memberships, sessions and rules, each change in one transaction with its audit line."""

import secrets

from sandbox.okta.answers import OktaError, not_found, stamp
from sandbox.okta.seeds import group_document, plant, user_document
from sandbox.store import Document
from sandbox.world import World

STATUSES = frozenset(
    {"ACTIVE", "DEPROVISIONED", "LOCKED_OUT", "PASSWORD_EXPIRED", "PROVISIONED", "RECOVERY", "STAGED", "SUSPENDED"}
)


def new_id(prefix: str) -> str:
    """An id of Okta's shape: three characters that tell the kind, then random ones."""
    return prefix + secrets.token_hex(9)[:17]


class Directory:
    """All methods are synchronous: none lets another call in between its look and its write."""

    def __init__(self, world: World) -> None:
        self._store = world.store
        self._audit = world.audit
        plant(self._store)

    def user(self, user_id: str) -> Document:
        """The user with this immutable id; raises E0000007 when there is none (a deleted user is none)."""
        user = self._store.get("okta.users", user_id)
        if user is None:
            raise not_found(user_id, "User")
        return user

    def user_by_id_or_login(self, key: str) -> Document:
        """As Okta resolves a path: by id, by login, or by a login's part before the @ if only one user has it."""
        user = self._store.get("okta.users", key)
        if user is not None:
            return user
        wanted = key.lower()
        logins = [(user["profile"]["login"].lower(), user) for user in self.users()]
        full = [user for login, user in logins if login == wanted]
        short = [user for login, user in logins if login.partition("@")[0] == wanted]
        found = full or short
        if len(found) != 1:
            raise not_found(key, "User")
        return found[0]

    def users(self) -> list[Document]:
        return [user for _, user in self._store.items("okta.users")]

    def group(self, group_id: str) -> Document:
        group = self._store.get("okta.groups", group_id)
        if group is None:
            raise not_found(group_id, "UserGroup")
        return group

    def groups_of(self, user_id: str) -> list[Document]:
        return [self.group(group) for group, user in self._memberships() if user == user_id]

    def members_of(self, group_id: str) -> list[Document]:
        self.group(group_id)
        return [self.user(user) for group, user in self._memberships() if group == group_id]

    def add_member(self, group_id: str, user_id: str, *, actor: str) -> None:
        """Add, or do nothing for a member; raises for an unknown pair, a group of another kind, an inactive user."""
        self._assignable(group_id)
        if self.user(user_id)["status"] != "ACTIVE":
            raise OktaError("E0000038")
        changed = self._store.get("okta.members", f"{group_id}/{user_id}") is None
        with self._store.transaction():
            self._store.put("okta.members", f"{group_id}/{user_id}", {})
            self._membership_changed("membership.added", group_id, user_id, actor, changed=changed)

    def remove_member(self, group_id: str, user_id: str, *, actor: str) -> None:
        """Remove, or do nothing for a non-member; raises for an unknown pair or a group of another kind."""
        self._assignable(group_id)
        self.user(user_id)
        changed = self._store.get("okta.members", f"{group_id}/{user_id}") is not None
        with self._store.transaction():
            self._store.delete("okta.members", f"{group_id}/{user_id}")
            self._membership_changed("membership.removed", group_id, user_id, actor, changed=changed)

    def delete_group(self, group_id: str, *, actor: str) -> None:
        """Delete the group and with it all its memberships, which get no line of their own."""
        group, members = self.group(group_id), [user["id"] for user in self.members_of(group_id)]
        with self._store.transaction():
            for user_id in members:
                self._store.delete("okta.members", f"{group_id}/{user_id}")
            self._store.delete("okta.groups", group_id)
            self._store.put("okta.deleted", group_id, {"group": group, "members": members})
            self._audit.append("okta", "group.deleted", actor=actor, group_id=group_id)

    def restore_group(self, group_id: str, *, actor: str) -> None:
        """Bring a deleted group back, under its id and with whoever of its members still exists, as the vendor's support may."""
        kept = self._store.get("okta.deleted", group_id)
        if kept is None:
            raise not_found(group_id, "UserGroup")
        with self._store.transaction():
            self._store.delete("okta.deleted", group_id)
            self._store.put("okta.groups", group_id, kept["group"])
            self._audit.append("okta", "group.restored", actor=actor, group_id=group_id)
            for user_id in kept["members"]:
                if self._store.get("okta.users", user_id) is not None:
                    self._store.put("okta.members", f"{group_id}/{user_id}", {})
                    self._membership_changed("membership.added", group_id, user_id, actor, changed=True)

    def set_status(self, user_id: str, status: str, *, actor: str) -> None:
        """Change the lifecycle status; DELETED removes the user for good, with memberships and sessions."""
        user = self.user(user_id)
        if status not in STATUSES | {"DELETED"}:
            raise OktaError("E0000001", f"status: {status!r} is none of {', '.join(sorted(STATUSES))}, DELETED")
        with self._store.transaction():
            if status == "DELETED":
                self._forget(user_id)
            else:
                changed = {"status": status, "statusChanged": stamp(), "lastUpdated": stamp()}
                self._store.put("okta.users", user_id, user | changed)
            self._audit.append(
                "okta", "user.status_changed", actor=actor, user_id=user_id, old=user["status"], new=status
            )

    def suspend(self, user_id: str, *, actor: str) -> None:
        """Suspend an active user; raises E0000001 for a user of any other status."""
        status = self.user(user_id)["status"]
        if status != "ACTIVE":
            raise OktaError("E0000001", f"Cannot suspend a user that is {status}.")
        self.set_status(user_id, "SUSPENDED", actor=actor)

    def sessions_of(self, user_id: str) -> list[Document]:
        return [session for _, session in self._store.items("okta.sessions") if session["user_id"] == user_id]

    def open_session(self, user_id: str) -> Document:
        """Sign the user in, as a browser would; raises E0000038 unless the user is active."""
        user = self.user(user_id)
        if user["status"] != "ACTIVE":
            raise OktaError("E0000038")
        session: Document = {"id": new_id("102"), "user_id": user_id, "created": stamp()}
        with self._store.transaction():
            self._store.put("okta.sessions", session["id"], session)
            self._store.put("okta.users", user_id, user | {"lastLogin": session["created"]})
            self._audit.append("okta", "session.created", actor=user_id, user_id=user_id, session_id=session["id"])
        return session

    def revoke_sessions(self, user_id: str, *, oauth_tokens: bool, actor: str) -> None:
        self.user(user_id)
        sessions = self.sessions_of(user_id)
        with self._store.transaction():
            for session in sessions:
                self._store.delete("okta.sessions", session["id"])
            facts = {"user_id": user_id, "oauth_tokens": oauth_tokens, "ended": len(sessions)}
            self._audit.append("okta", "sessions.revoked", actor=actor, **facts)

    def rules(self) -> list[Document]:
        return [rule for _, rule in self._store.items("okta.rules")]

    def make_rule(self, name: str, group_ids: list[str], *, actor: str) -> Document:
        """An active rule that assigns to these groups; it is listed, but assigns nobody by itself."""
        for group_id in group_ids:
            self.group(group_id)
        rule: Document = {"id": new_id("0pr"), "name": name, "group_ids": group_ids, "created": stamp()}
        with self._store.transaction():
            self._store.put("okta.rules", rule["id"], rule)
            self._audit.append("okta", "rule.created", actor=actor, rule_id=rule["id"], group_ids=group_ids)
        return rule

    def make_users(self, logins: list[str], *, actor: str) -> list[str]:
        """Create active users in one transaction and return their ids in the same order."""
        ids = [new_id("00u") for _ in logins]
        with self._store.transaction():
            for user_id, login in zip(ids, logins, strict=True):
                self._store.put("okta.users", user_id, user_document(user_id, login, stamp()))
                self._audit.append("okta", "user.created", actor=actor, user_id=user_id, login=login)
        return ids

    def make_group(self, name: str, *, actor: str) -> str:
        group_id = new_id("00g")
        with self._store.transaction():
            self._store.put("okta.groups", group_id, group_document(group_id, name, "OKTA_GROUP", stamp()))
            self._audit.append("okta", "group.created", actor=actor, group_id=group_id, name=name)
        return group_id

    def _memberships(self) -> list[tuple[str, str]]:
        pairs = (key.partition("/") for key, _ in self._store.items("okta.members"))
        return [(group, user) for group, _, user in pairs]

    def _assignable(self, group_id: str) -> None:
        # Built-in groups and groups that an application masters take no assignment through the API.
        if self.group(group_id)["type"] != "OKTA_GROUP":
            raise OktaError("E0000006")

    def _membership_changed(self, event: str, group_id: str, user_id: str, actor: str, *, changed: bool) -> None:
        if changed:
            self._store.put("okta.groups", group_id, self.group(group_id) | {"lastMembershipUpdated": stamp()})
        self._audit.append("okta", event, actor=actor, group_id=group_id, user_id=user_id, changed=changed)

    def _forget(self, user_id: str) -> None:
        for group, user in self._memberships():
            if user == user_id:
                self._store.delete("okta.members", f"{group}/{user}")
        for session in self.sessions_of(user_id):
            self._store.delete("okta.sessions", session["id"])
        self._store.delete("okta.users", user_id)
