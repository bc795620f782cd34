"""Fault rules and the request log: which call is to go wrong, and what was called.

What a fault does on the wire is in `sandbox/wire.py`.
"""

import asyncio
import re
from collections import deque
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

REQUEST_LOG_LENGTH = 50_000

When = Literal["before", "after"]


class _Fault(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StatusFault(_Fault):
    """Answer with this status instead of performing the call; a body that is no string is sent as JSON."""

    kind: Literal["status"]
    status: int = Field(ge=200, le=599)
    body: Any = ""
    headers: dict[str, str] = {}


class EmptyFault(_Fault):
    """Perform the call, keep its status and headers, drop the body."""

    kind: Literal["empty"]


class DelayFault(_Fault):
    """Wait before or after the call takes effect."""

    kind: Literal["delay"]
    seconds: float = Field(ge=0)
    when: When = "before"


class TruncateFault(_Fault):
    """Perform the call, promise the full length, send half of the body and close; a reply without body stays whole."""

    kind: Literal["truncate"]


class ResetFault(_Fault):
    """Reset the TCP connection before the call is performed, or after it took effect."""

    kind: Literal["reset"]
    when: When = "before"


class RateLimitFault(_Fault):
    """Refuse with the vendor's own 429; `reset_in` seconds until it yields, or no such header when null."""

    kind: Literal["rate_limit"]
    reset_in: int | None = None
    remaining: int = 0


class ContentTypeFault(_Fault):
    """Perform the call and label its answer with this media type."""

    kind: Literal["content_type"]
    value: str = "text/html"


class HoldFault(_Fault):
    """Keep the call waiting, before or after it took effect, until its name is released."""

    kind: Literal["hold"]
    name: str
    when: When = "before"


Fault = (
    StatusFault | EmptyFault | DelayFault | TruncateFault | ResetFault | RateLimitFault | ContentTypeFault | HoldFault
)


class FaultRule(BaseModel):
    """Which calls go wrong, how often, and how; `path` is a regular expression, sought behind the vendor's prefix.

    `caller` is who called under a name of its own, at `/as/<caller>/`; null: anybody.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    vendor: str
    caller: str | None = None
    method: str | None = None
    path: str = ""
    times: int | None = Field(default=None, ge=1)
    skip: int = Field(default=0, ge=0)
    fault: Annotated[Fault, Field(discriminator="kind")]

    @field_validator("path")
    @classmethod
    def _path_is_a_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            msg = f"path {value!r} is not a regular expression: {error}"
            raise ValueError(msg) from error
        return value

    def matches(self, vendor: str, caller: str, method: str, path: str) -> bool:
        known = self.vendor == vendor and self.caller in (None, caller) and self.method in (None, method)
        return known and re.search(self.path, path) is not None


class _Armed:
    """A rule with what is left of it."""

    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self.skip_left = rule.skip
        self.times_left = rule.times


class Faults:
    """The armed rules in order, the calls now held, and the last 50,000 calls."""

    def __init__(self) -> None:
        self._armed: dict[str, _Armed] = {}
        self._held: dict[str, list[asyncio.Future[bool]]] = {}
        self._log: deque[dict[str, Any]] = deque(maxlen=REQUEST_LOG_LENGTH)
        self._rules_made = 0
        self._calls_seen = 0

    def arm(self, rule: FaultRule) -> str:
        self._rules_made += 1
        rule_id = f"fault-{self._rules_made}"
        self._armed[rule_id] = _Armed(rule)
        return rule_id

    def clear(self, rule_id: str | None = None) -> int:
        """Disarm one rule, or all; with all, every held call goes on too. Returns how many rules were disarmed."""
        if rule_id is not None:
            return 0 if self._armed.pop(rule_id, None) is None else 1
        cleared = len(self._armed)
        self._armed.clear()
        for name in list(self._held):
            self.release(name)
        return cleared

    def take(self, vendor: str, caller: str, method: str, path: str) -> Fault | None:
        """The fault that the first matching rule has for this call; each rule counts its own skips and times."""
        for rule_id, armed in list(self._armed.items()):
            if not armed.rule.matches(vendor, caller, method, path):
                continue
            if armed.skip_left > 0:
                armed.skip_left -= 1
                continue
            if armed.times_left is not None:
                armed.times_left -= 1
                if armed.times_left == 0:
                    del self._armed[rule_id]
            return armed.rule.fault
        return None

    async def hold(self, name: str) -> bool:
        """Return when the name is released: whether the call goes on, or is lost."""
        goes_on: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._held.setdefault(name, []).append(goes_on)
        try:
            return await goes_on
        finally:
            self._forget(name, goes_on)

    def holds(self) -> dict[str, int]:
        return {name: len(waiting) for name, waiting in self._held.items()}

    def release(self, name: str, *, lost: bool = False) -> int:
        """Let every call now held under `name` go on, or break off; returns how many. A later match is held again."""
        waiting = [call for call in self._held.pop(name, []) if not call.done()]
        for goes_on in waiting:
            goes_on.set_result(not lost)
        return len(waiting)

    def log(self, vendor: str, caller: str, method: str, path: str, query: str, fault: Fault | None) -> dict[str, Any]:
        """Note a call at its arrival; the caller fills in `status` once it is known (null: none was sent)."""
        self._calls_seen += 1
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        entry = {
            "seq": self._calls_seen,
            "at": at,
            "vendor": vendor,
            "caller": caller,
            "method": method,
            "path": path,
            "query": query,
            "status": None,
            "fault": fault.kind if fault else None,
        }
        self._log.append(entry)
        return entry

    def requests(self, caller: str | None = None) -> list[dict[str, Any]]:
        return [entry for entry in self._log if caller in (None, entry["caller"])]

    def _forget(self, name: str, goes_on: asyncio.Future[bool]) -> None:
        waiting = self._held.get(name, [])
        if goes_on in waiting:
            waiting.remove(goes_on)
        if name in self._held and not waiting:
            del self._held[name]
