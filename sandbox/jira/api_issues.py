"""REST: issues, their workflow, changelog and assignee. Each handler reads the call and leaves the work to `issues.py`."""

from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.jira import issues, properties, records, render
from sandbox.jira.errors import JiraError
from sandbox.jira.http import as_object, names, number, part
from sandbox.jira.session import Session
from sandbox.store import Document

MAX_CHANGES = 100
MAX_BULK = 100


def create(session: Session, _request: Request, body: Any) -> Response:
    body = as_object(body)
    given = part(body, "fields")
    pairs = properties.accepted_list(body.get("properties") or [])
    issue = issues.create(session, given, pairs)
    return JSONResponse(render.issue_link(session, issue), 201)


def read(session: Session, request: Request, _body: Any) -> Response:
    shown = render.issue(
        session,
        session.issue(request.path_params["issue"]),
        wanted=names(request, "fields"),
        expand=names(request, "expand"),
        properties=names(request, "properties"),
    )
    return JSONResponse(shown)


def bulk_fetch(session: Session, _request: Request, body: Any) -> Response:
    """What this person may not see, and what does not exist, is left out without a word."""
    body = as_object(body)
    wanted = body.get("issueIdsOrKeys")
    if not isinstance(wanted, list) or not 0 < len(wanted) <= MAX_BULK:
        raise JiraError(400, f"Between 1 and {MAX_BULK} issues can be fetched at once.")
    found: dict[str, Document] = {}
    for id_or_key in wanted:
        with suppress(JiraError):
            issue = session.issue(str(id_or_key))
            found[issue["id"]] = issue
    shown = [
        render.issue(session, issue, wanted=tuple(body.get("fields") or ()), expand=(), properties=())
        for issue in sorted(found.values(), key=lambda issue: int(issue["id"]))
    ]
    return JSONResponse({"issues": shown, "issueErrors": []})


def edit(session: Session, request: Request, body: Any) -> Response:
    body = as_object(body)
    issue = session.issue(request.path_params["issue"])
    pairs = properties.accepted_list(body.get("properties") or [])
    with session.world.store.transaction():
        issues.edit(session, issue, part(body, "fields"), part(body, "update"))
        for key, value in pairs:
            properties.put(session, issue, key, value)
    if request.query_params.get("returnIssue") == "true":
        return JSONResponse(render.issue(session, issue, expand=names(request, "expand")))
    return Response(status_code=204)


def delete(session: Session, request: Request, _body: Any) -> Response:
    issues.delete(session, session.issue(request.path_params["issue"]))
    return Response(status_code=204)


def assign(session: Session, request: Request, body: Any) -> Response:
    issue = session.issue(request.path_params["issue"])
    account_id = as_object(body).get("accountId")
    issues.edit(session, issue, {"assignee": {"accountId": account_id}}, {})
    return Response(status_code=204)


def changelog(session: Session, request: Request, _body: Any) -> Response:
    """Oldest first, at most a hundred a page; `nextPage` until `isLast`."""
    issue = session.issue(request.path_params["issue"])
    start, size = number(request, "startAt", 0), number(request, "maxResults", MAX_CHANGES, MAX_CHANGES)
    kept = records.changes(session.world.store, issue["id"])
    link = f"{session.site}/rest/api/3/issue/{request.path_params['issue']}/changelog"
    page = kept[start : start + size]
    shown = {
        "self": f"{link}?maxResults={size}&startAt={start}",
        "maxResults": size,
        "startAt": start,
        "total": len(kept),
        "isLast": start + len(page) >= len(kept),
        "values": [render.change(session, change) for change in page],
    }
    if not shown["isLast"]:
        shown["nextPage"] = f"{link}?maxResults={size}&startAt={start + len(page)}"
    return JSONResponse(shown)


def transitions(session: Session, request: Request, _body: Any) -> Response:
    issue = session.issue(request.path_params["issue"])
    only = request.query_params.get("transitionId")
    steps = [step for step in render.open_transitions(issue) if only in (None, step.id)]
    return JSONResponse({"expand": "transitions", "transitions": [render.transition(session, step) for step in steps]})


def transition(session: Session, request: Request, body: Any) -> Response:
    """No transition of this workflow has a screen, so that nothing can be set along with one."""
    issue = session.issue(request.path_params["issue"])
    body = as_object(body)
    unwelcome = sorted(part(body, "fields") | part(body, "update"))
    if unwelcome:
        reason = "Field cannot be set. It is not on the appropriate screen, or unknown."
        raise JiraError(400, fields=dict.fromkeys(unwelcome, reason))
    transition_id = part(body, "transition").get("id")
    if not isinstance(transition_id, (str, int)):
        raise JiraError(400, "Missing 'transition' identifier")
    issues.transition(session, issue, str(transition_id))
    return Response(status_code=204)
