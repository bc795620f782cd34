"""Processes of the embedded stack: started in a group of their own, known again by pid and start time, ended for certain."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from starter.dev_home import REPOSITORY, Part

TAIL_LINES = 15
POLL_SECONDS = 0.05
_STARTED = 19
"""Fields of /proc/<pid>/stat behind the command name: 0 is the state, 19 the start time in clock ticks since boot."""


def start(name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> Part:
    """Start `command` in a session of its own, so that a terminal's Ctrl-C reaches it only through us."""
    with log.open("wb") as output:
        child = subprocess.Popen(  # noqa: S603 - every argument is our own
            command,
            cwd=REPOSITORY,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Part(name=name, pid=child.pid, born=_born(child.pid) or "")


def is_alive(part: Part) -> bool:
    """Whether this very process still runs; one that has ended, or another one under its number, does not."""
    with suppress(ChildProcessError):
        os.waitpid(part.pid, os.WNOHANG)
    return bool(part.born) and _born(part.pid) == part.born


def stop(parts: Sequence[Part], patience_seconds: float) -> None:
    """SIGTERM to the group of each, SIGKILL to those that are left after the patience. Returns when all are gone."""
    _signal(parts, signal.SIGTERM)
    deadline = time.monotonic() + patience_seconds
    while any(is_alive(part) for part in parts):
        if time.monotonic() > deadline:
            _signal(parts, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def tail(log: Path) -> str:
    """The last lines of a log, or a word that there are none."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
    except OSError:
        lines = []
    return "\n".join(f"  {line}" for line in lines) or "  (it wrote nothing)"


def _signal(parts: Sequence[Part], number: signal.Signals) -> None:
    for part in parts:
        if is_alive(part):
            with suppress(ProcessLookupError):
                os.killpg(part.pid, number)


def _born(pid: int) -> str | None:
    """When the system started `pid`; None when it does not run (a zombie does not)."""
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[_STARTED]
    told = subprocess.run(  # noqa: S603 - a number and fixed words
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, started = told.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()
