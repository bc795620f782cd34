"""What stands before a vendor's app: the faults, and inside them the check against the official descriptions.

In this order, so that deliberate faults are not judged.
"""

import asyncio
import json
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.faults import (
    ContentTypeFault,
    DelayFault,
    EmptyFault,
    Fault,
    Faults,
    HoldFault,
    RateLimitFault,
    ResetFault,
    StatusFault,
    TruncateFault,
    When,
)
from sandbox.wire import Call, Reply
from sandbox.world import OfficialCheck


class FaultMiddleware:
    """Lets the first matching fault rule have its way with the call, and logs every call."""

    def __init__(
        self, app: ASGIApp, *, vendor: str, faults: Faults, rate_limit: Callable[[RateLimitFault], Reply]
    ) -> None:
        self._app = app
        self._vendor = vendor
        self._faults = faults
        self._rate_limit = rate_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = await Call.read(scope, receive)
        fault = self._faults.take(self._vendor, call.caller, scope["method"], call.path)
        entry = self._faults.log(self._vendor, call.caller, scope["method"], call.path, call.query, fault)
        try:
            reply = await self._reply(call, fault)
        except asyncio.CancelledError:
            # Only a server that stops cancels a call: one still held then ends as if the machine had gone.
            reply = None
        if reply is None:
            await call.break_off(reset=True)
            return
        entry["status"] = reply.status
        if isinstance(fault, TruncateFault) and reply.body:
            await reply.send(send, only_bytes=len(reply.body) // 2)
            await call.break_off(reset=False)
        else:
            await reply.send(send)

    async def _reply(self, call: Call, fault: Fault | None) -> Reply | None:
        """The answer as the fault leaves it; none when the connection is to be reset."""
        if isinstance(fault, StatusFault):
            return _stated(fault)
        if isinstance(fault, RateLimitFault):
            return self._rate_limit(fault)
        if isinstance(fault, ResetFault) and fault.when == "before":
            return None
        if not await self._pause(fault, "before"):
            return None
        reply = await call.perform(self._app)
        goes_on = await self._pause(fault, "after")
        return _distorted(fault, reply) if goes_on and not isinstance(fault, ResetFault) else None

    async def _pause(self, fault: Fault | None, when: When) -> bool:
        """Whether the call goes on after that."""
        match fault:
            case DelayFault() if fault.when == when:
                await asyncio.sleep(fault.seconds)
            case HoldFault() if fault.when == when:
                return await self._faults.hold(fault.name)
            case _:
                pass
        return True


class CheckMiddleware:
    """Reports each API call and its answer to the judge; pages for people, outside `prefixes`, are not judged."""

    def __init__(self, app: ASGIApp, *, vendor: str, judge: OfficialCheck, prefixes: tuple[str, ...]) -> None:
        self._app = app
        self._vendor = vendor
        self._judge = judge
        self._prefixes = prefixes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = await Call.read(scope, receive)
        reply = await call.perform(self._app)
        if call.path.startswith(self._prefixes):
            self._judge.check(
                self._vendor,
                scope["method"],
                call.path,
                call.query,
                call.headers,
                call.body,
                reply.status,
                reply.headers,
                reply.body,
            )
        await reply.send(send)


def _stated(fault: StatusFault) -> Reply:
    headers = MutableHeaders(fault.headers)
    if isinstance(fault.body, str):
        body = fault.body.encode()
    else:
        body = json.dumps(fault.body).encode()
        headers.setdefault("content-type", "application/json")
    return Reply(fault.status, headers, b"").with_body(body)


def _distorted(fault: Fault | None, reply: Reply) -> Reply:
    match fault:
        case EmptyFault() if reply.body:
            return reply.with_body(b"")
        case ContentTypeFault():
            return reply.with_header("content-type", fault.value)
        case TruncateFault() if reply.body:
            return reply.with_body(reply.body)
        case _:
            return reply
