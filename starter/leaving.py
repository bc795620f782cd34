"""How a process that has used the Temporal SDK ends."""

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End without tearing the interpreter down: the SDK's own threads may still be letting go of it, which aborts the process."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # what a full disk does not take is lost either way
            stream.flush()
    os._exit(code)
