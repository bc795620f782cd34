"""Commands about signing keys. They write files, and print public keys only."""

from pathlib import Path
from typing import Annotated

import typer

from starter.cli_output import EXIT_CODES, Json, answer, answering

app = typer.Typer(help="Signing keys.", no_args_is_help=True)


@app.command(epilog=EXIT_CODES)
def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write them; made if need be.")],
    as_json: Json = False,
) -> None:
    """Make the keys of judge, witness and scribe (readable by their owner alone), and trusted.json with the public halves."""
    with answering(as_json):
        from activities.key_files import TRUSTED, seed_file, write_new_keys  # noqa: PLC0415 - slow

        ring = write_new_keys(folder)
        files = {key.role.value: str(seed_file(folder, key.role)) for key in ring.keys}
        document = {
            "files": files,
            "trusted": str(folder / TRUSTED),
            "public": [key.model_dump(mode="json") for key in ring.keys],
        }
        told = "\n".join(f"{files[key.role.value]}  {key.key_id}" for key in ring.keys)
        advice = "Give each process only the seeds of the roles that it signs in, and trusted.json to all."
        answer(document, as_json, lambda: f"{told}\n{folder / TRUSTED}\n{advice}")
