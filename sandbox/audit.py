"""The vendors' own account of what happened, which tests trust over anything that Nightlatch says of itself.

Append-only: SQLite triggers refuse to change or remove a line. Written in the transaction of the change it tells of.
"""

import json
from datetime import UTC, datetime
from typing import Any

from sandbox.store import Document, Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS audit (seq INTEGER PRIMARY KEY AUTOINCREMENT, line TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS audit_is_not_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER IF NOT EXISTS audit_is_not_removed BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
"""


class AuditLog:
    """Lines `{"seq", "at", "vendor", "event", "actor", ...facts}`; `seq` rises by one, `at` never falls."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.prepare(SCHEMA)
        newest = store.execute("SELECT line FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
        self._last_at = (
            datetime.fromisoformat(json.loads(newest[0])["at"]) if newest else datetime.min.replace(tzinfo=UTC)
        )

    def append(self, vendor: str, event: str, *, actor: str, **facts: Any) -> Document:
        """Write one line and return it; call it inside the transaction that changes the state."""
        self._last_at = max(self._last_at, datetime.now(UTC))
        at = self._last_at.isoformat(timespec="microseconds")
        line = {"at": at, "vendor": vendor, "event": event, "actor": actor, **facts}
        seq = self._store.execute("INSERT INTO audit (line) VALUES (?)", (json.dumps(line),)).lastrowid
        return {"seq": seq, **line}

    def entries(self, after: int = 0) -> list[Document]:
        """Every line with a `seq` above `after`, oldest first."""
        rows = self._store.execute("SELECT seq, line FROM audit WHERE seq > ? ORDER BY seq", (after,))
        return [{"seq": seq, **json.loads(line)} for seq, line in rows]
