"""Control: fault rules, held calls, the audit log and the request log. Not subject to faults, not a vendor's API.

What an administrator's hand does inside a vendor is in that vendor's own `control.py`.
"""

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.faults import FaultRule
from sandbox.world import World


def health_route() -> BaseRoute:
    async def healthy(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return Route("/healthz", healthy)


def control_routes(world: World) -> list[BaseRoute]:
    control = _Control(world)
    return [
        Route("/faults", control.arm, methods=["POST"]),
        Route("/faults", control.clear_all, methods=["DELETE"]),
        Route("/faults/{rule_id}", control.clear, methods=["DELETE"]),
        Route("/holds", control.holds),
        Route("/holds/{name}/release", control.release, methods=["POST"]),
        Route("/holds/{name}/lose", control.lose, methods=["POST"]),
        Route("/audit", control.audit),
        Route("/requests", control.requests),
        Route("/spec-report", control.spec_report),
    ]


class _Control:
    """The handlers; coroutines throughout, because Starlette runs plain functions in threads and the store has one."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def arm(self, request: Request) -> Response:
        try:
            rule = FaultRule.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"error": f"no such fault rule: {error}"}, status_code=400)
        return JSONResponse({"id": self._world.faults.arm(rule)}, status_code=201)

    async def clear_all(self, _request: Request) -> Response:
        return JSONResponse({"cleared": self._world.faults.clear()})

    async def clear(self, request: Request) -> Response:
        return JSONResponse({"cleared": self._world.faults.clear(request.path_params["rule_id"])})

    async def holds(self, _request: Request) -> Response:
        held = self._world.faults.holds()
        return JSONResponse({"holds": [{"name": name, "count": count} for name, count in held.items()]})

    async def release(self, request: Request) -> Response:
        return JSONResponse({"released": self._world.faults.release(request.path_params["name"])})

    async def lose(self, request: Request) -> Response:
        return JSONResponse({"lost": self._world.faults.release(request.path_params["name"], lost=True)})

    async def audit(self, request: Request) -> Response:
        after = request.query_params.get("after", "0")
        if not after.isdecimal():
            return JSONResponse({"error": f"after must be a line number, not {after!r}"}, status_code=400)
        return JSONResponse({"entries": self._world.audit.entries(int(after))})

    async def requests(self, request: Request) -> Response:
        caller = request.query_params.get("caller")
        return JSONResponse({"requests": self._world.faults.requests(caller)})

    async def spec_report(self, _request: Request) -> Response:
        if self._world.spec_checker is None:
            return JSONResponse({"checked": 0, "operations": {}, "violations": [], "violation_count": 0})
        return JSONResponse(self._world.spec_checker.report())
