"""Commands of the embedded stack. What they do is in `starter/dev.py`."""

import importlib
from typing import Any

import typer

from starter.cli_output import EXIT_CODES, Json, answer, answering

app = typer.Typer(
    help="The embedded stack: Temporal, worker, bridge and sandbox vendors on this machine.", no_args_is_help=True
)


@app.command(epilog=EXIT_CODES)
def up(as_json: Json = False) -> None:
    """Start the stack and print its addresses, and what to set in order to use it.

    It is kept in `.nightlatch` of this folder, or where NIGHTLATCH_DEV_STATE says; each port can be chosen by
    NIGHTLATCH_DEV_<TEMPORAL | UI | SANDBOX | BRIDGE>_PORT.
    """
    _delegate("up", as_json)


@app.command(epilog=EXIT_CODES)
def down(as_json: Json = False) -> None:
    """Stop the stack. Its state stays, and access that it holds is taken back after the next start."""
    _delegate("down", as_json)


@app.command(epilog=EXIT_CODES)
def status(as_json: Json = False) -> None:
    """Say what runs, and where."""
    _delegate("status", as_json)


def _delegate(name: str, as_json: bool) -> None:
    with answering(as_json):
        told: Any = getattr(importlib.import_module("starter.dev"), name)()
        document = told if isinstance(told, dict) else {}
        width = max(map(len, document), default=0)
        answer(document, as_json, lambda: "\n".join(f"{part:{width}}  {what}" for part, what in document.items()))
