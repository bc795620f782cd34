"""How the command line answers: one JSON document or words for people, errors in a line or two, and what exit codes mean."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain.errors import InvalidInputError, NightlatchError, VendorError, VendorErrorKind

if TYPE_CHECKING:
    from rich.console import RenderableType

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, and nothing else.")]
Document = dict[str, Any]
UNFOLDED = 10_000


class ExitCode(IntEnum):
    OK = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    DEFECT = 5


EXIT_CODES = (
    "Exit codes: 0 done; 1 refused, or the answer is no; 2 wrong usage or configuration; 3 not reachable; 4 not found;"
    " 5 a defect of nightlatch itself; 130 interrupted."
)

_OF_VENDOR = {
    VendorErrorKind.NOT_FOUND: ExitCode.NOT_FOUND,
    VendorErrorKind.AUTH_FAILED: ExitCode.REFUSED,
    VendorErrorKind.FORBIDDEN: ExitCode.REFUSED,
    VendorErrorKind.INVALID: ExitCode.REFUSED,
}


class CommandError(NightlatchError):
    """A command that ends without doing its work, and the exit code that says why."""

    def __init__(self, message: str, code: ExitCode, **facts: Any) -> None:
        """`facts` join the JSON document."""
        super().__init__(message)
        self.code = code
        self.facts = facts


@contextmanager
def answering(as_json: bool) -> Iterator[None]:
    """Turn every expected failure into a message on standard error and an exit code."""
    try:
        yield
    except NightlatchError as error:
        facts = error.facts if isinstance(error, CommandError) else {}
        raise typer.Exit(complain(str(error), exit_code(error), as_json=as_json, **facts)) from error


def complain(message: str, code: ExitCode, *, as_json: bool, **facts: Any) -> int:
    """Say on standard error why the work was not done, and with `--json` on standard output too; returns the exit code."""
    with suppress(OSError):
        sys.stderr.write(f"nightlatch: {plain(message)}\n")
        if as_json:
            _write_json({"ok": False, "error": message, "exit_code": int(code)} | facts)
    return int(code)


def answer(document: Document, as_json: bool, render: "Callable[[], RenderableType]") -> None:
    """Print the result: `document`, or what `render` makes of it for people."""
    if as_json:
        _write_json({"ok": True} | document)
        return
    rendered = render()
    if isinstance(rendered, str):
        sys.stdout.write(f"{plain(rendered)}\n")
        return
    from rich.console import Console  # noqa: PLC0415 - slow, and not needed for words or --json

    # What is read by another program is not folded to a terminal's width: one line stays one line.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else UNFOLDED
    Console(highlight=False, markup=False, width=width).print(rendered)


def plain(text: str) -> str:
    """`text` without what a terminal would obey: strangers write in tickets."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)


def exit_code(error: NightlatchError) -> ExitCode:
    """What this failure means to a script."""
    if isinstance(error, CommandError):
        return error.code
    if isinstance(error, VendorError):
        return _OF_VENDOR.get(error.kind, ExitCode.UNREACHABLE)
    return ExitCode.USAGE if isinstance(error, InvalidInputError) else ExitCode.REFUSED


def _write_json(document: Document) -> None:
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")
