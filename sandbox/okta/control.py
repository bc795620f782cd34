"""An administrator's hand inside the Okta stand-in, past its API: control routes, with the actor `admin`."""

from collections.abc import Awaitable, Callable

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.okta.answers import OktaError, answer_error
from sandbox.okta.auth import Authority
from sandbox.okta.directory import Directory
from sandbox.world import World

ADMIN = "admin"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StatusBody(_Body):
    status: str


class SessionBody(_Body):
    user_id: str


class RuleBody(_Body):
    name: str
    group_ids: list[str]


class UsersBody(_Body):
    logins: list[str]


class GroupBody(_Body):
    name: str


class ClientBody(_Body):
    public_key: str
    scopes: list[str]


def okta_control_routes(world: World) -> list[BaseRoute]:
    hand = _Hand(world)
    return [
        Route("/okta/users", _guarded(hand.make_users), methods=["POST"]),
        Route("/okta/users/{user_id}/status", _guarded(hand.set_status), methods=["POST"]),
        Route("/okta/sessions", _guarded(hand.list_sessions), methods=["GET"]),
        Route("/okta/sessions", _guarded(hand.open_session), methods=["POST"]),
        Route("/okta/groups", _guarded(hand.make_group), methods=["POST"]),
        Route("/okta/groups/{group_id}", _guarded(hand.delete_group), methods=["DELETE"]),
        Route("/okta/groups/{group_id}/restore", _guarded(hand.restore_group), methods=["POST"]),
        Route("/okta/groups/{group_id}/users/{user_id}", _guarded(hand.add_member), methods=["PUT"]),
        Route("/okta/groups/{group_id}/users/{user_id}", _guarded(hand.remove_member), methods=["DELETE"]),
        Route("/okta/rules", _guarded(hand.make_rule), methods=["POST"]),
        Route("/okta/clients/{client_id}", _guarded(hand.register_client), methods=["PUT"]),
    ]


class _Hand:
    def __init__(self, world: World) -> None:
        self._directory = Directory(world)
        self._authority = Authority(world)

    async def make_users(self, request: Request) -> Response:
        body = UsersBody.model_validate_json(await request.body())
        return JSONResponse({"ids": self._directory.make_users(body.logins, actor=ADMIN)}, status_code=201)

    async def set_status(self, request: Request) -> Response:
        body = StatusBody.model_validate_json(await request.body())
        self._directory.set_status(request.path_params["user_id"], body.status, actor=ADMIN)
        return JSONResponse({"status": body.status})

    async def list_sessions(self, request: Request) -> Response:
        return JSONResponse({"sessions": self._directory.sessions_of(request.query_params.get("user_id", ""))})

    async def open_session(self, request: Request) -> Response:
        body = SessionBody.model_validate_json(await request.body())
        return JSONResponse(self._directory.open_session(body.user_id), status_code=201)

    async def make_group(self, request: Request) -> Response:
        body = GroupBody.model_validate_json(await request.body())
        return JSONResponse({"id": self._directory.make_group(body.name, actor=ADMIN)}, status_code=201)

    async def delete_group(self, request: Request) -> Response:
        self._directory.delete_group(request.path_params["group_id"], actor=ADMIN)
        return JSONResponse({})

    async def restore_group(self, request: Request) -> Response:
        self._directory.restore_group(request.path_params["group_id"], actor=ADMIN)
        return JSONResponse({})

    async def add_member(self, request: Request) -> Response:
        self._directory.add_member(**request.path_params, actor=ADMIN)
        return JSONResponse({})

    async def remove_member(self, request: Request) -> Response:
        self._directory.remove_member(**request.path_params, actor=ADMIN)
        return JSONResponse({})

    async def make_rule(self, request: Request) -> Response:
        body = RuleBody.model_validate_json(await request.body())
        rule = self._directory.make_rule(body.name, body.group_ids, actor=ADMIN)
        return JSONResponse({"id": rule["id"]}, status_code=201)

    async def register_client(self, request: Request) -> Response:
        body = ClientBody.model_validate_json(await request.body())
        self._authority.register(request.path_params["client_id"], body.public_key, body.scopes)
        return JSONResponse({})


Handler = Callable[[Request], Awaitable[Response]]


def _guarded(handler: Handler) -> Handler:
    """Answer a bad body with 400 and a refusal of the directory as Okta would."""

    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except ValidationError as error:
            return JSONResponse({"error": f"the body does not fit: {error}"}, status_code=400)
        except OktaError as error:
            return await answer_error(request, error)

    return guarded
