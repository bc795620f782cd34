"""Where many requests live and die side by side: one Temporal server, one sandbox, and worker processes for each case.

A case has a seat of its own: a group, an Okta user, a catalogue, a queue prefix, and a name under which its workers call.
"""

import asyncio
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from pydantic import SecretStr
from temporalio.client import Client

from activities.integrations.jira_person import JiraPerson, PersonSettings
from activities.registry import load_keys
from activities.settings import FILE_VARIABLE, Settings
from domain.canonical import KeyRing
from domain.catalogue import LOCK_SCOPES, TargetKind
from domain.ids import LeaseId, SubjectRef, TargetRef
from domain.queues import Queue, queue_name
from sandbox.client import SandboxClient
from starter.connection import ensure_search_attributes
from starter.dev_config import BOT, OKTA_APP, OKTA_INSTANCE, OKTA_SCOPES, SITE, login, write_settings
from starter.dev_home import Home, Ports, Stack
from starter.dev_vendors import VendorsHand
from starter.first_word import write_first_word
from tests.chaos.forks import Nursery, WorkerProcess, running_nursery
from tests.chaos.self_kill import Boundary, Order
from tests.chaos.vendor_log import VendorLog
from tests.engine import start_server
from tests.sandbox_process import running_sandbox

ENTITLEMENT = "kill-me"
LOOK_SECONDS = 0.1

CATALOGUE = """
site: {site}
targets:
  target: {{kind: okta-group, instance: okta/prod, container_id: {group}, name: {name}}}
entitlements:
  {entitlement}:
    title: What is taken back
    application: Chaos
    targets: [target]
    requesters: [alice]
    approval: {{approvers: [carol]}}
    max_duration: 1h
    extension: {{each: 1h, total: 2h, count: 2}}
people:
  alice:
    name: Alice Adler
    jira: ["712020:alice-0000-0000-0000-000000000001"]
    accounts: {{okta/prod: {user}}}
  carol:
    name: Carol Crane
    jira: ["712020:carol-0000-0000-0000-000000000003"]
    accounts: {{okta/prod: 00ucarol0000000000001}}
"""


@dataclass
class Seat:
    """What one case has for itself. Its workers call the vendors as `name`."""

    on: "Field"
    name: str
    group_id: str
    user_id: str
    settings: Settings
    environment: dict[str, str]
    workers: list[WorkerProcess] = field(default_factory=list)

    @property
    def lease_id(self) -> str:
        scope = LOCK_SCOPES[TargetKind.OKTA_GROUP]
        target = TargetRef(instance=OKTA_INSTANCE, scope=scope, container_id=self.group_id)
        return str(LeaseId(target=target, subject=SubjectRef(instance=OKTA_INSTANCE, user_id=self.user_id)))

    @property
    def gate(self) -> Path:
        """What a worker waits for that stands still at a point: see `stand_at`."""
        return self.on.home.folder / self.name / "gate"

    async def start_worker(
        self, *, death: Boundary | None = None, stop: Boundary | None = None, narration: str = ""
    ) -> datetime:
        """Start the worker that works from now on; returns when it was begun."""
        begun_at = datetime.now(UTC)
        name = f"{self.name}-{len(self.workers) + 1}"
        order = Order(
            name=name,
            environment=self.environment,
            log=str(self.on.logs / f"{name}.log"),
            death=death,
            stop=stop,
            gate=str(self.gate),
            narration=narration,
        )
        self.workers.append(await self.on.nursery.bear(order))
        return begun_at

    async def until_polling(self) -> None:
        """Return when the worker polls its last queue."""
        await self.until_it_says(f"polling {queue_name(f'{self.name}-', Queue.GRANTS)}")

    async def until_it_says(self, words: str) -> None:
        """Return when the worker has; one that has ended instead is an error."""
        log = self.on.logs / f"{self.name}-{len(self.workers)}.log"
        while not log.exists() or words not in log.read_text():
            assert not self.workers[-1].ended.is_set(), f"{log} says why it ended"
            await asyncio.sleep(LOOK_SECONDS)

    async def leave(self) -> None:
        """Nothing of this case runs on."""
        for worker in self.workers:
            await worker.kill()
        await self.on.sandbox.release(self.name)


@dataclass
class Field:
    home: Home
    address: str
    client: Client
    sandbox: SandboxClient
    log: VendorLog
    nursery: Nursery
    settings: Settings
    keys: KeyRing
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def logs(self) -> Path:
        return self.home.logs

    def person(self, name: str) -> JiraPerson:
        email, token = login(name)
        return JiraPerson(PersonSettings(url=self.settings.jira.url, email=email, token=SecretStr(token), site=SITE))

    async def seat(self) -> Seat:
        name = f"case-{next(self._numbers)}"
        group_id = await self.sandbox.make_okta_group(name)
        [user_id] = await self.sandbox.make_okta_users([f"{name}@example.com"])
        folder = self.home.folder / name
        (folder / "catalog").mkdir(parents=True)
        catalogue = CATALOGUE.format(site=SITE, group=group_id, user=user_id, name=name, entitlement=ENTITLEMENT)
        (folder / "catalog" / "catalogue.yaml").write_text(catalogue)
        sandbox = self.settings.jira.url.removesuffix("jira")
        config = self.home.config.read_text().replace(sandbox, f"{sandbox}as/{name}/")
        (folder / "nightlatch.toml").write_text(config)
        prefix = f"{name}-"
        environment = {
            FILE_VARIABLE: str(folder / "nightlatch.toml"),
            "NIGHTLATCH_CATALOGUE": str(folder / "catalog"),
            "NIGHTLATCH_QUEUE_PREFIX": prefix,
            "TEMPORAL_ADDRESS": self.address,
        }
        settings = self.settings.model_copy(update={"queue_prefix": prefix})
        return Seat(self, name, group_id, user_id, settings, environment)


@asynccontextmanager
async def open_field(folder: Path, engine: Client | None = None) -> AsyncIterator[Field]:
    """Everything that all cases share, ended with the block; without an `engine`, one in memory too."""
    home = Home(folder)
    with home.changing():
        pass
    async with AsyncExitStack() as stack:
        client = engine or (await stack.enter_async_context(await start_server())).client
        await ensure_search_attributes(client)
        home.sandbox.mkdir()
        process = await stack.enter_async_context(running_sandbox(home.sandbox))
        sandbox = await stack.enter_async_context(SandboxClient(process.base_url))
        async with VendorsHand(process.base_url) as hand:
            control = await hand.control_ticket(SITE, login(BOT))
            public_key, _ = write_settings(home, Stack(ports=Ports(sandbox=process.port)), control)
            await hand.register_okta_app(OKTA_APP, public_key, OKTA_SCOPES)
        settings = Settings(**tomllib.loads(home.config.read_text()))
        await write_first_word(settings)
        nursery = await stack.enter_async_context(running_nursery(home))
        log = VendorLog(sandbox)
        address = client.service_client.config.target_host
        following = asyncio.create_task(log.follow())
        stack.callback(following.cancel)
        yield Field(home, address, client, sandbox, log, nursery, settings, load_keys(settings.keys).trusted)
