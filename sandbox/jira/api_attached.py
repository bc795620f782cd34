"""REST: what hangs on an issue, its comments and its properties."""

from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.jira import comments, properties, records, render
from sandbox.jira.errors import JiraError
from sandbox.jira.http import as_object, names, number
from sandbox.jira.session import Session
from sandbox.store import Document

ORDERS = {"created": False, "+created": False, "-created": True}


def list_comments(session: Session, request: Request, _body: Any) -> Response:
    issue = session.issue(request.path_params["issue"])
    start, size = number(request, "startAt", 0), number(request, "maxResults", 100)
    # A plus sign in a query is a space by the time it is read.
    order = request.query_params.get("orderBy", "created").replace(" ", "+")
    if order not in ORDERS:
        raise JiraError(400, f"The orderBy parameter must be one of {', '.join(ORDERS)}, not {order!r}.")
    kept = records.comments(session.world.store, issue["id"])
    ordered = kept[::-1] if ORDERS[order] else kept
    shown = [_shown(session, request, comment) for comment in ordered[start : start + size]]
    return JSONResponse({"startAt": start, "maxResults": size, "total": len(kept), "comments": shown})


def add_comment(session: Session, request: Request, body: Any) -> Response:
    body = as_object(body)
    issue = session.issue(request.path_params["issue"])
    pairs = properties.accepted_list(body.get("properties") or [])
    comment = comments.add(session, issue, body.get("body"), pairs)
    return JSONResponse(_shown(session, request, comment), 201)


def read_comment(session: Session, request: Request, _body: Any) -> Response:
    return JSONResponse(_shown(session, request, _comment(session, request)))


def edit_comment(session: Session, request: Request, body: Any) -> Response:
    issue, comment = session.issue(request.path_params["issue"]), _comment(session, request)
    comments.change(session, issue, comment, as_object(body).get("body"))
    return JSONResponse(_shown(session, request, comment))


def delete_comment(session: Session, request: Request, _body: Any) -> Response:
    comments.remove(session, session.issue(request.path_params["issue"]), _comment(session, request))
    return Response(status_code=204)


def list_properties(session: Session, request: Request, _body: Any) -> Response:
    issue = session.issue(request.path_params["issue"])
    link = f"{session.site}/rest/api/3/issue/{issue['id']}/properties"
    keys = records.properties(session.world.store, issue["id"])
    return JSONResponse({"keys": [{"self": f"{link}/{quote(key, safe='')}", "key": key} for key in keys]})


def read_property(session: Session, request: Request, _body: Any) -> Response:
    key = request.path_params["property"]
    value = properties.find(session, session.issue(request.path_params["issue"]), key)
    return JSONResponse({"key": key, "value": value})


def put_property(session: Session, request: Request, body: Any) -> Response:
    """201 when the property is new, 200 when it was replaced; the answer has no body."""
    if body is None:
        raise JiraError(400, "The property value must be JSON that is not null.")
    issue = session.issue(request.path_params["issue"])
    is_new = properties.put(session, issue, request.path_params["property"], body)
    return Response(status_code=201 if is_new else 200, media_type="application/json")


def delete_property(session: Session, request: Request, _body: Any) -> Response:
    issue = session.issue(request.path_params["issue"])
    properties.remove(session, issue, request.path_params["property"])
    return Response(status_code=204)


def _comment(session: Session, request: Request) -> Document:
    issue = session.issue(request.path_params["issue"])
    return comments.find(session, issue, request.path_params["comment"])


def _shown(session: Session, request: Request, comment: Document) -> Document:
    return render.comment(session, comment, with_properties="properties" in names(request, "expand"))
