"""Makes the histories and the fingerprints anew: `python -m tests.replay.record [scene ...]`."""

import asyncio
import json
import sys

from tests.engine import start_skipping_server
from tests.house import build_house
from tests.replay.histories import FINGERPRINTS, FOLDER, fingerprint, load, save
from tests.replay.scenes import SCENES


async def main(chosen: list[str]) -> None:
    """Play the chosen scenes (all, when none is named) and write what they leave."""
    async with await start_skipping_server() as server:
        with server.with_time_skipping_disabled():
            for scene in SCENES:
                name = scene.__name__
                if chosen and name not in chosen:
                    continue
                house = build_house(server.client, server)
                async with house.working():
                    for part, handle in (await scene(house)).items():
                        save(f"{name}.{part}", await handle.fetch_history())
                sys.stdout.write(f"{name}\n")
    prints = {name: fingerprint(history) for name, history in load()}
    FINGERPRINTS.write_text(json.dumps(prints, indent=1, sort_keys=True) + "\n")
    sys.stdout.write(f"{len(prints)} histories in {FOLDER.name}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
