"""The one address to which Jira sends its webhooks, and behind it the bridges: to each those of its own project, byte for byte."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.client import SandboxClient
from sandbox.loopback import loopback_client
from tests.serving import serving

PATH = "/webhooks/jira"


class Gateway:
    """`bridges`: where a project's bridge listens now, asked anew for each event. What is for none is taken, and lost."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.bridges: dict[str, Callable[[], str]] = {}
        self._http = http

    async def carry(self, request: Request) -> Response:
        """Answer as the bridge does, or with 502 when it is not there."""
        body = await request.body()
        address = self.bridges.get(json.loads(body)["issue"]["key"].partition("-")[0])
        if address is None:
            return Response(status_code=204)
        try:
            answer = await self._http.post(f"{address()}{PATH}", content=body, headers=_told(request))
        except (httpx.HTTPError, httpx.InvalidURL):
            return Response(status_code=502)
        return Response(answer.content, answer.status_code)


@asynccontextmanager
async def open_gateway(sandbox: SandboxClient, secret: str) -> AsyncIterator[Gateway]:
    """From now on the sandbox's webhooks come here, signed with that secret."""
    async with loopback_client(timeout=10) as http:
        gateway = Gateway(http)
        async with serving(Starlette(routes=[Route(PATH, gateway.carry, methods=["POST"])])) as address:
            await sandbox.set_jira_webhook(f"{address}{PATH}", secret)
            yield gateway
            await sandbox.set_jira_webhook("", "")


def _told(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name.startswith(("content-type", "x-"))}
