"""Okta's System Log, told from the sandbox's audit log."""

import uuid
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from sandbox.audit import AuditLog
from sandbox.okta.answers import OktaError, linked, page_limit, stamp
from sandbox.okta.filters import select
from sandbox.store import Document

DEFAULT_SPAN = timedelta(days=7)
EVENT_TYPES = {
    "membership.added": "group.user_membership.add",
    "membership.removed": "group.user_membership.remove",
    "sessions.revoked": "user.session.clear",
    "session.created": "user.session.start",
    "group.created": "group.lifecycle.create",
    "group.deleted": "group.lifecycle.delete",
    "user.created": "user.lifecycle.create",
    "token.issued": "app.oauth2.token.grant.access_token",
}
STATUS_EVENT_TYPES = {
    "ACTIVE": "user.lifecycle.activate",
    "SUSPENDED": "user.lifecycle.suspend",
    "DEPROVISIONED": "user.lifecycle.deactivate",
    "DELETED": "user.lifecycle.delete.completed",
    "LOCKED_OUT": "user.account.lock",
}


def list_events(request: Request, audit: AuditLog) -> Response:
    """`GET /api/v1/logs`: bounded by `until` it ends, without it there is always a next page to poll, as at Okta."""
    query = request.query_params
    until = _instant(query.get("until"), datetime.now(UTC))
    since = _instant(query.get("since"), until - DEFAULT_SPAN)
    order = query.get("sortOrder", "ASCENDING")
    if order not in {"ASCENDING", "DESCENDING"}:
        raise OktaError("E0000001", f"sortOrder: must be ASCENDING or DESCENDING, not {order!r}")
    lines = [line for line in audit.entries() if since <= datetime.fromisoformat(line["at"]) < until]
    events = [(line["seq"], event) for line in lines if (event := _event(line)) is not None]
    return _page(request, events, descending=order == "DESCENDING", polling="until" not in query)


def _page(request: Request, events: list[tuple[int, Document]], *, descending: bool, polling: bool) -> Response:
    limit = page_limit(request, default=100, most=1000)
    if wanted := request.query_params.get("filter"):
        kept = select([event for _, event in events], wanted)
        events = [(seq, event) for seq, event in events if event in kept]
    if descending:
        events.reverse()
    after = request.query_params.get("after", "")
    if after.isdecimal():
        events = [(seq, event) for seq, event in events if (seq < int(after) if descending else seq > int(after))]
    shown = events[:limit]
    more = len(events) > limit or (polling and not descending)
    cursor = str(shown[-1][0]) if shown else after or "0"
    return linked(request, [event for _, event in shown], cursor if more else None)


def _event(line: Document) -> Document | None:
    """One log event; none for what Okta does not log, such as adding a member who is one."""
    kind = STATUS_EVENT_TYPES.get(line.get("new", "")) or EVENT_TYPES.get(line["event"])
    if line["vendor"] != "okta" or kind is None or line.get("changed") is False:
        return None
    return {
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"sandbox-audit:{line['seq']}")),
        "published": stamp(datetime.fromisoformat(line["at"])),
        "eventType": kind,
        "version": "0",
        "severity": "INFO",
        "displayMessage": line["event"],
        "actor": {"id": line["actor"], "type": "User" if line["actor"].startswith("00u") else "PublicClientApp"},
        "outcome": {"result": "SUCCESS"},
        "target": [
            {"id": line[fact], "type": kind}
            for fact, kind in (("user_id", "User"), ("group_id", "UserGroup"))
            if fact in line
        ],
    }


def _instant(text: str | None, default: datetime) -> datetime:
    if text is None:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise OktaError("E0000001", f"{text!r} is not an ISO 8601 instant") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
