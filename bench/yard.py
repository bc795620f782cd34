"""One freshly started server for one row of the bench, the doubles beside it, and worker processes that come and go."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from temporalio.client import Client

from bench.desk import Desk
from bench.line import Exchange
from domain.persons import Person
from starter.dev_home import Home, Part
from starter.dev_process import is_alive, start, stop, tail
from tests.engine import FileServer, running_file_server
from tests.house import House, build_house


@dataclass
class Yard:
    """`client` converts as Nightlatch does, `plain` as the SDK comes: each side is started in its own tongue."""

    desk: Desk
    server: FileServer
    socket: Path
    client: Client
    plain: Client
    parts: list[Part] = field(default_factory=list)

    @property
    def home(self) -> Home:
        return self.server.home

    def spawn(self, name: str, module: str, *arguments: str) -> Part:
        """Start a worker process; it tells the desk when it polls."""
        log = self.home.log(f"{name}-{len(self.parts)}")
        command = [sys.executable, "-m", module, str(self.socket), self.server.address, *arguments]
        part = start(log.stem, command, self.home.environment(), log)
        self.parts.append(part)
        return part

    def check(self, part: Part) -> None:
        """Raises `RuntimeError` with the end of its log when a process has ended that should run."""
        if not is_alive(part):
            raise RuntimeError(f"{part.name} has ended:\n{tail(self.home.log(part.name))}")


@asynccontextmanager
async def open_yard(people: int) -> AsyncIterator[Yard]:
    """A yard on a server with its state in a file and a write-ahead log, as the embedded stack has it."""
    with TemporaryDirectory(prefix="nightlatch-bench-") as folder:
        async with running_file_server(Path(folder)) as server:
            client = await server.client()
            desk = Desk(_with_people(build_house(client), people))
            socket = Path(folder) / "line"
            ports = {"desk": desk, "provider": desk.house.provider, "tickets": desk.house.tickets}
            listening = await Exchange(ports, desk.hear).serve(socket)
            yard = Yard(desk, server, socket, client, await Client.connect(server.address))
            try:
                yield yard
            finally:
                stop(yard.parts, 2.0)
                listening.close()


def person(number: int) -> str:
    return f"p{number}"


def user_id(number: int) -> str:
    return f"00u{person(number)}"


def _with_people(house: House, people: int) -> House:
    """That many more people who may ask for the entitlement `admin`."""
    catalogue, instance = house.catalogue, house.provider.instance
    new = {
        person(number): Person(name=person(number), jira=(person(number),), accounts={instance: user_id(number)})
        for number in range(people)
    }
    for number in range(people):
        house.provider.make_user(user_id(number), f"{person(number)}@example.com")
    directory = catalogue.people.model_copy(update={"people": {**catalogue.people.people, **new}})
    admin = catalogue.entitlements["admin"]
    admin = admin.model_copy(update={"requesters": (*admin.requesters, *new)})
    entitlements = {**catalogue.entitlements, "admin": admin}
    house.catalogue = catalogue.model_copy(update={"people": directory, "entitlements": entitlements})
    return house
