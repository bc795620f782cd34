"""Makes the histories and the fingerprints anew: `python -m tests.replay.record [--keep BUILD] [scene ...]`."""

import argparse
import asyncio
import logging
import sys
import traceback
from collections.abc import Sequence

from temporalio.client import WorkflowHistory
from temporalio.testing import WorkflowEnvironment

from starter.leaving import leave
from tests.engine import start_server, start_skipping_server
from tests.house import build_house
from tests.replay.histories import FOLDER, fingerprint, keep_earlier, load, save, write_fingerprints
from tests.replay.scenes import SCENES
from tests.replay.scenes_holding import SMALL_BOUND, WITH_A_SMALL_BOUND
from tests.replay.stage import Scene
from tests.workflows.porter import employ

SIDE_BY_SIDE = 4
SUGGEST = f"limit.historyCount.suggestContinueAsNew={SMALL_BOUND}"


async def main(chosen: Sequence[str], kept_as: str) -> int:
    """Play the chosen scenes (all, when none is named) and write what they leave; 1 when one of them failed."""
    scenes = {name: scene for name, scene in SCENES.items() if not chosen or name in chosen}
    small = {scene.__name__ for scene in WITH_A_SMALL_BOUND}
    failed: list[str] = []
    async with await start_skipping_server() as server:
        with server.with_time_skipping_disabled():
            failed += await _play({name: scene for name, scene in scenes.items() if name not in small}, server, kept_as)
    async with await start_server("--dynamic-config-value", SUGGEST) as server:
        failed += await _play({name: scene for name, scene in scenes.items() if name in small}, server, kept_as)
    prints = {name: fingerprint(history) for name, history in load()}
    write_fingerprints(prints)
    sys.stdout.write(f"{len(prints)} histories in {FOLDER.name}\n")
    if failed:
        sys.stdout.write(f"not recorded: {', '.join(failed)}\n")
    return 1 if failed else 0


async def _play(scenes: dict[str, Scene], server: WorkflowEnvironment, kept_as: str) -> list[str]:
    """Write what each leaves; returns the names of those that failed, each after its error."""
    places, failed = asyncio.Semaphore(SIDE_BY_SIDE), []

    async def play(name: str, scene: Scene) -> None:
        async with places:
            try:
                left = await _left_by(scene, server)
            except Exception:  # noqa: BLE001 - one scene that fails takes none of the others along
                traceback.print_exc()
                failed.append(name)
                return
        for part, history in left.items():
            if kept_as:
                keep_earlier(f"{name}.{part}", history, kept_as)
            save(f"{name}.{part}", history)
        sys.stdout.write(f"{name}\n")

    async with asyncio.TaskGroup() as playing:
        for name, scene in scenes.items():
            playing.create_task(play(name, scene), name=name)
    return failed


async def _left_by(scene: Scene, server: WorkflowEnvironment) -> dict[str, WorkflowHistory]:
    house = build_house(server.client, server)
    employ(house)
    async with house.working():
        return {
            part: found if isinstance(found, WorkflowHistory) else await found.fetch_history()
            for part, found in (await scene(house)).items()
        }


if __name__ == "__main__":
    asks = argparse.ArgumentParser(prog="python -m tests.replay.record", description=__doc__)
    asks.add_argument("scenes", nargs="*", metavar="scene", help="which scenes to play (default: all)")
    asks.add_argument(
        "--keep",
        default="",
        metavar="BUILD",
        help="keep each history that a patch changes, under the name of the build that still has such runs open",
    )
    told = asks.parse_args()
    logging.getLogger("temporalio").setLevel(logging.ERROR)
    if unknown := set(told.scenes) - set(SCENES):
        asks.error(f"no such scene: {', '.join(sorted(unknown))}; known: {', '.join(SCENES)}")
    leave(asyncio.run(main(told.scenes, told.keep)))
