"""Commands of people: ask, approve, deny, extend, revoke. Each acts in Jira with the person's own token, and decides nothing."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain.durations import parse_duration, render_duration
from domain.errors import InvalidInputError, VendorError
from domain.ids import TicketRef
from domain.ticket import TicketComment
from domain.values import render_instant
from starter.cli_output import EXIT_CODES, CommandError, Document, ExitCode, Json, answer, answering, exit_code
from starter.people_jira import load_person, ticket_key

if TYPE_CHECKING:
    from activities.integrations.jira_person import JiraPerson, PersonSettings

app = typer.Typer()

As = Annotated[
    str | None,
    typer.Option("--as", metavar="PROFILE", help="Act as this profile of the profile file.", envvar="NIGHTLATCH_AS"),
]
ProfileFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="TOML file of profiles; default ~/.config/nightlatch/people.toml.",
        envvar="NIGHTLATCH_PROFILE_FILE",
    ),
]
Key = Annotated[str, typer.Argument(metavar="KEY", help="Ticket key, for example SEC-42.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the ticket.")]

POLL_SECONDS = 0.5
SETTLE_SECONDS = 3.0
"""How long after its comment Nightlatch may take to move the ticket's own field."""


def complete_entitlements(incomplete: str) -> list[str]:
    """For the shell, from the catalogue if there is one at hand: never a word more than that, and never an error."""
    with suppress(Exception):
        from activities.catalogue_files import load_catalogue  # noqa: PLC0415 - slow

        return [key for key in sorted(load_catalogue(_catalogue_folder()).entitlements) if key.startswith(incomplete)]
    return []


@app.command(epilog=EXIT_CODES)
def request(
    entitlement: Annotated[
        str,
        typer.Argument(
            metavar="ENTITLEMENT",
            help="What to ask for, as the catalogue names it.",
            autocompletion=complete_entitlements,
        ),
    ],
    duration: Annotated[str, typer.Argument(metavar="DURATION", help="For how long: 30m, 2h, 1h30m.")],
    reason: Annotated[str, typer.Option(help="Why the access is needed; approvers read it.")],
    person_for: Annotated[
        str,
        typer.Option("--for", metavar="PERSON", help="Whose access: a person of the catalogue or a Jira accountId."),
    ] = "",
    profile: As = None,
    profile_file: ProfileFile = None,
    as_json: Json = False,
) -> None:
    """Ask for access: creates the ticket."""
    with answering(as_json):
        span = render_duration(parse_duration(duration))
        words = " ".join(reason.split())
        if not words:
            raise InvalidInputError("the reason is empty; write why the access is needed")
        subject = _account_of(person_for)
        with _person(profile, profile_file) as (person, _):
            ticket = person.create_request(
                entitlement=entitlement, duration=span, reason=words, subject_account=subject
            )
            said = f"asked for {entitlement} for {span}; watch it with: nightlatch watch {ticket.key}"
            _told(person, ticket, as_json, said, entitlement=entitlement, duration=span)


@app.command(epilog=EXIT_CODES)
def approve(key: Key, profile: As = None, profile_file: ProfileFile = None, as_json: Json = False) -> None:
    """Approve a request: moves the ticket. Nightlatch then judges whether your answer counts."""
    with answering(as_json), _person(profile, profile_file) as (person, settings):
        ticket = person.find(ticket_key(key))
        stood = person.transition_to(ticket, settings.approved_status)
        said = f"moved from {stood!r} to {settings.approved_status!r}; the ticket will say whether the answer counts"
        _told(person, ticket, as_json, said, moved_from=stood, moved_to=settings.approved_status)


@app.command(epilog=EXIT_CODES)
def deny(
    key: Key, reason: Reason = "", profile: As = None, profile_file: ProfileFile = None, as_json: Json = False
) -> None:
    """Decline a request: moves the ticket, with the reason as a comment."""
    with answering(as_json), _person(profile, profile_file) as (person, settings):
        ticket = person.find(ticket_key(key))
        stood = person.transition_to(ticket, settings.declined_status)
        if reason.strip():
            person.comment(ticket, f"Declined: {reason}")
        said = f"moved from {stood!r} to {settings.declined_status!r}"
        _told(person, ticket, as_json, said, moved_from=stood, moved_to=settings.declined_status)


@app.command(epilog=EXIT_CODES)
def revoke(
    key: Key, reason: Reason = "", profile: As = None, profile_file: ProfileFile = None, as_json: Json = False
) -> None:
    """End the access now, or withdraw the request: writes `/revoke` on the ticket."""
    with answering(as_json), _person(profile, profile_file) as (person, settings):
        ticket = person.find(ticket_key(key))
        posted = person.comment(ticket, f"/revoke {reason}")
        said = f"asked to end the access; it is gone when the ticket says so: nightlatch watch {ticket.key}"
        if (stood := person.stands_in(ticket)) in _over(settings):
            said = f"asked to end the access; the ticket stands in {stood!r}, so none should be left"
        _told(person, ticket, as_json, said, comment_id=posted.comment_id)


