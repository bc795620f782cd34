"""`freeze` and `unfreeze`: stopping every grant takes one person, and starting again takes two."""

import asyncio
import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import InvalidInputError, VendorError
from domain.values import render_instant
from starter.cli_output import EXIT_CODES, CommandError, Document, Json, answer, answering, exit_code

if TYPE_CHECKING:
    from activities.settings import Settings
    from domain.canonical import SigningKey
    from domain.freeze import FreezeWord

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def freeze(
    reason: Annotated[str, typer.Argument(metavar="REASON", help="Why, for everybody who reads the control ticket.")],
    by: Annotated[str, typer.Option(help="Who you are; default: your login on this machine.")] = "",
    as_json: Json = False,
) -> None:
    """Stop every grant and extension, now. Access that is active still ends in its time. It takes two people to lift.

    Needs the Jira login of an installation. Where the judge's key is at hand the word is signed; without it, it freezes too.
    """
    with answering(as_json):
        from activities.settings import load_settings  # noqa: PLC0415 - slow

        if not reason.strip():
            raise InvalidInputError("the reason is empty; write why nothing may be granted")
        settings = load_settings()
        judge, unsigned = _judge(settings)
        who = by.strip() or _login()
        asyncio.run(_freeze(settings, judge, who, reason))
        control = settings.control_ticket.key
        document: Document = {"control": control, "frozen": True, "by": who, "signed": judge is not None}
        how = "signed by the judge's key" if judge is not None else f"not signed, and freezing all the same: {unsigned}"
        answer(document, as_json, lambda: f"{control}: frozen by {who}; the word is {how}")


@app.command(epilog=EXIT_CODES)
def unfreeze(as_json: Json = False) -> None:
    """Lift a freeze that two operators of the catalogue want lifted: each writes `/unfreeze REASON` on the control ticket first.

    Run it where the judge's key is. Comments count that were written after the freeze, by the persons themselves, within a
    day, and not edited since. Exit code 1 when it stays frozen.
    """
    with answering(as_json):
        from activities.settings import load_settings  # noqa: PLC0415 - slow

        settings = load_settings()
        word = asyncio.run(_unfreeze(settings))
        control = settings.control_ticket.key
        if word is None:
            answer({"control": control, "frozen": False, "lifted": False}, as_json, lambda: f"{control}: not frozen")
            return
        facts = {"by": word.by, "reason": word.reason, "at": render_instant(word.at)}
        document: Document = {"control": control, "frozen": False, "lifted": True, **facts}
        answer(document, as_json, lambda: f"{control}: no longer frozen, by {word.by}; access may be granted again")


def _judge(settings: "Settings") -> "tuple[SigningKey | None, str]":
    """(The judge's key, or why there is none.) A freeze waits for no file to be mended."""
    from activities.registry import load_keys  # noqa: PLC0415 - slow
    from activities.settings import KeySettings  # noqa: PLC0415 - slow

    try:
        keys = load_keys(KeySettings(trusted=settings.keys.trusted, judge=settings.keys.judge))
    except InvalidInputError as error:
        return None, str(error)
    return keys.judge, "keys.judge is not set"


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "an operator"


async def _freeze(settings: "Settings", judge: "SigningKey | None", by: str, reason: str) -> None:
    from activities.integrations.jira_tickets import JiraTickets  # noqa: PLC0415 - slow
    from starter.freezing import freeze as write  # noqa: PLC0415 - slow

    tickets = JiraTickets(settings.jira)
    try:
        await write(tickets, settings.control_ticket, judge, by=by, reason=reason, now=datetime.now(UTC))
    except VendorError as error:
        message = f"whether {settings.control_ticket.key} is frozen is not certain, run it again: {error}"
        raise CommandError(message, exit_code(error)) from error
    finally:
        await tickets.close()


async def _unfreeze(settings: "Settings") -> "FreezeWord | None":
    from activities.catalogue_files import CatalogueFolder  # noqa: PLC0415 - slow
    from activities.integrations.jira_tickets import JiraTickets  # noqa: PLC0415 - slow
    from activities.registry import load_keys  # noqa: PLC0415 - slow
    from activities.settings import KeySettings  # noqa: PLC0415 - slow
    from starter.lifting import lift  # noqa: PLC0415 - slow

    keys = load_keys(KeySettings(trusted=settings.keys.trusted, judge=settings.keys.judge))
    catalogue = CatalogueFolder(settings.catalogue, expect_digest=settings.expect_digest).current()
    tickets = JiraTickets(settings.jira)
    try:
        return await lift(tickets, settings.control_ticket, keys, catalogue, clock=lambda: datetime.now(UTC))
    finally:
        await tickets.close()
