"""`catalog enforce`: from now on members of a target need a lease. Shows who has none, asks, and writes it in the file."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from domain.ids import LeaseId
from starter.cli_output import EXIT_CODES, CommandError, Document, ExitCode, Json, answer, answering, plain

if TYPE_CHECKING:
    from activities.settings import Settings
    from domain.drift import Finding

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def enforce(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="The target's key in the catalogue.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Set a target's mode to `enforce`, after showing which members would lose access by it.

    Give those a lease or an exception first. Exit code 1 when it was not done.
    """
    with answering(as_json):
        from activities.settings import load_settings  # noqa: PLC0415 - slow
        from starter.enforcing import enforce as write  # noqa: PLC0415 - slow

        settings = load_settings()
        losing = asyncio.run(_losing(settings, target))
        accounts = [str(LeaseId.parse(finding.lease_id).subject) for finding in losing]
        if not yes:
            _ask(target, accounts, as_json)
        file = write(settings.catalogue, target)
        document: Document = {"target": target, "file": str(file), "lose_access": accounts}
        answer(document, as_json, lambda: f"{file}: {target} is enforced as soon as workers read it")


async def _losing(settings: "Settings", target: str) -> "list[Finding]":
    from starter.enforcing import who_would_lose_access  # noqa: PLC0415 - slow

    return await who_would_lose_access(settings, target)


def _ask(target: str, accounts: list[str], as_json: bool) -> None:
    facts: Document = {"lose_access": accounts}
    shown = "\n".join(f"  {plain(account)}" for account in accounts) or "  nobody"
    if as_json or not sys.stdin.isatty():
        told = f"not done: nobody could be asked; with --yes these lose access to {target}:\n{shown}"
        raise CommandError(told, ExitCode.REFUSED, **facts)
    if not typer.confirm(f"These members of {target} have no lease and lose access:\n{shown}\nEnforce it?", err=True):
        raise CommandError("not done", ExitCode.REFUSED, **facts)
