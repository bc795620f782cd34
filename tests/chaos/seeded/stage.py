"""Where a seeded run is played: real processes, each behind links of its own, and what is needed to look at them."""

import asyncio
import sys
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from pydantic import SecretStr
from temporalio.client import Client
from temporalio.service import RPCError

from activities.integrations.jira_person import JiraPerson, PersonSettings
from activities.registry import load_keys
from activities.settings import Settings
from domain.canonical import KeyRing
from domain.queues import Queue, queue_name
from sandbox.client import SandboxClient
from starter.connection import ensure_search_attributes
from starter.dev_config import BOT, BOT_ACCOUNT, OKTA_APP, OKTA_INSTANCE, OKTA_SCOPES, SITE, login, write_settings
from starter.dev_home import HOST, Home, Ports, Stack, choose_ports
from starter.dev_process import is_alive, start, stop
from starter.dev_vendors import VendorsHand
from starter.first_word import write_first_word
from starter.schedules import RECONCILE_EVERY, ensure_schedules, reconcile_schedule_id
from tests.chaos import wrong_clock
from tests.chaos.seeded.actors import LOOK_SECONDS, START_SECONDS, Troupe, answers, says, troupe
from tests.chaos.seeded.house import Link, Targets, environment_of, make_targets, write_catalogue
from tests.chaos.seeded.plan import SKEWED, WORKERS, Plan
from tests.chaos.seeded.proxy import running_proxy
from tests.chaos.vendor_log import VendorLog
from tests.engine import SMALL_QUEUES, FileServer

BETWEEN_SWEEPS_SECONDS = 30.0


@dataclass
class Stage:
    """`links`: of each process by its name. `offset`: the file that moves a worker's clock; None where nothing can."""

    home: Home
    settings: Settings
    keys: KeyRing
    server: FileServer
    client: Client
    sandbox: SandboxClient
    log: VendorLog
    targets: Targets
    actors: Troupe
    links: dict[str, Link]
    offset: Path | None

    def person(self, name: str) -> JiraPerson:
        email, token = login(name)
        return JiraPerson(
            PersonSettings(
                url=self.settings.jira.url,
                email=email,
                token=SecretStr(token),
                nightlatch_account=BOT_ACCOUNT,
                site=SITE,
            )
        )

    async def until_whole(self) -> None:
        """Return when every worker has loaded what it needs, and polls its last queue: a cold start is no fault of a plan."""
        words = f"polling {queue_name(self.settings.queue_prefix, Queue.GRANTS)}"
        async with asyncio.timeout(START_SECONDS):
            while not all(words in self.actors[name].log.read_text() for name in WORKERS):
                await asyncio.sleep(LOOK_SECONDS)

    async def reconcile_for_ever(self, every: timedelta) -> None:
        """Have the reconciler look so often, where that is oftener than its schedule; not while the server is away."""
        schedule = self.client.get_schedule_handle(reconcile_schedule_id(self.settings.queue_prefix, OKTA_INSTANCE))
        while every < RECONCILE_EVERY:
            await asyncio.sleep(every.total_seconds())
            with suppress(RPCError):
                await schedule.trigger()

    async def sweep_for_ever(self) -> None:
        """The sweep as a timer outside the engine would run it: one after the other, whatever became of the last."""
        environment = environment_of(self.home, "sweep", self.links["sweep"], self.settings)
        command = [sys.executable, "-m", "starter.cli", "sweep", "--json"]
        for number in count(1):
            part = start("sweep", command, environment, self.home.log(f"sweep-{number}"))
            try:
                while is_alive(part):
                    await asyncio.sleep(LOOK_SECONDS)
            finally:
                stop([part], 1.0)
            await asyncio.sleep(BETWEEN_SWEEPS_SECONDS)


@asynccontextmanager
async def open_stage(folder: Path, plan: Plan) -> AsyncIterator[Stage]:
    """Everything, serving; ended with the block."""
    home = Home(folder)
    with home.changing():
        pass
    ports = choose_ports(Ports(), {})
    home.save(Stack(ports=ports))
    async with AsyncExitStack() as stack:
        server = FileServer(home, *SMALL_QUEUES)
        stack.push_async_callback(server.stop)
        await server.start()
        client = await server.client()
        await ensure_search_attributes(client)
        actors = await stack.enter_async_context(troupe())
        vendors = await _begin_vendors(actors, home, ports)
        sandbox = await stack.enter_async_context(SandboxClient(vendors))
        settings = await _settle_in(home, ports, vendors)
        targets = await make_targets(sandbox, plan)
        write_catalogue(settings.catalogue, targets)
        await ensure_schedules(client, settings)
        links = await _open_links(stack, int(server.address.rpartition(":")[2]), ports.sandbox)
        offset = home.folder / "offset"
        offset.write_text("+0")
        skewed = wrong_clock.environment(offset)
        await _begin_ours(actors, home, settings, links, skewed)
        log = VendorLog(sandbox, through_outages=True)
        following = asyncio.create_task(log.follow())
        stack.callback(following.cancel)
        clock = offset if skewed is not None else None
        keys = load_keys(settings.keys).trusted
        yield Stage(home, settings, keys, server, client, sandbox, log, targets, actors, links, clock)


async def _begin_vendors(actors: Troupe, home: Home, ports: Ports) -> str:
    """Returns their address."""
    home.sandbox.mkdir(exist_ok=True)
    address = f"http://{HOST}:{ports.sandbox}"
    words = ["-m", "sandbox", "--port", str(ports.sandbox), "--data", str(home.sandbox)]
    await actors.begin(home, "vendors", words, home.environment(), answers(f"{address}/healthz"))
    return address


async def _open_links(stack: AsyncExitStack, server: int, vendors: int) -> dict[str, Link]:
    """Of each process by its name, to the ports of the server and of the vendors."""
    return {
        name: Link(
            server=await stack.enter_async_context(running_proxy(server)),
            vendors=await stack.enter_async_context(running_proxy(vendors)),
        )
        for name in (*WORKERS, "bridge", "sweep")
    }


async def _begin_ours(
    actors: Troupe, home: Home, settings: Settings, links: Mapping[str, Link], skewed: Mapping[str, str] | None
) -> None:
    """The workers and the bridge, side by side."""
    assert settings.bridge is not None
    polls = says(f"polling {queue_name(settings.queue_prefix, Queue.LEASES)}")
    serves = answers(f"http://{HOST}:{settings.bridge.port}/healthz")
    async with asyncio.TaskGroup() as group:
        for name in WORKERS:
            environment = environment_of(home, name, links[name], settings, skewed if name == SKEWED else None)
            group.create_task(actors.begin(home, name, ["worker.py"], environment, polls))
        environment = environment_of(home, "bridge", links["bridge"], settings)
        group.create_task(actors.begin(home, "bridge", ["-m", "starter.bridge"], environment, serves))


async def _settle_in(home: Home, ports: Ports, vendors: str) -> Settings:
    """What an operator sets up once."""
    async with VendorsHand(vendors) as hand:
        control = await hand.control_ticket(SITE, login(BOT))
        public_key, secret = write_settings(home, Stack(ports=ports), control)
        await hand.register_okta_app(OKTA_APP, public_key, OKTA_SCOPES)
        await hand.set_jira_webhook(f"http://{HOST}:{ports.bridge}/webhooks/jira", secret)
    settings = Settings(**tomllib.loads(home.config.read_text()))
    await write_first_word(settings)
    return settings.model_copy(update={"catalogue": home.folder / "catalog"})


def now() -> datetime:
    return datetime.now(UTC)
