"""What another release of the Temporal SDK makes of open runs: `python -m tests.replay.drill_sdk VERSION [test ...]`.

In a scratch environment that has that release and everything else from the present one; nothing here is changed.
"""

import argparse
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
TESTS = (
    "tests/replay",
    "tests/workflows/test_deploys.py",
    "tests/workflows/test_sandbox_guard.py",
    "tests/workflows/test_shared_modules.py",
)
IMPORTED = "from temporalio.service import __version__; print(__version__)"


def main(version: str, tests: Sequence[str]) -> int:
    """The exit code of the tests: 0 when every kept history replays and deploys over live leases hold with that release.

    Raises:
        CalledProcessError: there is no such release, or no package index is reached; `uv` has said which.
        RuntimeError: the tests would run with another release than the one that was asked for.
    """
    with TemporaryDirectory(prefix="nightlatch-sdk-") as folder:
        python = _make_environment(Path(folder), version)
        imported = subprocess.run([python, "-c", IMPORTED], check=True, capture_output=True, text=True).stdout.strip()
        if imported != version:
            raise RuntimeError(f"asked for temporalio {version}, and {imported} is imported")
        sys.stdout.write(f"with temporalio {imported}, and all else as it is here:\n")
        sys.stdout.flush()
        return subprocess.run([python, "-m", "pytest", *tests], cwd=ROOT, check=False).returncode


def _make_environment(folder: Path, version: str) -> str:
    """The interpreter of a new environment. Its own packages come before those of the present one in the order of imports."""
    uv, python = str(HERE / "uv"), str(folder / "bin" / "python")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, f"temporalio=={version}"], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "beside.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    (folder / "bin" / "temporal").symlink_to(HERE / "temporal")
    return python


if __name__ == "__main__":
    asks = argparse.ArgumentParser(prog="python -m tests.replay.drill_sdk", description=__doc__)
    asks.add_argument("version", help="the release of temporalio to try, for example 1.34.0")
    asks.add_argument("tests", nargs="*", default=TESTS, help="what to run with it (default: %(default)s)")
    told = asks.parse_args()
    try:
        sys.exit(main(told.version, told.tests))
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
