"""`why`: who asked, who approved, what was armed, granted, removed and proved, from the ticket's signed records alone."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import InvalidInputError, NotFoundError
from starter.cli_output import EXIT_CODES, CommandError, Document, ExitCode, Json, answer, answering, plain
from starter.people_jira import ticket_key

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType

    from activities.settings import Settings
    from domain.canonical import KeyRing
    from starter.ticket_evidence import Line

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def why(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Ticket key, for example SEC-42.")], as_json: Json = False
) -> None:
    """Why somebody has or had access: the ticket's records, each checked against the trusted keys. Needs no Temporal.

    Reads with the credential of the settings, and on the control ticket what is kept of a ticket that was deleted.
    Exit code 1 when a record does not verify, 4 when there is none.
    """
    with answering(as_json):
        from activities.registry import load_keys  # noqa: PLC0415 - slow
        from activities.settings import KeySettings, load_settings  # noqa: PLC0415 - slow

        settings = load_settings()
        keys = load_keys(KeySettings(trusted=settings.keys.trusted)).trusted
        try:
            document, about, lines = _standing(settings, ticket_key(key), keys)
        except NotFoundError as error:
            document, about, lines = _kept(settings, ticket_key(key), keys, error)
        is_sound = all(line.verified for line in lines)
        document |= {"verified": is_sound, "records": [line.model_dump(mode="json") for line in lines]}
        if is_sound or not as_json:
            answer(document, as_json, lambda: _told(about, lines))
        if not is_sound:
            message = f"{document['ticket']} bears records that do not verify; trust none of those"
            raise CommandError(message, ExitCode.REFUSED, **document)


Found = tuple[Document, str, "list[Line]"]
"""The answer without its records, what the ticket asked for in words, and the records."""


def _standing(settings: "Settings", key: str, keys: "KeyRing") -> Found:
    """What stands on a ticket itself."""
    from starter.ticket_evidence import read_lines, read_ticket  # noqa: PLC0415 - slow

    view, properties = asyncio.run(read_ticket(settings.jira, key))
    if view.ref == settings.control_ticket:
        message = f"{view.ref.key} is the control ticket; name the deleted ticket whose records it keeps"
        raise CommandError(message, ExitCode.USAGE)
    lines = read_lines(properties, view.ref, keys)
    if not lines:
        raise CommandError(f"{view.ref.key} bears no records: Nightlatch has not opened it", ExitCode.NOT_FOUND)
    asked_by = _person(settings.catalogue, view.reporter)
    about = f"{view.ref.key}: {view.entitlement} for {view.duration}, asked by {asked_by}: {view.reason}"
    return {"ticket": view.ref.key, "asked_by": view.reporter, "kept_on": None}, about, lines


def _kept(settings: "Settings", key: str, keys: "KeyRing", error: NotFoundError) -> Found:
    """What the control ticket keeps of a ticket that is gone."""
    from starter.kept_records import kept_lines  # noqa: PLC0415 - slow
    from starter.ticket_evidence import read_ticket  # noqa: PLC0415 - slow

    control = settings.control_ticket.key
    view, properties = asyncio.run(read_ticket(settings.jira, control))
    lines = kept_lines(key, view, properties, keys, settings.jira.own_account)
    if not lines:
        raise CommandError(f"{error}; and {control} keeps no records of it", ExitCode.NOT_FOUND) from error
    about = f"{key} was deleted, or is hidden from Nightlatch; what was still to be told of it is kept on {control}"
    return {"ticket": key, "asked_by": None, "kept_on": control}, about, lines


def _told(about: str, lines: "list[Line]") -> "RenderableType":
    from rich.console import Group  # noqa: PLC0415 - slow
    from rich.text import Text  # noqa: PLC0415

    from starter.cli_views import timed  # noqa: PLC0415 - slow

    shown = []
    for line in lines:
        verdict = (" ok  ", "green") if line.verified else ("NOT OK ", "bold red")
        told = line.told if line.verified else f"{line.told} [{line.problem}]"
        what = Text.assemble(verdict, (plain(line.kind.replace("_", " ")), "bold"), "  ", plain(told))
        shown.append((_second(line.at), what))
    every = f"Each of the {len(lines)} records is signed by a trusted key, and stands in its place."
    end = [Text(), Text(every)] if all(line.verified for line in lines) else []
    return Group(Text(plain(about)), Text(), timed(shown), *end)


def _second(at: str) -> str:
    """What stands in a record that does not verify may be no instant at all."""
    from starter.record_words import instant  # noqa: PLC0415 - slow

    try:
        return instant(at)
    except ValueError:
        return at


def _person(folder: "Path", account: str) -> str:
    """The catalogue's name of an account; the account itself where the catalogue does not know or tell."""
    from activities.catalogue_files import load_catalogue  # noqa: PLC0415 - slow

    try:
        people = load_catalogue(folder).people.people
    except InvalidInputError:
        return account
    return next((name for name, person in people.items() if account in person.jira), account)
