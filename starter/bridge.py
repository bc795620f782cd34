"""The bridge: turns signed webhooks and calls into messages, and answers 2xx only when Temporal has them. `python -m starter.bridge`.

It decides nothing about access. What a webhook means is in `webhooks.py`, how news reach a request in `desk.py`.
"""

import asyncio
import json
import logging
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from activities.integrations.jira_tickets import JiraTickets
from activities.ports import TicketSystem
from activities.settings import BridgeSettings, Settings, load_settings
from domain.errors import InvalidInputError, VendorError
from domain.ids import TicketRef
from domain.values import StrictValue, render_instant
from starter.connection import connect_for_service
from starter.desk import Desk
from starter.intake import BodyRefusedError, Deliveries, Limits, read_body
from starter.leaving import leave_on_signals
from starter.listening import listening
from starter.poller import Poller
from starter.requests import Delivery, TemporalUnavailableError, hint, request_extension
from starter.signatures import CALL_HEADER, JIRA_HEADER, call_message, is_by, read_signature
from starter.vanished import VanishedTickets
from starter.webhooks import Ignored, News, read_event, read_json, read_shape

log = logging.getLogger(__name__)

IDENTIFIER_HEADER = "X-Atlassian-Webhook-Identifier"
RETRY_AFTER_SECONDS = 5
VERDICT_WITHIN = timedelta(seconds=15)
READY_WITHIN = timedelta(seconds=2)


class ExtensionCall(StrictValue):
    """Body of `POST /v1/requests/<issue id>/extensions`: the comment that holds the wish."""

    wish_id: str = Field(pattern=r"^[0-9]{1,19}$")


class RevokeCall(StrictValue):
    """Body of `POST /v1/requests/<issue id>/revoke`."""

    by: str = Field(default="", max_length=200)
    note: str = Field(default="", max_length=500)


