"""REST: search, and what belongs to the site rather than to an issue (people, fields, projects, server)."""

import base64
import binascii
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.jira import clauses, jql, render
from sandbox.jira.errors import JiraError
from sandbox.jira.http import MAX_PAGE, as_object, names, number
from sandbox.jira.people import find_person
from sandbox.jira.projects import projects
from sandbox.jira.schema import FIELDS
from sandbox.jira.session import Session
from sandbox.jira.times import now_ms, printed

DEFAULT_PAGE = 50


def search_by_query(session: Session, request: Request, _body: Any) -> Response:
    return _search(
        session,
        request.query_params.get("jql", ""),
        size=number(request, "maxResults", DEFAULT_PAGE),
        token=request.query_params.get("nextPageToken"),
        wanted=names(request, "fields"),
        expand=names(request, "expand"),
        properties=names(request, "properties"),
    )


def search_by_body(session: Session, _request: Request, body: Any) -> Response:
    body = as_object(body)
    size = body.get("maxResults", DEFAULT_PAGE)
    if not isinstance(size, int) or size < 0:
        raise JiraError(400, "The maxResults value must be a number of at least 0.")
    return _search(
        session,
        str(body.get("jql", "")),
        size=min(size, MAX_PAGE),
        token=body.get("nextPageToken"),
        wanted=tuple(body.get("fields") or ()),
        expand=tuple(str(body.get("expand") or "").split(",")),
        properties=tuple(body.get("properties") or ()),
    )


def myself(session: Session, _request: Request, _body: Any) -> Response:
    return JSONResponse(render.user(session, session.person, profile=True))


def user(session: Session, request: Request, _body: Any) -> Response:
    account_id = request.query_params.get("accountId", "")
    person = find_person(session.world.store, account_id)
    if person is None:
        raise JiraError(404, f"Specified user does not exist or you do not have required permissions: {account_id}")
    return JSONResponse(render.user(session, person, profile=True))


def fields(_session: Session, _request: Request, _body: Any) -> Response:
    return JSONResponse([field.json() for field in FIELDS.values()])


def project(session: Session, request: Request, _body: Any) -> Response:
    given = request.path_params["project"]
    for key, (project_id, _) in projects(session.world.store).items():
        if given in {key, project_id}:
            return JSONResponse(render.project(session, key) | {"issueTypes": [render.issue_type(session)]})
    raise JiraError(404, f"No project could be found with key or id '{given}'.")


def server_info(session: Session, _request: Request, _body: Any) -> Response:
    shown = {
        "baseUrl": session.site,
        "version": "1001.0.0-SNAPSHOT",
        "versionNumbers": [1001, 0, 0],
        "deploymentType": "Cloud",
        "buildNumber": 100_000,
        "serverTime": printed(now_ms()),
        "serverTimeZone": "Etc/UTC",
        "serverTitle": "Jira stand-in",
    }
    return JSONResponse(shown)


def _search(
    session: Session,
    query: str,
    *,
    size: int,
    token: str | None,
    wanted: tuple[str, ...],
    expand: tuple[str, ...],
    properties: tuple[str, ...],
) -> Response:
    """One page; without `fields` an issue is shown by its id alone, as Jira does."""
    start = _start(token, query) if token else 0
    found = clauses.matching(session, jql.parse(query))
    page = found[start : start + size]
    if wanted:
        issues = [render.issue(session, each, wanted=wanted, expand=expand, properties=properties) for each in page]
    else:
        issues = [{"id": each["id"]} for each in page]
    shown: dict[str, Any] = {"issues": issues, "isLast": start + size >= len(found)}
    if not shown["isLast"]:
        shown["nextPageToken"] = _token(start + size, query)
    return JSONResponse(shown)


def _token(start: int, query: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([start, query]).encode()).decode()


def _start(token: Any, query: str) -> int:
    """Where the page begins; a token is good only for the query that gave it."""
    try:
        start, asked = json.loads(base64.urlsafe_b64decode(str(token)))
    except (binascii.Error, ValueError, TypeError):
        raise JiraError(400, "The nextPageToken is invalid.") from None
    if asked != query or not isinstance(start, int):
        raise JiraError(400, "The nextPageToken belongs to another query.")
    return start
