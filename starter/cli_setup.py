"""`setup`: what an installation needs once: search attributes, schedules, the first freeze word. Safe to repeat; it lifts no freeze."""

import asyncio
from typing import TYPE_CHECKING

import typer

from starter.cli_output import EXIT_CODES, Json, answer, answering

if TYPE_CHECKING:
    from activities.settings import Settings

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def setup(as_json: Json = False) -> None:
    """Register search attributes and schedules in the namespace, and write the first freeze word on the control ticket."""
    with answering(as_json):
        from activities.settings import load_settings  # noqa: PLC0415 - slow

        done = asyncio.run(_setup(load_settings()))
        answer({"did": done}, as_json, lambda: "\n".join(done))


async def _setup(settings: "Settings") -> list[str]:
    from starter.connection import ensure_search_attributes  # noqa: PLC0415 - slow
    from starter.engine_reading import engine  # noqa: PLC0415 - slow
    from starter.first_word import write_first_word  # noqa: PLC0415 - slow
    from starter.schedules import ensure_schedules  # noqa: PLC0415 - slow

    async with engine() as client:
        await ensure_search_attributes(client)
        done = [f"the search attributes are registered in namespace {client.namespace!r}"]
        schedules = await ensure_schedules(client, settings)
    return [*done, await write_first_word(settings), *schedules]