@app.command(epilog=EXIT_CODES)
def extend(
    key: Key,
    span: Annotated[str, typer.Argument(metavar="SPAN", help="How much longer: 30m, 1h.")],
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the answer on the ticket.")] = 20,
    profile: As = None,
    profile_file: ProfileFile = None,
    as_json: Json = False,
) -> None:
    """Ask for more time: writes `/extend SPAN` on the ticket, and waits a little for the answer there."""
    with answering(as_json):
        more = render_duration(parse_duration(span))
        with _person(profile, profile_file) as (person, settings):
            ticket = person.find(ticket_key(key))
            if (stood := person.stands_in(ticket)) in _over(settings):
                message = (
                    f"{ticket.key} stands in {stood!r}: there is no access to extend; ask anew: nightlatch request"
                )
                raise CommandError(message, ExitCode.REFUSED)
            before = person.access_until(ticket)
            wish = person.comment(ticket, f"/extend {more}")
            patience = wait if stood == settings.active_status else min(wait, SETTLE_SECONDS)
            until, said = _await_answer(person, settings, ticket, wish, before, patience)
            facts: Document = {
                "wish_id": wish.comment_id,
                "answer": said,
                "until": render_instant(until) if until else None,
            }
            if until is not None:
                _told(person, ticket, as_json, f"extended until {until:%Y-%m-%d %H:%M:%SZ}", **facts)
            elif said:
                raise CommandError(f"{ticket.key}: {said}", ExitCode.REFUSED, **facts)
            else:
                active = stood == settings.active_status
                when = "" if active else f"; it is judged once the access is active, and the ticket stands in {stood!r}"
                said = f"asked for {more} more; the answer comes on the ticket{when}"
                _told(person, ticket, as_json, said, **facts)


def _over(settings: "PersonSettings") -> tuple[str, str]:
    return settings.declined_status, settings.closed_status


def _await_answer(
    person: "JiraPerson",
    settings: "PersonSettings",
    ticket: TicketRef,
    wish: TicketComment,
    before: datetime | None,
    wait: float,
) -> tuple[datetime | None, str]:
    """(The later end that the ticket shows, or None; Nightlatch's comment after the wish, or empty)."""
    said, deadline = "", time.monotonic() + wait
    while time.monotonic() < deadline:
        until = person.access_until(ticket)
        if until is not None and before is not None and until > before:
            return until, said
        if not said and (said := _answer_to(wish, person.comments(ticket), settings.nightlatch_account)):
            deadline = min(deadline, time.monotonic() + SETTLE_SECONDS)
        time.sleep(POLL_SECONDS)
    return None, said


def _answer_to(wish: TicketComment, comments: Sequence[TicketComment], account: str) -> str:
    """The first comment after `wish` that bears Nightlatch's reference. It is shown, and believed by nobody."""
    for comment in comments:
        text, _, marker = comment.text.rpartition("\n")
        is_ours = marker.startswith("nl-") and comment.author != wish.author and account in ("", comment.author)
        if is_ours and int(comment.comment_id) > int(wish.comment_id):
            return " ".join(text.split())
    return ""


@contextmanager
def _person(profile: str | None, file: Path | None) -> "Iterator[tuple[JiraPerson, PersonSettings]]":
    settings = load_person(profile, file)
    from activities.integrations.jira_person import JiraPerson  # noqa: PLC0415 - imports the SDK, only when used

    person = JiraPerson(settings)
    try:
        yield person, settings
    except VendorError as error:
        code = exit_code(error)
        if code is not ExitCode.UNREACHABLE:
            raise
        raise CommandError(f"{error} Jira's address is {settings.url}", code) from error
    finally:
        person.close()


def _account_of(person: str) -> str:
    """The first Jira account of a person of the catalogue; what holds a colon is an accountId already."""
    if not person or ":" in person:
        return person
    from activities.catalogue_files import load_catalogue  # noqa: PLC0415 - only for --for

    folder = _catalogue_folder()
    people = load_catalogue(folder).people.people
    if person not in people:
        raise InvalidInputError(
            f"{person!r} is no person of the catalogue in {folder}; name one of them, or an accountId"
        )
    return people[person].jira[0]


def _catalogue_folder() -> Path:
    return Path(os.environ.get("NIGHTLATCH_CATALOGUE", "catalog"))


def _told(person: "JiraPerson", ticket: TicketRef, as_json: bool, said: str, **facts: object) -> None:
    url = person.browse_url(ticket)
    document: Document = {"ticket": ticket.key, "issue_id": ticket.issue_id, "url": url, "message": said, **facts}
    answer(document, as_json, lambda: f"{ticket.key}: {said}\n{url}")
