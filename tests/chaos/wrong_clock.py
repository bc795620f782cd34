"""libfaketime, where it is at hand: processes whose wall clock a test moves while they run. Their steady clocks stay true."""

import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

SYSTEM = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib*/faketime/libfaketime.so.1", "/usr/lib*/libfaketime.so.1")


def environment(offset: Path) -> dict[str, str] | None:
    """What makes a process read its clock with the seconds that stand in `offset` added; None where nothing can do that."""
    for library in _libraries():
        variables = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # By default it stretches the interpreter's own timed waits: on a busy machine an import in a thread took 43 s.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "NO_FAKE_STAT": "1",
        }
        if _moves_the_wall_clock_only(variables, int(offset.read_text())):
            return variables
    return None


def _libraries() -> list[Path]:
    package = find_spec("libfaketime")
    places = [Path(place) for place in (package.submodule_search_locations or ())] if package else []
    shipped = [place / "vendor" / "libfaketime" / "src" / "libfaketime.so.1" for place in places]
    root = Path("/")
    return [*shipped, *(found for pattern in SYSTEM for found in root.glob(pattern.removeprefix("/")))]


def _moves_the_wall_clock_only(variables: dict[str, str], seconds: int) -> bool:
    look = "import time; print(time.time(), time.monotonic())"
    told = subprocess.run(
        [sys.executable, "-c", look], env=os.environ | variables, capture_output=True, text=True, check=False
    )
    if told.returncode != 0:
        return False
    wall, steady = (float(word) for word in told.stdout.split())
    return abs(wall - time.time() - seconds) < 60 and abs(steady - time.monotonic()) < 60
