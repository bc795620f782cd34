"""`nightlatch`: the command line put together. Each command lives in a module of its own and imports what is slow only when it runs."""

import sys

import typer

from starter import cli_catalog, cli_dev, cli_engine, cli_keys, cli_people, cli_setup, cli_why
from starter.cli_output import EXIT_CODES
from starter.leaving import leave

app = typer.Typer(
    name="nightlatch",
    help="Just-in-time cloud privileges that always end.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for _commands in (cli_people.app, cli_engine.app, cli_why.app, cli_setup.app):
    app.add_typer(_commands)
app.add_typer(cli_catalog.app, name="catalog")
app.add_typer(cli_keys.app, name="keys")
app.add_typer(cli_dev.app, name="dev")


def main() -> None:
    """Run one command and leave with its exit code."""
    try:
        app(prog_name="nightlatch")
    except SystemExit as end:
        if "temporalio" in sys.modules and isinstance(end.code, int):
            leave(end.code)
        raise


if __name__ == "__main__":
    main()
