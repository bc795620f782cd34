"""Who may log in to the stand-in, with which API token. What a person may see is decided in `session.py`.

People live in the store, so that an account can be deactivated while the sandbox runs.
"""

import base64
import binascii
import secrets
from dataclasses import asdict, dataclass

from sandbox.store import Store

TABLE = "jira.people"
SERVICE_ACCOUNT = "nightlatch-bot"
ADMINISTRATOR = "admin"
SEEDS = (
    ("alice", "Alice Adler"),
    ("bob", "Bob Birch"),
    ("carol", "Carol Crane"),
    ("dave", "Dave Dunlin"),
    ("mallory", "Mallory Magpie"),
    ("erin", "Erin Egret"),
    ("alice-alt", "Alice Adler (second account)"),
    (SERVICE_ACCOUNT, "Nightlatch"),
    (ADMINISTRATOR, "Site administrator"),
)


@dataclass(frozen=True)
class Person:
    """An account; `name` is the short name that forms and tokens use, never shown by the API."""

    account_id: str
    name: str
    email: str
    display_name: str
    token: str
    active: bool = True


def seed_people(store: Store) -> None:
    """Write the accounts once; a later start leaves what has become of them."""
    for number, (name, display_name) in enumerate(SEEDS, start=1):
        account_id = f"712020:{name}-0000-0000-0000-{number:012d}"
        if store.get(TABLE, account_id) is None:
            person = Person(account_id, name, f"{name}@example.com", display_name, f"{name}-token")
            store.put(TABLE, account_id, asdict(person))


def everyone(store: Store) -> list[Person]:
    return [Person(**document) for _, document in store.items(TABLE)]


def find_person(store: Store, account_id: str) -> Person | None:
    document = store.get(TABLE, account_id)
    return None if document is None else Person(**document)


def named(store: Store, name: str) -> Person:
    """The seeded account with this short name, active or not; raises LookupError when there is none."""
    for person in everyone(store):
        if person.name == name:
            return person
    msg = f"there is no account named {name!r}; there are {', '.join(name for name, _ in SEEDS)}"
    raise LookupError(msg)


def set_active(store: Store, person: Person, *, active: bool) -> None:
    store.put(TABLE, person.account_id, asdict(person) | {"active": active})


def authenticate(store: Store, authorization: str | None) -> Person | None:
    """The active person behind a Basic `email:token` or Bearer `token` header, or None."""
    scheme, _, credential = (authorization or "").partition(" ")
    email: str | None = None
    match scheme.lower():
        case "basic":
            email, token = _basic(credential)
        case "bearer":
            token = credential
        case _:
            return None
    for person in everyone(store):
        known = secrets.compare_digest(person.token.encode(), token.encode())
        if known and person.active and email in (None, person.email):
            return person
    return None


def _basic(credential: str) -> tuple[str, str]:
    try:
        email, _, token = base64.b64decode(credential, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return email, token
