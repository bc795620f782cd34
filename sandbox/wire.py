"""Requests and replies as whole values, and the TCP connections under them.

Whole, so that a fault can change a reply and a check can read both sides; the vendors' bodies are small.
"""

import asyncio
import socket
import struct
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

CALLER = "caller"
"""Where in a path the caller's name stands, when it has one."""

# SO_LINGER on with zero seconds: close() then sends RST instead of FIN.
LINGER_ZERO = struct.pack("ii", 1, 0)


class TrackedProtocol(H11Protocol):
    """uvicorn's HTTP protocol, which also lets a fault find the connection of a call by the caller's address."""

    open_transports: ClassVar[dict[tuple[str, int], asyncio.Transport]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio does so only for sockets that name their protocol; without it each answer waits 40 ms for an ACK.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.client:
            self.open_transports[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.client:
            self.open_transports.pop(self.client, None)


@dataclass(frozen=True)
class Call:
    """One request: who serves it, where its path begins after the mount prefix, its whole body, and the name of its caller.

    `caller` is empty for whoever did not call under a name of its own.
    """

    scope: Scope
    path: str
    body: bytes
    receive: Receive
    caller: str = ""

    @classmethod
    async def read(cls, scope: Scope, receive: Receive) -> Self:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        caller = scope.get("path_params", {}).pop(CALLER, "")
        return cls(scope, scope["path"].removeprefix(scope.get("root_path", "")), body, receive, caller)

    @property
    def query(self) -> str:
        return bytes(self.scope["query_string"]).decode("latin-1")

    @property
    def headers(self) -> Headers:
        return Headers(scope=self.scope)

    async def break_off(self, *, reset: bool) -> None:
        """Close the connection under an unfinished answer, by a TCP reset if asked, and return once it is closed."""
        transport = TrackedProtocol.open_transports.get(tuple(self.scope["client"]))
        if transport is None:
            return  # the caller has gone already
        if reset:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
            transport.abort()
        else:
            transport.close()
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def perform(self, app: ASGIApp) -> "Reply":
        """Hand the call to `app` and collect its reply."""
        unread: list[Message] = [{"type": "http.request", "body": self.body, "more_body": False}]
        sent: list[Message] = []

        async def receive() -> Message:
            return unread.pop() if unread else await self.receive()

        async def send(message: Message) -> None:
            sent.append(message)

        await app(self.scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return Reply(sent[0]["status"], MutableHeaders(raw=list(sent[0]["headers"])), body)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: MutableHeaders
    body: bytes

    def with_body(self, body: bytes) -> "Reply":
        headers = self.headers.mutablecopy()
        headers["content-length"] = str(len(body))
        return replace(self, headers=headers, body=body)

    def with_header(self, name: str, value: str) -> "Reply":
        headers = self.headers.mutablecopy()
        headers[name] = value
        return replace(self, headers=headers)

    async def send(self, send: Send, *, only_bytes: int | None = None) -> None:
        """Send all of it, or only the first bytes of the body and leave the answer unfinished."""
        whole = only_bytes is None
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers.raw})
        await send({"type": "http.response.body", "body": self.body[:only_bytes], "more_body": not whole})
