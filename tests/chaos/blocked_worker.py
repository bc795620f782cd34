"""A worker whose event loop can be made to stand still: SIGUSR1 for 5 s, SIGUSR2 for 15 s, SIGHUP for good."""

import os
import signal
import sys
import time
from types import FrameType

from starter.leaving import leave
from worker import main

SECONDS = {signal.SIGUSR1: 5.0, signal.SIGUSR2: 15.0, signal.SIGHUP: 3600.0}


def stands_still(number: signal.Signals) -> str:
    """What its log says once it does."""
    return f"the loop stands still for {SECONDS[number]:.0f} s"


def block(number: int, _frame: FrameType | None) -> None:
    trouble = signal.Signals(number)
    os.write(sys.stderr.fileno(), f"{stands_still(trouble)}\n".encode())
    time.sleep(SECONDS[trouble])


if __name__ == "__main__":
    for trouble in SECONDS:
        signal.signal(trouble, block)
    leave(main(sys.argv[1:]))
