"""`why`: who asked, who approved, what was armed, granted, removed and proved, from the ticket's signed records alone."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import InvalidInputError
from starter.cli_output import EXIT_CODES, CommandError, Document, ExitCode, Json, answer, answering, plain
from starter.people_jira import ticket_key

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType

    from domain.ticket import TicketView
    from starter.ticket_evidence import Line

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def why(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Ticket key, for example SEC-42.")], as_json: Json = False
) -> None:
    """Why somebody has or had access: the ticket's records, each checked against the trusted keys. Needs no Temporal.

    Reads with the credential of the settings. Exit code 1 when a record does not verify, 4 when there is none.
    """
    with answering(as_json):
        from activities.registry import load_keys  # noqa: PLC0415 - slow
        from activities.settings import KeySettings, load_settings  # noqa: PLC0415 - slow
        from starter.ticket_evidence import read_lines, read_ticket  # noqa: PLC0415 - slow

        settings = load_settings()
        keys = load_keys(KeySettings(trusted=settings.keys.trusted)).trusted
        view, properties = asyncio.run(read_ticket(settings.jira, ticket_key(key)))
        lines = read_lines(properties, view.ref, keys)
        if not lines:
            raise CommandError(f"{view.ref.key} bears no records: Nightlatch has not opened it", ExitCode.NOT_FOUND)
        is_sound = all(line.verified for line in lines)
        records = [line.model_dump(mode="json") for line in lines]
        document: Document = {
            "ticket": view.ref.key,
            "verified": is_sound,
            "asked_by": view.reporter,
            "records": records,
        }
        if is_sound or not as_json:
            answer(document, as_json, lambda: _told(view, lines, _person(settings.catalogue, view.reporter)))
        if not is_sound:
            message = f"{view.ref.key} bears records that do not verify; trust none of those"
            raise CommandError(message, ExitCode.REFUSED, **document)


def _told(view: "TicketView", lines: "list[Line]", asked_by: str) -> "RenderableType":
    from rich.console import Group  # noqa: PLC0415 - slow
    from rich.text import Text  # noqa: PLC0415

    from starter.cli_views import timed  # noqa: PLC0415

    about = f"{view.ref.key}: {view.entitlement} for {view.duration}, asked by {asked_by}: {view.reason}"
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
