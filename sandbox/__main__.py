"""`python -m sandbox`: serve the stand-ins on one loopback port until told to stop."""

import argparse
import json
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

import uvicorn

from sandbox.app import build_app
from sandbox.wire import TrackedProtocol
from sandbox.world import SandboxSettings, open_world

# A call that a fault holds must not keep a stopped sandbox alive.
STOP_SECONDS = 1


class _Server(uvicorn.Server):
    """Tells its addresses once it accepts connections, on standard output and in the port file."""

    def __init__(self, config: uvicorn.Config, addresses: dict[str, str], port_file: Path | None) -> None:
        super().__init__(config)
        self._addresses = addresses
        self._port_file = port_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._port_file:
            _write_whole(self._port_file, json.dumps(self._addresses))
        sys.stdout.write("  ".join(f"{name} {url}" for name, url in self._addresses.items()) + "\n")
        sys.stdout.flush()


def main() -> None:
    options = _options()
    settings = SandboxSettings.model_validate_json(options.seed.read_text()) if options.seed else SandboxSettings()
    specs = os.environ.get("NIGHTLATCH_API_SPECS")
    world = open_world(options.data, settings, Path(specs) if specs else None)
    listener = socket.create_server(("127.0.0.1", options.port))
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    addresses = {"sandbox": base_url} | {part: f"{base_url}/{part}" for part in ("okta", "jira", "control")}
    config = uvicorn.Config(
        build_app(world),
        http=TrackedProtocol,
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    # uvicorn raises the signal that ended it once more, for a caller's own handlers: here it means a clean end.
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, _leave)
    _Server(config, addresses, options.port_file).run(sockets=[listener])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 takes a free one")
    parser.add_argument("--data", type=Path, required=True, help="folder of the state, which survives a restart")
    parser.add_argument("--port-file", type=Path, help="file to write the addresses to, as JSON, once serving")
    parser.add_argument("--seed", type=Path, help="JSON file of settings, see SandboxSettings")
    return parser.parse_args()


def _write_whole(path: Path, text: str) -> None:
    """A reader sees the whole file or none."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