class _RefusedError(Exception):
    """A call that is not served: the answer says why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def build_bridge(
    settings: Settings, client: Client, tickets: TicketSystem, *, limits: Limits | None = None
) -> Starlette:
    """The bridge as an ASGI application. It polls for as long as its lifespan is open.

    Raises:
        InvalidInputError: the settings have no bridge.
    """
    bridge = _Bridge(settings, _ours(settings), client, tickets, limits or Limits())
    return Starlette(
        routes=[
            Route("/webhooks/jira", bridge.webhook, methods=["POST"]),
            Route("/v1/requests/{issue_id}/extensions", bridge.extend, methods=["POST"]),
            Route("/v1/requests/{issue_id}/revoke", bridge.revoke, methods=["POST"]),
            Route("/healthz", bridge.healthz),
            Route("/readyz", bridge.readyz),
        ],
        exception_handlers={
            _RefusedError: _refusal,
            BodyRefusedError: _refusal,
            InvalidInputError: _bad_request,
            TemporalUnavailableError: _try_again,
            VendorError: _try_again,
            TimeoutError: _try_again,
        },
        lifespan=bridge.polling,
    )


class _Bridge:
    """The handlers."""

    def __init__(
        self, settings: Settings, ours: BridgeSettings, client: Client, tickets: TicketSystem, limits: Limits
    ) -> None:
        self._settings = settings
        self._secret = ours.webhook_secret
        self._client = client
        self._tickets = tickets
        self._limits = limits
        self._deliveries = Deliveries(limits)
        self._desk = Desk(settings, client, tickets)
        interval = timedelta(seconds=ours.poll_seconds)
        self._poller = Poller(self._desk, tickets, state=ours.state, interval=interval)
        self._vanished = VanishedTickets(settings, client, tickets, interval=interval)

    @asynccontextmanager
    async def polling(self, _app: Starlette) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(self._poller.run(), name="poller"),
            asyncio.create_task(self._vanished.run(), name="vanished tickets"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def webhook(self, request: Request) -> Response:
        body = await self._verified_body(request, JIRA_HEADER)
        identifier = request.headers.get(IDENTIFIER_HEADER, "")
        if self._deliveries.was_taken(identifier, body):
            log.info("webhook: delivered again, and taken before")
            return _answer("accepted", "taken before")
        news = read_event(body, self._settings.site, self._tickets.rules)
        if isinstance(news, Ignored):
            log.info("webhook: ignored, %s", news.reason)
            response = _answer("ignored", news.reason)
        else:
            response = await self._take(news)
        self._deliveries.take(identifier, body)
        return response

    async def _take(self, news: News) -> Response:
        async with asyncio.timeout(self._limits.answer_within.total_seconds()):
            told = await self._desk.tell(news.ticket, news.hint, by=news.by, note=news.how)
        key, hint_name = news.ticket.key, news.hint or "start"
        log.info("webhook: %s %s by %r, %s: %s %s", key, news.event, news.by, hint_name, told.outcome, told.reason)
        return _answer(told.outcome, told.reason)

    async def extend(self, request: Request) -> Response:
        """The request's own verdict on a wish that stands on the ticket as a comment."""
        ticket, body = await self._call(request)
        wish_id = read_shape(ExtensionCall, read_json(body)).wish_id
        verdict = await request_extension(self._client, ticket, wish_id, VERDICT_WITHIN)
        log.info("call: extend %s by wish %s: granted=%s", ticket.issue_id, wish_id, verdict.granted)
        new_end = render_instant(verdict.new_end) if verdict.new_end else None
        return JSONResponse({"granted": verdict.granted, "new_end": new_end, "reason": verdict.reason})

    async def revoke(self, request: Request) -> Response:
        """Asks nobody but Temporal: it works while Jira is down."""
        ticket, body = await self._call(request)
        call = read_shape(RevokeCall, read_json(body))
        delivery = await hint(self._client, ticket, "revoke", by=call.by, note=call.note)
        log.info("call: revoke %s: %s", ticket.issue_id, delivery)
        if delivery is not Delivery.ACCEPTED:
            raise _RefusedError(404, f"no request of issue {ticket.issue_id} is running; is it the id, not the key?")
        return _answer(delivery)

    async def healthz(self, _request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(self, _request: Request) -> Response:
        reasons = [reason for reason in (await self._why_no_temporal(), self._poller.why_stale()) if reason]
        return JSONResponse({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def _why_no_temporal(self) -> str:
        try:
            async with asyncio.timeout(READY_WITHIN.total_seconds()):
                question = DescribeNamespaceRequest(namespace=self._client.namespace)
                await self._client.workflow_service.describe_namespace(question)
        except TimeoutError:
            return f"Temporal does not answer within {READY_WITHIN.total_seconds():g} s"
        except RPCError as error:
            return f"Temporal says {error.status.name}"
        return ""

    async def _call(self, request: Request) -> tuple[TicketRef, bytes]:
        """The ticket of a signed call, and its body. The key is unknown here; a request is addressed by its issue id alone."""
        body = await self._verified_body(request, CALL_HEADER)
        issue_id = request.path_params["issue_id"]
        plain = {"site": self._settings.site, "issue_id": issue_id, "key": f"{self._tickets.rules.project}-0"}
        return read_shape(TicketRef, plain), body

    async def _verified_body(self, request: Request, header: str) -> bytes:
        """Nothing is parsed before the signature over the raw bytes has been found good."""
        signature = read_signature(request.headers.getlist(header))
        if signature is None:
            raise _RefusedError(401, f"one header {header}: sha256=<64 hex digits> is needed")
        body = await read_body(request, self._limits)
        message = body if header == JIRA_HEADER else call_message(request.scope["path"], body)
        if not is_by(self._secret, signature, message):
            raise _RefusedError(401, f"the signature in {header} does not match; is the secret the same on both sides?")
        return body


def _answer(outcome: str, reason: str = "") -> Response:
    return JSONResponse({"outcome": outcome, "reason": reason})


def _refusal(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, _RefusedError | BodyRefusedError) else 400
    log.warning("%s: refused with %s, %s", request.scope["route"].path, status, error)
    return JSONResponse({"error": str(error)}, status)


def _bad_request(request: Request, error: Exception) -> Response:
    return _refusal(request, _RefusedError(400, str(error)))


def _try_again(request: Request, error: Exception) -> Response:
    """Not taken: Jira delivers again, and polling finds what it does not."""
    reason = str(error) or "no answer in time"
    log.warning("%s: not taken, %s", request.scope["route"].path, reason)
    return JSONResponse({"error": reason}, 503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _ours(settings: Settings) -> BridgeSettings:
    if settings.bridge is None:
        raise InvalidInputError(
            "no bridge is configured: set NIGHTLATCH_BRIDGE__WEBHOOK_SECRET, or [bridge] in the file"
        )
    return settings.bridge


def _listen(ours: BridgeSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in ours.host else socket.AF_INET
    try:
        return socket.create_server((ours.host, ours.port), family=family)
    except OSError as error:
        raise InvalidInputError(
            f"the bridge cannot listen on {ours.host} port {ours.port}: {error.strerror}; is it running already?"
        ) from error


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what has been taken in. Port 0 takes a free one.

    Raises:
        InvalidInputError: the settings, the address to listen on or Temporal cannot be used.
    """
    ours = _ours(settings)
    client = await connect_for_service()
    tickets = JiraTickets(settings.jira)
    try:
        app = build_bridge(settings, client, tickets)
        listener = _listen(ours)
        host, port = listener.getsockname()[:2]
        with suppress(OSError):  # a disk that is full must not keep webhooks out
            sys.stdout.write(json.dumps({"bridge": f"http://{f'[{host}]' if ':' in host else host}:{port}"}) + "\n")
            sys.stdout.flush()
        await listening(app).serve(sockets=[listener])
    finally:
        await tickets.close()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # uvicorn raises the signal that ended it once more, for a caller's own handlers: here it means a clean end.
    leave_on_signals()
    try:
        asyncio.run(serve(load_settings()))
    except InvalidInputError as error:
        sys.exit(f"nightlatch bridge: {error}")


if __name__ == "__main__":
    main()
