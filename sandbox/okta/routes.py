"""Okta's management API as far as Nightlatch calls it: https://developer.okta.com/docs/api/."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.okta.answers import OktaError, OktaHeaders, answer_error, no_content, page
from sandbox.okta.auth import Authority
from sandbox.okta.directory import Directory
from sandbox.okta.filters import select
from sandbox.okta.shapes import group_shape, rule_shape, user_shape
from sandbox.okta.system_log import list_events
from sandbox.world import World


def okta_app(world: World) -> ASGIApp:
    okta = _Okta(world)
    app = Starlette(
        routes=[
            Route("/oauth2/v1/token", okta.authority.token, methods=["POST"]),
            Route("/api/v1/users", okta.list_users),
            Route("/api/v1/users/{key}", okta.get_user),
            Route("/api/v1/users/{key}/groups", okta.list_user_groups),
            Route("/api/v1/users/{user_id}/lifecycle/suspend", okta.suspend, methods=["POST"]),
            Route("/api/v1/users/{user_id}/sessions", okta.revoke_sessions, methods=["DELETE"]),
            Route("/api/v1/groups/rules", okta.list_rules),
            Route("/api/v1/groups/{group_id}", okta.get_group),
            Route("/api/v1/groups/{group_id}/users", okta.list_members),
            Route("/api/v1/groups/{group_id}/users/{user_id}", okta.add_member, methods=["PUT"]),
            Route("/api/v1/groups/{group_id}/users/{user_id}", okta.remove_member, methods=["DELETE"]),
            Route("/api/v1/logs", okta.list_logs),
        ],
        exception_handlers={OktaError: answer_error, HTTPException: answer_error},
    )
    return OktaHeaders(app, world.settings.okta.requests_per_minute)


class _Okta:
    """One handler an operation: who calls and may they, then the directory, then the answer."""

    def __init__(self, world: World) -> None:
        self.authority = Authority(world)
        self._directory = Directory(world)
        self._audit = world.audit

    async def list_users(self, request: Request) -> Response:
        self.authority.caller(request).needs("okta.users.read", "okta.users.manage")
        users = self._directory.users()
        query = request.query_params
        for expression in (query.get("search"), query.get("filter")):
            if expression is not None:
                users = select(users, expression)
        if "q" in query:
            start = query["q"].lower()
            names = ("firstName", "lastName", "email")
            users = [user for user in users if any(user["profile"][n].lower().startswith(start) for n in names)]
        return page(request, [user_shape(user, request) for user in users], default=200, most=200)

    async def get_user(self, request: Request) -> Response:
        self.authority.caller(request).needs("okta.users.read", "okta.users.manage")
        user = self._directory.user_by_id_or_login(request.path_params["key"])
        return JSONResponse(user_shape(user, request))

    async def list_user_groups(self, request: Request) -> Response:
        self.authority.caller(request).needs("okta.users.read", "okta.users.manage")
        user = self._directory.user_by_id_or_login(request.path_params["key"])
        groups = self._directory.groups_of(user["id"])
        return page(request, [group_shape(group, request) for group in groups], default=200, most=200)

    async def revoke_sessions(self, request: Request) -> Response:
        """End all sessions; `oauthTokens=true` ends refresh and access tokens too."""
        caller = self.authority.caller(request)
        actor = caller.needs("okta.sessions.manage", "okta.users.manage")
        oauth_tokens = request.query_params.get("oauthTokens", "false") == "true"
        self._directory.revoke_sessions(request.path_params["user_id"], oauth_tokens=oauth_tokens, actor=actor)
        return no_content()

    async def suspend(self, request: Request) -> Response:
        """Only an active user; Okta answers with an empty object."""
        actor = self.authority.caller(request).needs("okta.users.manage")
        self._directory.suspend(request.path_params["user_id"], actor=actor)
        return JSONResponse({})

    async def get_group(self, request: Request) -> Response:
        self.authority.caller(request).needs("okta.groups.read", "okta.groups.manage")
        group = self._directory.group(request.path_params["group_id"])
        return JSONResponse(group_shape(group, request))

    async def list_members(self, request: Request) -> Response:
        self.authority.caller(request).needs("okta.groups.read", "okta.groups.manage")
        members = self._directory.members_of(request.path_params["group_id"])
        return page(request, [user_shape(user, request) for user in members], default=1000, most=1000)

    async def add_member(self, request: Request) -> Response:
        actor = self.authority.caller(request).needs("okta.groups.manage")
        self._directory.add_member(**request.path_params, actor=actor)
        return no_content()

    async def remove_member(self, request: Request) -> Response:
        actor = self.authority.caller(request).needs("okta.groups.manage")
        self._directory.remove_member(**request.path_params, actor=actor)
        return no_content()

    async def list_rules(self, request: Request) -> Response:
        """`search` is a keyword that a rule's name or one of its groups' ids contains."""
        self.authority.caller(request).needs("okta.groups.read", "okta.groups.manage")
        word = request.query_params.get("search", "").lower()
        rules = [
            rule
            for rule in self._directory.rules()
            if any(word in text.lower() for text in (rule["name"], *rule["group_ids"]))
        ]
        return page(request, [rule_shape(rule) for rule in rules], default=50, most=200)

    async def list_logs(self, request: Request) -> Response:
        self.authority.caller(request).needs("okta.logs.read")
        return list_events(request, self._audit)
