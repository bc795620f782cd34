"""Where the embedded stack keeps what it must remember: its folder, its ports, its processes. Nothing is started here.

Everything lies under `.nightlatch` in the working folder, or where `NIGHTLATCH_DEV_STATE` says.
"""

import fcntl
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError

from activities.settings import FILE_VARIABLE
from domain.errors import InvalidInputError
from domain.values import StrictValue

REPOSITORY = Path(__file__).resolve().parent.parent
STATE_VARIABLE = "NIGHTLATCH_DEV_STATE"
DEFAULT_STATE = Path(".nightlatch")
HOST = "127.0.0.1"
FREE_PORTS = range(20_000, 32_000)
"""Below what Linux and macOS give to outgoing connections, above what well-known servers use."""
_KEPT_VARIABLES = frozenset({"NIGHTLATCH_API_SPECS"})
_OURS = ("NIGHTLATCH_", "TEMPORAL_")

Port = Field(default=0, ge=0, le=65535)


class Ports(StrictValue):
    """Loopback ports of the stack; 0 is not chosen yet."""

    temporal: int = Port
    ui: int = Port
    sandbox: int = Port
    bridge: int = Port


class Part(StrictValue):
    """A process of the stack. `born` is the system's own start time of `pid`: together they are never given twice."""

    name: str
    pid: int
    born: str


class Stack(StrictValue):
    """What `stack.json` remembers: the ports outlive the processes, so that addresses stay the same."""

    ports: Ports = Ports()
    parts: tuple[Part, ...] = ()

    @property
    def temporal_ui(self) -> str:
        return f"http://{HOST}:{self.ports.ui}"

    @property
    def sandbox(self) -> str:
        return f"http://{HOST}:{self.ports.sandbox}"

    @property
    def bridge(self) -> str:
        return f"http://{HOST}:{self.ports.bridge}"


class Home:
    """The folder of one stack, and every path in it."""

    def __init__(self, folder: Path) -> None:
        self.given = dict(os.environ)
        self.folder = folder.resolve()
        self.logs = self.folder / "logs"
        self.keys = self.folder / "keys"
        self.sandbox = self.folder / "sandbox"
        self.config = self.folder / "nightlatch.toml"
        self.people = self.folder / "people.toml"
        self.profile = self.folder / "temporal.toml"
        self.database = self.folder / "temporal.db"
        self._stack = self.folder / "stack.json"

    @classmethod
    def from_environment(cls) -> Self:
        """Raises `InvalidInputError` when this is no checkout: the stack runs from one, with its sandbox and catalogue."""
        if not (REPOSITORY / "worker.py").exists() or not (REPOSITORY / "sandbox").is_dir():
            raise InvalidInputError(
                f"{REPOSITORY} is no checkout of Nightlatch: the embedded stack needs the sandbox and the example catalogue"
            )
        return cls(Path(os.environ.get(STATE_VARIABLE) or DEFAULT_STATE))

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def load(self) -> Stack:
        """What is remembered. A file that cannot be read is a stack of which nothing is known."""
        try:
            return Stack.model_validate_json(self._stack.read_bytes())
        except (OSError, ValidationError):
            return Stack()

    def save(self, stack: Stack) -> None:
        draft = self._stack.with_suffix(".draft")
        draft.write_text(stack.model_dump_json(indent=2) + "\n")
        draft.replace(self._stack)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Alone in starting and stopping this stack.

        Raises:
            InvalidInputError: somebody else is at it.
        """
        self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InvalidInputError(
                    f"the stack in {self.folder} is being started or stopped by another command; wait for it"
                ) from error
            yield

    def environment(self) -> dict[str, str]:
        """The environment of every process of the stack: the caller's, without settings that are meant for another one."""
        kept = {
            name: value for name, value in self.given.items() if not name.startswith(_OURS) or name in _KEPT_VARIABLES
        }
        return kept | self.pointers() | {"NO_PROXY": f"{HOST},localhost", "PYTHONUNBUFFERED": "1"}

    def adopt(self) -> None:
        """Give this process that environment too: it speaks to the stack with the same settings as its parts."""
        environment = self.environment()
        os.environ.clear()
        os.environ.update(environment)

    def pointers(self) -> dict[str, str]:
        """What a command needs in its environment in order to speak to this stack."""
        return {
            FILE_VARIABLE: str(self.config),
            "TEMPORAL_CONFIG_FILE": str(self.profile),
            "NIGHTLATCH_PROFILE_FILE": str(self.people),
        }


def choose_ports(remembered: Ports, environment: Mapping[str, str]) -> Ports:
    """For each: what `NIGHTLATCH_DEV_<NAME>_PORT` says, else the one of last time if it is free, else a free one.

    Raises:
        InvalidInputError: a variable is no port, or the port that it names is taken.
    """
    chosen: dict[str, int] = {}
    for name in Ports.model_fields:
        variable = f"NIGHTLATCH_DEV_{name.upper()}_PORT"
        wanted = environment.get(variable, "")
        if wanted and not (wanted.isascii() and wanted.isdecimal() and int(wanted) <= 65535):
            raise InvalidInputError(f"{variable} is {wanted!r}; write a port number, or 0 for a free one")
        port = int(wanted or 0)
        if port and not _is_free(port):
            raise InvalidInputError(f"{variable}: port {port} is taken; choose another, or stop what listens there")
        last = getattr(remembered, name)
        chosen[name] = port or (last if last and _is_free(last) else _free_port(set(chosen.values())))
    return Ports(**chosen)


def _is_free(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


def _free_port(taken: set[int]) -> int:
    """Not one that the system would choose: between our look and our use, any outgoing connection could be given that."""
    while True:
        port = secrets.choice(FREE_PORTS)
        if port not in taken and _is_free(port):
            return port
