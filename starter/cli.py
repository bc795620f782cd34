"""`nightlatch`: the command line put together. Each command lives in a module of its own and imports what is slow only when it runs."""

import os
import sys
import traceback
from importlib.metadata import version
from typing import Annotated

import typer

from starter import (
    cli_catalog,
    cli_dev,
    cli_doctor,
    cli_drift,
    cli_enforce,
    cli_engine,
    cli_freeze,
    cli_keys,
    cli_lease,
    cli_people,
    cli_setup,
    cli_stuck,
    cli_sweep,
    cli_why,
)
from starter.cli_output import EXIT_CODES, ExitCode, complain
from starter.leaving import leave

TRACEBACK_VARIABLE = "NIGHTLATCH_TRACEBACK"
UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""Typer does not export the base of its own errors of usage."""

app = typer.Typer(name="nightlatch", epilog=EXIT_CODES, no_args_is_help=True, pretty_exceptions_enable=False)
PEOPLE, OPERATORS, INSTALLATION = "For people, in Jira", "For operators", "For an installation"
for _commands, _panel in (
    (cli_people.app, PEOPLE),
    (cli_engine.app, OPERATORS),
    (cli_drift.app, OPERATORS),
    (cli_stuck.app, OPERATORS),
    (cli_freeze.app, OPERATORS),
    (cli_sweep.app, OPERATORS),
    (cli_why.app, OPERATORS),
    (cli_doctor.app, INSTALLATION),
    (cli_setup.app, INSTALLATION),
):
    for _command in _commands.registered_commands:
        _command.rich_help_panel = _panel
    app.add_typer(_commands)
cli_catalog.app.add_typer(cli_enforce.app)
app.add_typer(cli_lease.app, name="lease", rich_help_panel=OPERATORS)
app.add_typer(cli_catalog.app, name="catalog", rich_help_panel=INSTALLATION)
app.add_typer(cli_keys.app, name="keys", rich_help_panel=INSTALLATION)
app.add_typer(cli_dev.app, name="dev", rich_help_panel=INSTALLATION)


def _tell_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"nightlatch {version('nightlatch')}\n")
        raise typer.Exit


@app.callback()
def _nightlatch(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Just-in-time cloud privileges that always end."""


def main() -> None:
    """Run one command and leave with its exit code. Nobody sees a traceback who has not asked for one."""
    code = _run(as_json="--json" in sys.argv)
    if "temporalio" in sys.modules:
        leave(code)
    sys.exit(code)


def _run(*, as_json: bool) -> int:
    try:
        return int(app(prog_name="nightlatch", standalone_mode=False) or 0)
    except UsageError as error:
        return _misused(error, as_json=as_json)
    except typer.Abort:
        return 130
    except OSError as error:
        return complain(f"the system did not allow it: {error}", ExitCode.REFUSED, as_json=as_json)
    except Exception as defect:  # noqa: BLE001 - whatever it is, the reader is told what to do with it
        if os.environ.get(TRACEBACK_VARIABLE):
            traceback.print_exc()
        what = f"a defect of nightlatch itself: {type(defect).__name__}: {defect}"
        advice = f"run it again with {TRACEBACK_VARIABLE}=1 and report what that prints"
        return complain(f"{what}; {advice}", ExitCode.DEFECT, as_json=as_json)


def _misused(error: Exception, *, as_json: bool) -> int:
    """What was wrong with the words of the command. One that was given no words at all has shown its help already."""
    message = str(getattr(error, "format_message", error.__str__)()).rstrip(".")
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "nightlatch"
    if not message or type(error).__name__ == "NoArgsIsHelpError":
        return ExitCode.USAGE
    return complain(f"{message}; `{path} --help` tells what it takes", ExitCode.USAGE, as_json=as_json)


if __name__ == "__main__":
    main()
