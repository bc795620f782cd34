"""How a process that has used the Temporal SDK ends."""

import logging
import os
import sys
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End without tearing the interpreter down: the SDK's own threads may still be letting go of it, which aborts the process."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
