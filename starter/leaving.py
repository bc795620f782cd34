"""How a process that has used the Temporal SDK ends."""

import logging
import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End without tearing the interpreter down: the SDK's own threads may still be letting go of it, which aborts the process."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # what a full disk does not take is lost either way
            stream.flush()
    os._exit(code)


def leave_on_signals() -> None:
    """SIGTERM and SIGINT end the process cleanly, as long as nobody has taken up another way to handle them."""
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, _leave)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
