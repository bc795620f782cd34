"""How each vendor says 429: the answer of a deliberate rate limit, in that vendor's own words and headers."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from starlette.datastructures import MutableHeaders

from sandbox.faults import RateLimitFault
from sandbox.okta.answers import error_body
from sandbox.wire import Reply


def _okta(fault: RateLimitFault) -> Reply:
    headers = {"x-rate-limit-limit": "600", "x-rate-limit-remaining": str(fault.remaining)}
    if fault.reset_in is not None:
        headers["x-rate-limit-reset"] = str(int(datetime.now(UTC).timestamp()) + fault.reset_in)
    return _refusal(headers, error_body("E0000047"))


def _jira(fault: RateLimitFault) -> Reply:
    headers = {
        "x-ratelimit-limit": "100",
        "x-ratelimit-remaining": str(fault.remaining),
        "ratelimit-reason": "jira-burst-based",
    }
    if fault.reset_in is not None:
        reset_at = datetime.now(UTC) + timedelta(seconds=fault.reset_in)
        headers["retry-after"] = str(fault.reset_in)
        headers["x-ratelimit-reset"] = reset_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return _refusal(headers, {"errorMessages": ["Rate limit exceeded."], "errors": {}})


RATE_LIMITS: dict[str, Callable[[RateLimitFault], Reply]] = {"okta": _okta, "jira": _jira}


def _refusal(headers: dict[str, str], body: object) -> Reply:
    content_type = {"content-type": "application/json"}
    return Reply(429, MutableHeaders(headers | content_type), b"").with_body(json.dumps(body).encode())
