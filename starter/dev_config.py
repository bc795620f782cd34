"""The files that the processes of the embedded stack share: keys, settings, logins of the sandbox's people, Temporal's profile.

Secrets are made here once, random, readable by their owner alone, and open nothing but this stack.
"""

import json
import os
import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from activities.key_files import TRUSTED, seed_file, write_new_keys
from domain.canonical import KeyRole
from domain.ids import TicketRef
from starter.dev_home import HOST, REPOSITORY, Home, Stack

SITE = "demo"
NAMESPACE = "default"
OKTA_INSTANCE = "okta/prod"
OKTA_APP = "0oanightlatchdev00001"
OKTA_SCOPES = ("okta.groups.manage", "okta.users.read", "okta.users.manage")
BOT = "nightlatch-bot"
BOT_ACCOUNT = "712020:nightlatch-bot-0000-0000-0000-000000000008"
PEOPLE = ("alice", "bob", "carol", "dave", "erin", "mallory")
POLL_SECONDS = 15
_RSA_BITS = 2048
_SECRET_BYTES = 32

Table = Mapping[str, Any]


def login(name: str) -> tuple[str, str]:
    """E-mail address and API token of a seeded person of the sandbox's Jira."""
    return f"{name}@example.com", f"{name}-token"


def write_profile(home: Home, stack: Stack) -> None:
    """Temporal's client profile, and the login of each person: what has to be there before anybody can be asked anything."""
    address = {"address": f"{HOST}:{stack.ports.temporal}", "namespace": NAMESPACE}
    _write_private(home.profile, _toml({"profile.default": address}))
    jira = {"url": f"{stack.sandbox}/jira", "site": SITE, "nightlatch_account": BOT_ACCOUNT}
    people = {name: jira | dict(zip(("email", "token"), login(name), strict=True)) for name in PEOPLE}
    _write_private(home.people, _toml(people))


def write_settings(home: Home, stack: Stack, control: TicketRef) -> tuple[str, str]:
    """The settings of worker, bridge and command line. Returns the Okta app's public key and the webhook's secret.

    Keys and secrets of an earlier start are kept: leases and tickets outlive the processes.
    """
    if not (home.keys / TRUSTED).exists():
        write_new_keys(home.keys)
    before = _read(home.config)
    app_key = before.get("okta", [{}])[0].get("private_key") or _new_app_key()
    webhook_secret = before.get("bridge", {}).get("webhook_secret") or secrets.token_urlsafe(_SECRET_BYTES)
    email, token = login(BOT)
    tables: dict[str, Table] = {
        "": {
            "site": SITE,
            "catalogue": str(REPOSITORY / "catalog"),
            "control_issue_id": control.issue_id,
            "control_issue_key": control.key,
        },
        "jira": {
            "url": f"{stack.sandbox}/jira",
            "email": email,
            "token": token,
            "site": SITE,
            "own_account": BOT_ACCOUNT,
            "project": "SEC",
        },
        "[okta]": {
            "instance": OKTA_INSTANCE,
            "url": f"{stack.sandbox}/okta",
            "client_id": OKTA_APP,
            "key_id": "dev",
            "private_key": app_key,
            "scopes": list(OKTA_SCOPES),
        },
        "keys": {"trusted": str(home.keys / TRUSTED)} | {role: str(seed_file(home.keys, role)) for role in KeyRole},
        "bridge": {
            "host": HOST,
            "port": stack.ports.bridge,
            "webhook_secret": webhook_secret,
            "poll_seconds": POLL_SECONDS,
            "state": str(home.folder / "bridge.json"),
        },
    }
    _write_private(home.config, _toml(tables))
    return _public_half(app_key), webhook_secret


def _new_app_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _public_half(private_key: str) -> str:
    key = serialization.load_pem_private_key(private_key.encode(), password=None).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _toml(tables: Mapping[str, Table]) -> str:
    """Tables of plain values; every JSON text, number and list that occurs here is also one of TOML."""
    parts = []
    for name, table in tables.items():
        head = [f"[{name}]"] if name else []
        parts.append("\n".join(head + [f"{key} = {json.dumps(value)}" for key, value in table.items()]))
    return "\n\n".join(parts) + "\n"


def _write_private(path: Path, text: str) -> None:
    """The whole file or none, and never readable by others."""
    draft = path.with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
