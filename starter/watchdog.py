"""Ends a process whose event loop stands still: its polls go on, and swallow work that another process would do.

Nothing is lost by it: the engine gives what was under way to the next worker, as after a kill.
"""

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

PATIENCE = timedelta(seconds=30)
"""Longer than any pause of a healthy worker, shorter than people wait for an end (DESIGN 4)."""

STOOD_STILL = 3
"""Exit code for the supervisor."""

_LOOK_SECONDS = 1.0


@contextmanager
def watching(
    loop: asyncio.AbstractEventLoop, patience: timedelta = PATIENCE, end: Callable[[str], None] | None = None
) -> Iterator[None]:
    """While the body runs, call `end` (which ends the process) from a thread when `loop` has answered nothing for `patience`."""
    watch = _Watch(loop, patience, end or end_process)
    watch.start()
    try:
        yield
    finally:
        watch.over.set()


def end_process(why: str) -> None:
    """Say why, with the place where each thread stands, and be gone within a second, also when nobody takes the words."""
    teller = threading.Thread(target=_tell, args=(why,), daemon=True)
    teller.start()
    teller.join(_LOOK_SECONDS)
    os._exit(STOOD_STILL)


class _Watch(threading.Thread):
    """Counts its own looks, not the time between them: a process that was frozen as a whole has missed one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, patience: timedelta, end: Callable[[str], None]) -> None:
        super().__init__(name="watchdog", daemon=True)
        self.over = threading.Event()
        self._loop = loop
        self._most = patience.total_seconds() / _LOOK_SECONDS
        self._end = end
        self._unanswered = 0

    def run(self) -> None:
        while not self.over.wait(_LOOK_SECONDS):
            if self._unanswered >= self._most:
                self._end(f"the event loop has stood still for {self._unanswered * _LOOK_SECONDS:.0f} s")
                return
            self._unanswered += 1
            with suppress(RuntimeError):  # a loop that is closed has nothing to answer, and `over` follows
                self._loop.call_soon_threadsafe(self._answered)

    def _answered(self) -> None:
        self._unanswered = 0


def _tell(why: str) -> None:
    with suppress(OSError, ValueError):
        os.write(sys.stderr.fileno(), f"nightlatch: {why}; ending, so that another worker takes over\n".encode())
        faulthandler.dump_traceback(sys.stderr)
