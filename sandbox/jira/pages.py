"""The ticket page and the list of tickets, for a person with a browser.

Forms act as whomever the reader chooses, by the very operations of the REST API. Plain HTML: no script, no other site.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.jira import adf, comments, issues, views
from sandbox.jira.errors import JiraError
from sandbox.jira.http import site
from sandbox.jira.people import named
from sandbox.jira.schema import EDITABLE, ISSUE_TYPE_ID, Kind
from sandbox.jira.session import Session
from sandbox.world import World

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
}
REFRESH_SECONDS = 3
FIRST_READER = "alice"

Action = Callable[[Session, FormData, str], str]


def page_routes(world: World) -> list[BaseRoute]:
    return [
        Route("/", _list_page(world)),
        Route("/browse/{issue}", _ticket_page(world)),
        Route("/requests", _form(world, _ask), methods=["POST"]),
        Route("/browse/{issue}/transition", _form(world, _transition), methods=["POST"]),
        Route("/browse/{issue}/comment", _form(world, _comment), methods=["POST"]),
        Route("/browse/{issue}/edit", _form(world, _edit), methods=["POST"]),
    ]


def _list_page(world: World) -> Callable[[Request], Awaitable[Response]]:
    async def show(request: Request) -> Response:
        return _show_list(_session(world, request, request.query_params.get("as", FIRST_READER)), request)

    return show


def _ticket_page(world: World) -> Callable[[Request], Awaitable[Response]]:
    async def show(request: Request) -> Response:
        session = _session(world, request, request.query_params.get("as", FIRST_READER))
        return _show_ticket(session, request, request.path_params["issue"])

    return show


def _form(world: World, action: Action) -> Callable[[Request], Awaitable[Response]]:
    """A form's target: does the action as the chosen person and leads back, or shows the page with the refusal."""

    async def act(request: Request) -> Response:
        origin = request.headers.get("origin")
        if origin is not None and origin != f"{request.url.scheme}://{request.url.netloc}":
            return HTMLResponse("Forms of other sites are not taken.", 403, HEADERS)
        form = await request.form()
        session = _session(world, request, _text(form, "as"))
        key = request.path_params.get("issue", "")
        try:
            _check_actor(session, _text(form, "as"))
            key = action(session, form, key)
        except JiraError as refusal:
            problem = " ".join([*refusal.messages, *refusal.fields.values()])
            if key:
                return _show_ticket(session, request, key, problem, refusal.status)
            return _show_list(session, request, problem, refusal.status)
        return RedirectResponse(f"{session.site}/browse/{key}?as={quote(session.person.name)}", 303)

    return act


def _ask(session: Session, form: FormData, _key: str) -> str:
    """Ask for access with the fields of the form; returns the key of the new ticket."""
    entitlement, subject = _text(form, "entitlement"), _text(form, "subject")
    given: dict[str, Any] = {
        "project": {"key": "SEC"},
        "issuetype": {"id": ISSUE_TYPE_ID},
        "summary": f"Access: {entitlement}",
        "customfield_10101": entitlement,
        "customfield_10102": _text(form, "duration"),
        "customfield_10103": _value(session, Kind.PERSON, subject),
        "customfield_10104": _text(form, "reason"),
    }
    return str(issues.create(session, given)["key"])


def _transition(session: Session, form: FormData, key: str) -> str:
    issues.transition(session, session.issue(key), _text(form, "transition"))
    return key


def _comment(session: Session, form: FormData, key: str) -> str:
    """A quick button's words, else those in the box."""
    comments.add(session, session.issue(key), adf.from_text(_text(form, "quick") or _text(form, "body")))
    return key


def _edit(session: Session, form: FormData, key: str) -> str:
    field_id = _text(form, "field")
    kind = EDITABLE[field_id].kind if field_id in EDITABLE else Kind.TEXT
    issues.edit(session, session.issue(key), {field_id: _value(session, kind, _text(form, "value"))}, {})
    return key


def _value(session: Session, kind: Kind, text: str) -> Any:
    if kind is Kind.PERSON and text:
        return {"accountId": _person_id(session, text)}
    return text or None


def _person_id(session: Session, name: str) -> str:
    try:
        return named(session.world.store, name).account_id
    except LookupError as error:
        raise JiraError(400, str(error)) from None


def _check_actor(session: Session, name: str) -> None:
    """Nobody acts by default: a form names an account that exists and is active."""
    if session.person.name != name or not session.person.active:
        raise JiraError(403, f"{name!r} is no active account; choose one in the form.")


def _session(world: World, request: Request, name: str) -> Session:
    """The named person, or the first reader for a name that is unknown, who may then read and nothing else."""
    try:
        person = named(world.store, name)
    except LookupError:
        person = named(world.store, FIRST_READER)
    return Session(world, site(request), person)


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _show_list(session: Session, request: Request, problem: str = "", status: int = 200) -> Response:
    rows = [views.row(session, issue) for issue in reversed(session.issues())]
    return _page("tickets.html", session, request, problem=problem, status=status, rows=rows)


def _show_ticket(session: Session, request: Request, key: str, problem: str = "", status: int = 200) -> Response:
    try:
        ticket = views.ticket(session, session.issue(key))
    except JiraError as refusal:
        return _page("absent.html", session, request, problem=refusal.messages[0], status=refusal.status)
    return _page("ticket.html", session, request, problem=problem, status=status, ticket=ticket)


def _page(template: str, session: Session, request: Request, *, problem: str, status: int, **values: Any) -> Response:
    live = request.method == "GET" and request.query_params.get("live") == "1"
    html = TEMPLATES.get_template(template).render(
        root=session.site,
        reader=session.person,
        people=views.people(session),
        refresh_seconds=REFRESH_SECONDS if live else None,
        problem=problem,
        **values,
    )
    return HTMLResponse(html, status, HEADERS)
