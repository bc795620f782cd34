"""`lease forget`: the only way out for a removal whose target is gone for good. It takes two people, like lifting a freeze."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain.forgetting import COMMAND
from domain.ids import LeaseId
from starter.cli_output import EXIT_CODES, Document, Json, answer, answering
from starter.cli_people import As, ProfileFile
from starter.people_jira import load_person, ticket_key

if TYPE_CHECKING:
    from activities.settings import Settings
    from domain.ids import TicketRef
    from domain.two_people import TwoPeopleVerdict

app = typer.Typer(no_args_is_help=True, help="Single leases, where nothing else helps.")


@app.callback()
def _lease() -> None:
    """Single leases, where nothing else helps."""


@app.command(epilog=EXIT_CODES)
def forget(
    lease_id: Annotated[str, typer.Argument(metavar="LEASE_ID", help="As `nightlatch stuck` tells it: lease:...")],
    ticket: Annotated[str, typer.Option(metavar="KEY", help="Ticket on which two people say that they want it.")],
    reason: Annotated[
        str, typer.Option(help="Why; written on the ticket as you (--as). Without it, nothing is written.")
    ] = "",
    profile: As = None,
    profile_file: ProfileFile = None,
    as_json: Json = False,
) -> None:
    """Give up a removal whose group no longer exists. It ends as forgotten, never as proved, and shields nobody.

    Two of the catalogue's operators say so on the ticket, each as themselves: with this command, or by writing
    `/forget LEASE_ID REASON` there. The lease then looks twice itself, and the judge reads the ticket again. Needs the
    settings of an installation. Exit code 1 when it is not forgotten; the message says what is missing.
    """
    with answering(as_json):
        from activities.settings import load_settings  # noqa: PLC0415 - slow

        name, key = str(LeaseId.parse(lease_id)), ticket_key(ticket)
        settings = load_settings()
        if words := " ".join(reason.split()):
            _say(key, f"{COMMAND} {name} {words}", profile, profile_file)
        verdict = asyncio.run(_forget(settings, name, key))
        because = "; ".join(dict.fromkeys(consent.reason for consent in verdict.consents))
        document: Document = {"lease_id": name, "ticket": key, "forgotten": True, "by": verdict.by, "reason": because}
        said = f"{name}: forgotten, not proved, by {verdict.by}; the lease's own ticket tells"
        answer(document, as_json, lambda: said)


def _say(key: str, words: str, profile: str | None, file: Path | None) -> None:
    from activities.integrations.jira_person import JiraPerson  # noqa: PLC0415 - slow

    person = JiraPerson(load_person(profile, file))
    try:
        person.comment(person.find(key), words)
    finally:
        person.close()


async def _forget(settings: "Settings", lease_id: str, key: str) -> "TwoPeopleVerdict":
    from activities.catalogue_files import CatalogueFolder  # noqa: PLC0415 - slow
    from activities.integrations.jira_tickets import JiraTickets  # noqa: PLC0415 - slow
    from starter.engine_reading import engine  # noqa: PLC0415 - slow
    from starter.forgetting import forget as give_up  # noqa: PLC0415 - slow

    catalogue = CatalogueFolder(settings.catalogue, expect_digest=settings.expect_digest).current()
    ticket = await asyncio.to_thread(_find, settings, key)
    tickets = JiraTickets(settings.jira)
    try:
        async with engine() as client:
            return await give_up(client, tickets, catalogue, lease_id, ticket)
    finally:
        await tickets.close()


def _find(settings: "Settings", key: str) -> "TicketRef":
    from activities.integrations.jira_person import JiraPerson  # noqa: PLC0415 - slow

    finder = JiraPerson(settings.jira)
    try:
        return finder.find(key)
    finally:
        finder.close()
