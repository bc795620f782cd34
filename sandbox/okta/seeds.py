"""The people and groups that exist when the sandbox first starts, under ids that the example catalogue names."""

from typing import Any

from sandbox.store import Store

PEOPLE = ("alice", "bob", "carol", "dave", "mallory", "erin")
GROUPS = (
    ("00gawsprodadmin000001", "aws-prod-admin", "OKTA_GROUP"),
    ("00ggcpprodviewer00001", "gcp-prod-viewer", "OKTA_GROUP"),
    ("00gdbprodadmin0000001", "db-prod-admin", "OKTA_GROUP"),
    ("00gincidentrespond001", "incident-responder", "OKTA_GROUP"),
    ("00geveryone0000000001", "Everyone", "BUILT_IN"),
    ("00gworkdaystaff000001", "workday-staff", "APP_GROUP"),
)
SEEDED_AT = "2026-01-05T09:00:00.000Z"


def person_id(name: str) -> str:
    """The id of a seeded person: `00u`, the name, padded to 21 characters as in `00ualice0000000000001`."""
    return f"00u{name}".ljust(20, "0") + "1"


def user_document(user_id: str, login: str, created: str) -> dict[str, Any]:
    name = login.partition("@")[0]
    return {
        "id": user_id,
        "status": "ACTIVE",
        "created": created,
        "statusChanged": created,
        "lastUpdated": created,
        "lastLogin": None,
        "profile": {"firstName": name.capitalize(), "lastName": "Example", "login": login, "email": login},
    }


def group_document(group_id: str, name: str, kind: str, created: str) -> dict[str, Any]:
    return {
        "id": group_id,
        "type": kind,
        "created": created,
        "lastUpdated": created,
        "lastMembershipUpdated": created,
        "profile": {"name": name, "description": f"Members of {name}"},
    }


def plant(store: Store) -> None:
    """Write the seeds once; a state that has been used keeps what became of them."""
    if store.get("okta.state", "seeded"):
        return
    with store.transaction():
        for name in PEOPLE:
            user_id = person_id(name)
            store.put("okta.users", user_id, user_document(user_id, f"{name}@example.com", SEEDED_AT))
        for group_id, name, kind in GROUPS:
            store.put("okta.groups", group_id, group_document(group_id, name, kind, SEEDED_AT))
        for name in PEOPLE:
            store.put("okta.members", f"00geveryone0000000001/{person_id(name)}", {})
        store.put("okta.state", "seeded", {"at": SEEDED_AT})
