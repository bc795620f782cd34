"""How the bridge listens: HTTP/1.1 by uvicorn and h11, and no patience with whoever does not finish asking."""

import asyncio

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_WITHIN_SECONDS = 10
"""From the opening of a connection, or from the answer before, until the head of a request is there; what is left of a body
that was refused is read and forgotten within it. Bodies that are wanted have a limit of their own (`intake.py`)."""

STOP_SECONDS = 20
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class PromptProtocol(H11Protocol):
    """uvicorn bounds how long a connection may be silent between requests, but not how long a head may drip in: a byte now and
    then would hold connections until the process has no more files to open.
    """

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def handle_events(self) -> None:
        super().handle_events()
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """One timer while nothing is being answered, from the first such moment on; none while something is."""
        answering = bool(self.cycle) and not self.cycle.response_complete
        if answering or self.transport.is_closing():
            self._forget()
        elif self._waiting is None:
            self._waiting = self.loop.call_later(HEAD_WITHIN_SECONDS, self._give_up)

    def _forget(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if not self.transport.is_closing():
            self.transport.write(TOO_SLOW)
            self.transport.close()


def listening(app: ASGIApp) -> uvicorn.Server:
    """A server for `app`, to be given its sockets."""
    config = uvicorn.Config(
        app,
        http=PromptProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return uvicorn.Server(config)
