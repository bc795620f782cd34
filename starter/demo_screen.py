"""What the demo shows: a timeline that grows, with a countdown under it on a terminal, and plain lines everywhere else."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from starter.cli_output import plain
from starter.demo_oracle import Verdict

REFRESH_PER_SECOND = 8
BAR_WIDTH = 40
_STYLES = {"Jira": "cyan", "Okta": "magenta", "record": "green", "wait": "yellow"}


class Screen:
    """`said` lines never change again; what is waited for and the countdown are redrawn below them on a terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._waiting = Spinner("dots", Text(""))
        self._began_at: datetime | None = None
        self._ends_at: datetime | None = None

    @contextmanager
    def live(self) -> Iterator[None]:
        """While the block runs, the foot of the screen is alive."""
        if not self.console.is_terminal:
            yield
            return
        foot = Live(
            get_renderable=self._foot, console=self.console, refresh_per_second=REFRESH_PER_SECOND, transient=True
        )
        with foot:
            yield

    def say(self, text: str, style: str = "") -> None:
        self.console.print(Text(plain(text), style=style), soft_wrap=True)

    def happened(self, after: timedelta, source: str, text: str) -> None:
        """One line of the timeline, `after` the beginning of the request."""
        self.console.print(
            Text.assemble(
                (f"{after.total_seconds():7.2f} s  ", "dim"),
                (f"{source:<8}", _STYLES.get(source, "")),
                plain(text),
            ),
            soft_wrap=True,
        )

    def wait_for(self, what: str) -> None:
        self._waiting.update(text=Text(plain(what), style="dim"))

    def count_down_to(self, ends_at: datetime | None) -> None:
        """Show how much time is left; None: nothing is held any more."""
        if ends_at is not None and self._ends_at is None:
            self._began_at = datetime.now(UTC)
        self._ends_at = ends_at

    def conclude(self, verdict: Verdict) -> None:
        """The table, and each guarantee with a tick or a cross."""
        table = Table("", "when (UTC)", "lag", "told by", box=None, pad_edge=False, header_style="dim")
        for row in verdict.rows:
            at = row.at.strftime("%H:%M:%S.%f")[:-3] if row.at else "never"
            table.add_row(Text(row.what, style="bold"), at, row.lag, Text(row.source, style="dim"))
        self.console.print()
        self.console.print(table)
        self.console.print()
        for finding in verdict.findings:
            mark = ("✓ ", "bold green") if finding.held else ("✗ ", "bold red")
            seen = "" if finding.held and not finding.seen else f" ({finding.seen})"
            words = Text.assemble(mark, finding.promise, (plain(seen), "dim" if finding.held else "red"))
            self.console.print(words, soft_wrap=True)
        self.console.print()

    def _foot(self) -> RenderableType:
        parts: list[RenderableType] = [Text(), self._waiting]
        if self._ends_at is not None and self._began_at is not None:
            left = max((self._ends_at - datetime.now(UTC)).total_seconds(), 0.0)
            whole = max((self._ends_at - self._began_at).total_seconds(), 0.1)
            countdown = Table.grid(padding=(0, 1))
            bar = ProgressBar(total=whole, completed=left, width=BAR_WIDTH)
            countdown.add_row(bar, Text(f"access ends in {left:4.1f} s", style="bold"))
            parts.append(countdown)
        return Group(*parts)
