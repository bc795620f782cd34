"""What a case has for itself when its bridge is to be killed: a seat, a Jira project, and bridges, one after the other.

The project keeps cases apart: a bridge searches in its own alone, and hears of no other's webhooks.
"""

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from activities.integrations.jira_person import JiraPerson, PersonSettings
from activities.settings import BridgeSettings
from starter.dev_config import SITE, login
from tests.chaos.bridge_steps import SEARCH, Step, StepBoundary, Watch, read_narration
from tests.chaos.field import Field, Seat
from tests.chaos.forks import WorkerProcess
from tests.chaos.gateway import Gateway
from tests.chaos.self_kill import Order


@dataclass(frozen=True)
class Life:
    """How news come to the bridge. `rounds`: how many of polling people wait for between two acts.

    `vanishes`: the ticket is hidden from Nightlatch once access is active, and that is what ends it.
    """

    name: str
    poll_seconds: float
    webhooks: bool
    overlap: bool
    rounds: int
    vanishes: bool = False


POLLED = Life("polled", poll_seconds=1, webhooks=False, overlap=False, rounds=1)
"""Every webhook is lost, and a round looks back to the mark and no further: what the mark has passed, nobody finds any more."""

TOLD = Life("told", poll_seconds=30, webhooks=True, overlap=True, rounds=0)
"""Webhooks come, and come again after a death; polling as shipped repeats what is two minutes old to each new bridge."""

VANISHED = replace(POLLED, name="vanished", rounds=2, vanishes=True)
"""Absence is believed when two looks in a row find it, and a bridge remembers no look of the one before it."""

LIVES = (POLLED, TOLD, VANISHED)

LOOK_SECONDS = 0.05
IDLE_SECONDS = 0.3


@dataclass
class BridgeSeat:
    seat: Seat
    life: Life
    project: str
    bridge: BridgeSettings
    bridges: list[WorkerProcess] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.seat.on.home.folder / self.seat.name

    @property
    def address(self) -> str:
        """Where the last bridge listens, or listened; empty before it does."""
        log = self._log(len(self.bridges))
        found = re.search(r'^{"bridge": "(.+)"}$', log.read_text(), re.MULTILINE) if log.exists() else None
        return found[1] if found else ""

    async def start_bridge(self, death: StepBoundary | None = None) -> datetime:
        """Start the bridge that serves from now on; returns when it was begun."""
        begun_at = datetime.now(UTC)
        order = Order(
            name=f"{self.seat.name}-bridge-{len(self.bridges) + 1}",
            environment=self.seat.environment,
            log=str(self._log(len(self.bridges) + 1)),
            bridge=Watch(
                scene=str(self.folder / "scene"),
                narration=str(self.folder / "narration"),
                state=str(self.bridge.state),
                overlap=self.life.overlap,
                death=death,
            ),
        )
        self.bridges.append(await self.seat.on.nursery.bear(order))
        return begun_at

    @asynccontextmanager
    async def scene(self, name: str) -> AsyncIterator[None]:
        """The bridge stands still while somebody acts: all that it does next is done in the new scene.

        Without overlap until the second is over, too. A mark is told in the vendor's whole seconds, and one that ran ahead
        within the second of the act would be forgiven.
        """
        bridge = self.bridges[-1] if self.bridges else None
        with suppress(ProcessLookupError):
            if bridge:
                os.kill(bridge.pid, signal.SIGSTOP)
        try:
            yield
            draft = self.folder / "scene.draft"
            draft.write_text(name)
            draft.replace(self.folder / "scene")
            if not self.life.overlap:
                acted_at = int(time.time())
                await self.until(lambda: time.time() > acted_at + 1)
        finally:
            with suppress(ProcessLookupError):
                if bridge:
                    os.kill(bridge.pid, signal.SIGCONT)

    def steps(self, scene: str) -> list[Step]:
        """What the bridges have done in that scene, oldest first."""
        return [step for step in read_narration(self.folder / "narration") if step.scene == scene]

    def person(self, name: str) -> JiraPerson:
        email, token = login(name)
        url = self.seat.on.settings.jira.url
        return JiraPerson(PersonSettings(url=url, email=email, token=SecretStr(token), site=SITE, project=self.project))

    async def leave(self) -> None:
        """Nothing of this case runs on."""
        for bridge in self.bridges:
            await bridge.kill()
        await self.seat.leave()

    async def until_idle(self, scene: str) -> None:
        """Until the bridge has begun its rounds of this scene, or its first one of all, and makes no step any more."""
        narration = self.folder / "narration"
        least = 1 if scene == "begun" else self.life.rounds

        def is_idle() -> bool:
            begun = [step.kind for step in self.steps(scene)].count(SEARCH)
            return begun >= least and datetime.now(UTC).timestamp() - narration.stat().st_mtime >= IDLE_SECONDS

        await self.until(is_idle)

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await asyncio.sleep(LOOK_SECONDS)

    def _log(self, number: int) -> Path:
        return self.seat.on.logs / f"{self.seat.name}-bridge-{number}.log"


async def bridge_seat(ground: Field, gateway: Gateway, life: Life) -> BridgeSeat:
    """A seat of its own on the ground, and a project of its own in Jira."""
    seat = await ground.seat()
    project = seat.name.replace("-", "").upper()
    await ground.sandbox.make_jira_project(project, f"Of {seat.name}")
    assert ground.settings.bridge
    state = ground.home.folder / seat.name / "bridge.json"
    bridge = ground.settings.bridge.model_copy(update={"poll_seconds": life.poll_seconds, "state": state})
    seat.settings = seat.settings.model_copy(
        update={"bridge": bridge, "jira": seat.settings.jira.model_copy(update={"project": project})}
    )
    seat.environment |= {
        "NIGHTLATCH_JIRA__PROJECT": project,
        "NIGHTLATCH_BRIDGE__PORT": "0",
        "NIGHTLATCH_BRIDGE__POLL_SECONDS": str(life.poll_seconds),
        "NIGHTLATCH_BRIDGE__STATE": str(state),
    }
    made = BridgeSeat(seat, life, project, bridge)
    if life.webhooks:
        gateway.bridges[project] = lambda: made.address
    return made
