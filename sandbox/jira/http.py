"""Between Starlette and the operations: who is calling, what the body holds, and refusals in Jira's shape."""

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.jira.errors import JiraError
from sandbox.jira.people import Person, authenticate
from sandbox.jira.session import Session
from sandbox.store import Document
from sandbox.world import World

Handler = Callable[[Session, Request, Any], Response]
MAX_PAGE = 5_000


def site(request: Request) -> str:
    """The address under which this caller reached the site, whatever it is mounted at."""
    return f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"


def endpoint(world: World, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """An API route: only for people who can log in; `handler` gets the JSON body, or None when there is none."""

    async def answer(request: Request) -> Response:
        raw = await request.body()
        person = authenticate(world.store, request.headers.get("authorization"))
        if person is None:
            response: Response = JiraError(401, "Client must be authenticated to access this resource.").response()
        else:
            response = _performed(handler, Session(world, site(request), person), request, raw)
        _stamp(response, person)
        return response

    return answer


def number(request: Request, name: str, default: int, highest: int = MAX_PAGE) -> int:
    """A count in the query, lowered to what a page may hold; raises a 400 when it is no count."""
    given = request.query_params.get(name, str(default))
    if not given.isascii() or not given.isdecimal():
        raise JiraError(400, f"The {name} parameter must be a number of at least 0, not {given!r}.")
    return min(int(given), highest)


def names(request: Request, parameter: str) -> tuple[str, ...]:
    """A list in the query, comma-separated or repeated."""
    given = request.query_params.getlist(parameter)
    return tuple(name.strip() for each in given for name in each.split(",") if name.strip())


def as_object(body: Any) -> Document:
    if not isinstance(body, dict):
        raise JiraError(400, "Invalid request payload. Refer to the REST API documentation and try again.")
    return body


def part(body: Document, name: str) -> Document:
    """An object inside a body, empty when it is absent or null."""
    return as_object(body.get(name) or {})


def _performed(handler: Handler, session: Session, request: Request, raw: bytes) -> Response:
    try:
        return handler(session, request, _json(request, raw))
    except JiraError as refusal:
        return refusal.response()


def _json(request: Request, raw: bytes) -> Any:
    if not raw:
        return None
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if media_type != "application/json":
        raise JiraError(415, f"The content type must be application/json, not {media_type!r}.")
    try:
        body = json.loads(raw)
        # Python reads NaN and lone surrogates, which no answer could carry back.
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise JiraError(400, "There was an error parsing JSON. Check that your request body is valid.") from None
    return body


def _stamp(response: Response, person: Person | None) -> None:
    response.headers["Atl-Traceid"] = secrets.token_hex(16)
    if person is None:
        response.headers["WWW-Authenticate"] = 'OAuth realm="jira"'
        response.headers["X-Seraph-LoginReason"] = "AUTHENTICATED_FAILED"
    else:
        response.headers["X-AAccountId"] = person.account_id
