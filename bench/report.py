"""What a bench has found: rows for people, and everything that was measured as JSON."""

import dataclasses
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.machine import describe

RESULTS = Path("build") / "bench"


@dataclass(frozen=True)
class Row:
    """One line. `must` and `aim` are the goals in the same words as `seen`; `met` is None where nothing is to be met."""

    what: str
    seen: str
    must: str = ""
    aim: str = ""
    met: bool | None = None
    note: str = ""


@dataclass
class Report:
    """`raw`: row name -> everything that its figures were made of."""

    scale: str
    machine: dict[str, object] = field(default_factory=describe)
    rows: list[Row] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def add(self, name: str, rows: list[Row], raw: object) -> None:
        self.rows += rows
        self.raw[name] = raw

    def write(self) -> Path:
        RESULTS.mkdir(parents=True, exist_ok=True)
        file = RESULTS / f"{self.began_at:%Y%m%dT%H%M%SZ}-{self.scale}.json"
        file.write_text(json.dumps(dataclasses.asdict(self), indent=1, default=str) + "\n")
        return file

    def show(self, console: Console) -> None:
        title = ", ".join(f"{name} {value}" for name, value in self.machine.items())
        table = Table(title=f"bench ({self.scale})", caption=title)
        for heading in ("what", "seen", "must", "aim", "", "note"):
            table.add_column(heading)
        for row in self.rows:
            verdict = {True: "[green]met", False: "[red]missed", None: ""}[row.met]
            table.add_row(row.what, row.seen, row.must, row.aim, verdict, row.note)
        console.print(table)
