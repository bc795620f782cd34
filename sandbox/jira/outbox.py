"""The webhook's configuration, and the events still to be delivered, in the same file as the changes they tell of.

A killed sandbox therefore loses none. Bodies are made in `events.py`; how they go out is in `delivery.py`.
"""

import asyncio
import json
import secrets
from dataclasses import dataclass
from typing import Literal
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict

from sandbox.jira.times import now_ms
from sandbox.store import Document, Store
from sandbox.world import World

CONFIGURATION = "jira.configuration"
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS jira_outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, due_at_ms INTEGER NOT NULL,"
    " kept_at_ms INTEGER NOT NULL, attempts INTEGER NOT NULL, identifier TEXT NOT NULL, body TEXT NOT NULL)"
)
COLUMNS = "seq, kept_at_ms, attempts, identifier, body"

Mode = Literal["deliver", "hold", "drop", "double", "reorder"]

_news: WeakKeyDictionary[Store, asyncio.Event] = WeakKeyDictionary()


class Webhook(BaseModel):
    """Where events go, the secret that signs them, and how deliveries misbehave."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = ""
    secret: str = ""
    mode: Mode = "deliver"


@dataclass(frozen=True)
class Event:
    """One delivery to make; `attempts` counts those already made, `identifier` stays the same through all of them."""

    seq: int
    kept_at_ms: int
    attempts: int
    identifier: str
    body: str


def webhook(world: World) -> Webhook:
    """What a control call has set, else the settings."""
    kept = world.store.get(CONFIGURATION, "webhook")
    if kept is not None:
        return Webhook(**kept)
    return Webhook(url=world.settings.jira.webhook_url, secret=world.settings.jira.webhook_secret)


def configure(world: World, value: Webhook) -> None:
    world.store.put(CONFIGURATION, "webhook", value.model_dump())
    news(world).set()


def news(world: World) -> asyncio.Event:
    """Set whenever the outbox or the configuration has changed; the delivery task clears it."""
    return _news.setdefault(world.store, asyncio.Event())


def prepare(store: Store) -> None:
    store.execute(SCHEMA)


def keep(world: World, body: Document) -> None:
    """Queue an event; with no address configured there is no webhook, and nothing is kept."""
    if not webhook(world).url:
        return
    world.store.execute(
        "INSERT INTO jira_outbox (due_at_ms, kept_at_ms, attempts, identifier, body) VALUES (0, ?, 0, ?, ?)",
        (now_ms(), secrets.token_hex(16), json.dumps(body)),
    )
    news(world).set()


def oldest_due(store: Store) -> Event | None:
    sql = f"SELECT {COLUMNS} FROM jira_outbox WHERE due_at_ms <= ? ORDER BY seq LIMIT 1"  # noqa: S608 - fixed names
    row = store.execute(sql, (now_ms(),)).fetchone()
    return Event(*row) if row else None


def newest_due(store: Store) -> Event | None:
    sql = f"SELECT {COLUMNS} FROM jira_outbox WHERE due_at_ms <= ? ORDER BY seq DESC LIMIT 1"  # noqa: S608 - fixed names
    row = store.execute(sql, (now_ms(),)).fetchone()
    return Event(*row) if row else None


def next_due_at_ms(store: Store) -> int | None:
    """When the next retry is due, or None with an empty outbox."""
    due: int | None = store.execute("SELECT MIN(due_at_ms) FROM jira_outbox").fetchone()[0]
    return due


def waiting(store: Store) -> int:
    return int(store.execute("SELECT COUNT(*) FROM jira_outbox").fetchone()[0])


def postpone(store: Store, event: Event, due_at_ms: int) -> None:
    """Count one more attempt and wait for the next."""
    store.execute("UPDATE jira_outbox SET attempts = attempts + 1, due_at_ms = ? WHERE seq = ?", (due_at_ms, event.seq))


def remove(store: Store, event: Event) -> None:
    store.execute("DELETE FROM jira_outbox WHERE seq = ?", (event.seq,))


def clear(store: Store) -> None:
    store.execute("DELETE FROM jira_outbox")
