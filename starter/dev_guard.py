"""The last one out: watches the starter through a pipe and, when it dies, ends the stack that it leaves behind.

`python -m starter.dev_guard <state folder>`. The word `keep` on standard input means that the stack is meant to stay.
SIGKILL cannot be caught by the starter; the end of its pipe can be seen by somebody else, on every Unix.
"""

import signal
import subprocess
import sys
from pathlib import Path

from starter.dev_home import Home
from starter.dev_process import stop

KEEP = "keep"
PATIENCE_SECONDS = 5.0


class Guard:
    """The starter's side of the pipe."""

    def __init__(self, home: Home) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - every argument is our own
            [sys.executable, "-m", "starter.dev_guard", str(home.folder)],
            env=home.environment(),
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def dismiss(self, *, keep: bool) -> None:
        """Let it go: what still runs stays (`keep`), or is ended. Returns when it has done so."""
        self._process.communicate(KEEP if keep else "")


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.stdin.read().strip() != KEEP:
        home = Home(Path(sys.argv[1]))
        stack = home.load()
        stop(stack.parts, PATIENCE_SECONDS)
        home.save(stack.model_copy(update={"parts": ()}))


if __name__ == "__main__":
    main()
