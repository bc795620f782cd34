"""The sandbox's memory: JSON documents in one SQLite file that outlives SIGKILL.

One connection, used from the event loop only. No method awaits, so two transactions never interleave. What the
documents mean is each vendor's business.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (kind, key)
);
CREATE TABLE IF NOT EXISTS numbers (name TEXT PRIMARY KEY, last INTEGER NOT NULL);
"""


class Store:
    """Documents by (table, key), kept in the order in which they were first put."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # In WAL mode NORMAL loses nothing when the process is killed, only when the machine loses power.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self.prepare(SCHEMA)

    def get(self, table: str, key: str) -> Document | None:
        row = self.execute("SELECT body FROM documents WHERE kind = ? AND key = ?", (table, key)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, table: str, key: str, value: Document) -> None:
        """Write the document; one that is replaced keeps its place in the order of insertion."""
        self.execute(
            "INSERT INTO documents (kind, key, body) VALUES (?, ?, ?)"
            " ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
            (table, key, json.dumps(value)),
        )

    def delete(self, table: str, key: str) -> None:
        """Forget the document; one that is absent is no error."""
        self.execute("DELETE FROM documents WHERE kind = ? AND key = ?", (table, key))

    def items(self, table: str) -> list[tuple[str, Document]]:
        """All documents of a table, in insertion order."""
        rows = self.execute("SELECT key, body FROM documents WHERE kind = ? ORDER BY position", (table,))
        return [(key, json.loads(body)) for key, body in rows]

    def next_number(self, name: str) -> int:
        """The next number of a named series; the first is 1 and none is given twice."""
        row = self.execute(
            "INSERT INTO numbers (name, last) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET last = last + 1"
            " RETURNING last",
            (name,),
        ).fetchone()
        return int(row[0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside take effect together or not at all; an inner transaction joins the outer one."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """One statement on the shared connection, for modules that keep a table of their own in the same file."""
        return self._connection.execute(sql, parameters)

    def prepare(self, schema: str) -> None:
        """Create what a module needs; the statements must be safe to repeat at each start."""
        self._connection.executescript(schema)

    def close(self) -> None:
        self._connection.close()
