"""How Okta answers: error bodies, pages with Link headers, instants, and the headers that every reply bears."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.store import Document

# code: (status, summary); https://developer.okta.com/docs/reference/error-codes/
ERRORS = {
    "E0000001": (400, "Api validation failed: {detail}"),
    "E0000006": (403, "You do not have permission to perform the requested action"),
    "E0000007": (404, "Not found: Resource not found: {detail}"),
    "E0000011": (401, "Invalid token provided"),
    "E0000022": (405, "The endpoint does not support the provided HTTP method"),
    "E0000031": (400, "Invalid search criteria."),
    "E0000038": (403, "This operation is not allowed in the user's current status."),
    "E0000047": (429, "API call exceeded rate limit due to too many requests."),
}
WINDOW_SECONDS = 60


class OktaError(Exception):
    """A refusal, raised anywhere below a route and answered in Okta's error shape."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code} {detail}".strip())
        self.code = code
        self.detail = detail


def not_found(resource_id: str, kind: str) -> OktaError:
    return OktaError("E0000007", f"{resource_id} ({kind})")


def error_body(code: str, detail: str = "") -> Document:
    summary = ERRORS[code][1].format(detail=detail)
    return {
        "errorCode": code,
        "errorSummary": summary,
        "errorLink": code,
        "errorId": f"oae{secrets.token_urlsafe(16)}",
        "errorCauses": [{"errorSummary": detail}] if detail and code == "E0000001" else [],
    }


async def answer_error(_request: Request, error: Exception) -> Response:
    if isinstance(error, OktaError):
        code, detail = error.code, error.detail
    elif isinstance(error, HTTPException) and error.status_code == 405:
        code, detail = "E0000022", ""
    else:
        code, detail = "E0000007", "unknown endpoint"
    return JSONResponse(error_body(code, detail), status_code=ERRORS[code][0])


def no_content() -> Response:
    """204 as Okta sends it: no body and no content type (the SDK fails on a 204 that claims to be JSON)."""
    return Response(status_code=204)


def stamp(moment: datetime | None = None) -> str:
    """An instant as Okta prints it: UTC, milliseconds, `Z`."""
    return (moment or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def page_limit(request: Request, *, default: int, most: int) -> int:
    """The `limit` asked for, at most what Okta gives; raises E0000001 for anything but a whole number above zero."""
    asked = request.query_params.get("limit", str(default))
    if not asked.isdecimal() or int(asked) == 0:
        raise OktaError("E0000001", f"limit: must be a positive integer, not {asked!r}")
    return min(int(asked), most)


def page(request: Request, documents: Sequence[Document], *, default: int, most: int) -> Response:
    """One page in order of id; `after` is the last id of the page before, so a removal between pages skips nobody."""
    limit = page_limit(request, default=default, most=most)
    after = request.query_params.get("after", "")
    rest = sorted((d for d in documents if d["id"] > after), key=lambda d: str(d["id"]))
    cursor = rest[limit - 1]["id"] if len(rest) > limit else None
    return linked(request, rest[:limit], cursor)


def linked(request: Request, documents: Sequence[Document], next_cursor: str | None) -> Response:
    """A list with RFC 5988 links: one header a relation, as Okta sends them."""
    response = JSONResponse(list(documents))
    response.headers.append("link", f'<{request.url}>; rel="self"')
    if next_cursor is not None:
        response.headers.append("link", f'<{request.url.include_query_params(after=next_cursor)}>; rel="next"')
    return response


class OktaHeaders:
    """Adds request id and quota to every answer, and refuses with 429 what exceeds the quota of the minute."""

    def __init__(self, app: ASGIApp, requests_per_minute: int) -> None:
        self._app = app
        self._limit = requests_per_minute
        self._window = 0
        self._used = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        remaining, reset = self._count()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-okta-request-id"] = secrets.token_hex(16)
                headers["x-rate-limit-limit"] = str(self._limit)
                headers["x-rate-limit-remaining"] = str(max(remaining, 0))
                headers["x-rate-limit-reset"] = str(reset)
            await send(message)

        app = self._app if remaining >= 0 else JSONResponse(error_body("E0000047"), status_code=429)
        await app(scope, receive, send_with_headers)

    def _count(self) -> tuple[int, int]:
        """What remains after this call (below zero: too many), and the epoch second at which the quota is full."""
        now = int(datetime.now(UTC).timestamp())
        window = now - now % WINDOW_SECONDS
        if window != self._window:
            self._window, self._used = window, 0
        self._used += 1
        return self._limit - self._used, window + WINDOW_SECONDS
