"""The sandbox as one web application: each vendor behind its own prefix, control and health beside them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from sandbox.control import control_routes, health_route
from sandbox.jira.control import jira_control_routes
from sandbox.jira.routes import jira_lifespan, jira_routes
from sandbox.limits import RATE_LIMITS
from sandbox.middleware import CheckMiddleware, FaultMiddleware
from sandbox.okta.control import okta_control_routes
from sandbox.okta.routes import okta_app
from sandbox.wire import CALLER
from sandbox.world import World

API_PREFIXES = {"okta": ("/api/", "/oauth2/"), "jira": ("/rest/",)}


def build_app(world: World) -> Starlette:
    """Okta at `/okta`, Jira at `/jira`, control at `/control`; the vendors' apps stand behind the fault rules.

    The same vendors also stand at `/as/<caller>/`, so that faults and request log can tell callers apart.
    """
    control = [*control_routes(world), *okta_control_routes(world), *jira_control_routes(world)]
    vendors = [
        Mount("/okta", app=_vendor(world, "okta", okta_app(world))),
        Mount("/jira", app=_vendor(world, "jira", Starlette(routes=jira_routes(world)))),
    ]
    return Starlette(
        routes=[
            health_route(),
            Mount("/control", routes=control),
            *vendors,
            Mount(f"/as/{{{CALLER}}}", routes=vendors),
        ],
        lifespan=_lifespan(world),
    )


def _vendor(world: World, vendor: str, app: ASGIApp) -> ASGIApp:
    if world.spec_checker is not None:
        app = CheckMiddleware(app, vendor=vendor, judge=world.spec_checker, prefixes=API_PREFIXES[vendor])
    return FaultMiddleware(app, vendor=vendor, faults=world.faults, rate_limit=RATE_LIMITS[vendor])


def _lifespan(world: World) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with jira_lifespan(world):
            yield
        world.store.close()

    return lifespan
