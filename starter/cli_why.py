"""`why`: who asked, who approved, what was armed, granted, removed and proved, from the ticket's signed records alone."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from starter.cli_output import EXIT_CODES, CommandError, Document, ExitCode, Json, answer, answering, plain
from starter.people_jira import ticket_key

if TYPE_CHECKING:
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
            answer(document, as_json, lambda: _table(view, lines))
        if not is_sound:
            message = f"{view.ref.key} bears records that do not verify; trust none of those"
            raise CommandError(message, ExitCode.REFUSED, **document)


def _table(view: "TicketView", lines: "list[Line]") -> "RenderableType":
    from rich.console import Group  # noqa: PLC0415 - slow
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    about = f"{view.ref.key}: {view.entitlement} for {view.duration}, asked by {view.reporter}: {view.reason}"
    table = Table("time", "what", "signature", "told", box=None, pad_edge=False)
    for line in lines:
        verdict = Text("ok", style="green") if line.verified else Text("NOT OK", style="bold red")
        told = line.told if line.verified else f"{line.told} [{line.problem}]"
        table.add_row(Text(plain(line.at)), Text(plain(line.kind)), verdict, Text(plain(told)))
    return Group(Text(plain(about)), Text(), table)
