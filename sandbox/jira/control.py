"""An administrator's hand inside the Jira stand-in, past its API: where webhooks go, and changes by the site administrator."""

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.jira import issues, outbox, people, projects, properties
from sandbox.jira.errors import JiraError, no_such_issue
from sandbox.jira.http import site
from sandbox.jira.outbox import Mode, Webhook
from sandbox.jira.session import ISSUES, KEYS, Session
from sandbox.store import Document
from sandbox.world import World


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AddressBody(_Body):
    url: str
    secret: str = ""


class ModeBody(_Body):
    mode: Mode


class MoveBody(_Body):
    project: str


class ProjectBody(_Body):
    name: str = Field(min_length=1)


class ViewersBody(_Body):
    """Account ids that may see the issue; null: everyone."""

    accounts: list[str] | None


class PropertyBody(_Body):
    value: Any


class AccountBody(_Body):
    active: bool


Handler = Callable[[Request], Awaitable[Document]]


def jira_control_routes(world: World) -> list[BaseRoute]:
    """Routes relative to the control prefix."""
    control = _Control(world)
    issue = "/jira/issues/{issue}"
    return [
        Route("/jira/webhook", _answer(control.webhook), methods=["GET"]),
        Route("/jira/webhook", _answer(control.set_webhook), methods=["PUT"]),
        Route("/jira/webhook/mode", _answer(control.set_mode), methods=["PUT"]),
        Route("/jira/projects/{key}", _answer(control.make_project), methods=["POST"]),
        Route(f"{issue}/move", _answer(control.move), methods=["PUT"]),
        Route(f"{issue}/viewers", _answer(control.set_viewers), methods=["PUT"]),
        Route(f"{issue}/properties/{{property}}", _answer(control.put_property), methods=["POST"]),
        Route(f"{issue}/properties/{{property}}", _answer(control.delete_property), methods=["DELETE"]),
        Route("/jira/people/{account_id}", _answer(control.set_active), methods=["PUT"]),
    ]


def _answer(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return JSONResponse(await handler(request))
        except ValidationError as error:
            return JSONResponse({"error": f"{request.url.path} does not take this body: {error}"}, 400)
        except JiraError as refusal:
            return refusal.response()

    return answer


class _Control:
    """The handlers; coroutines throughout, because Starlette runs plain functions in threads and the store has one."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def webhook(self, _request: Request) -> Document:
        """The secret is not shown again."""
        hook = outbox.webhook(self._world)
        waiting = outbox.waiting(self._world.store)
        return {"url": hook.url, "has_secret": bool(hook.secret), "mode": hook.mode, "waiting": waiting}

    async def set_webhook(self, request: Request) -> Document:
        body = AddressBody.model_validate_json(await request.body())
        mode = outbox.webhook(self._world).mode
        outbox.configure(self._world, Webhook(url=body.url, secret=body.secret, mode=mode))
        return await self.webhook(request)

    async def set_mode(self, request: Request) -> Document:
        body = ModeBody.model_validate_json(await request.body())
        outbox.configure(self._world, outbox.webhook(self._world).model_copy(update={"mode": body.mode}))
        return await self.webhook(request)

    async def make_project(self, request: Request) -> Document:
        body = ProjectBody.model_validate_json(await request.body())
        key = request.path_params["key"]
        with self._world.store.transaction():
            made = projects.make(self._world.store, key, body.name)
            self._world.audit.append("jira", "project.made", actor="admin", project=key)
        return made

    async def move(self, request: Request) -> Document:
        body = MoveBody.model_validate_json(await request.body())
        issue = self._issue(request)
        issues.move(self._session(request), issue, body.project)
        return {"id": issue["id"], "key": issue["key"]}

    async def set_viewers(self, request: Request) -> Document:
        body = ViewersBody.model_validate_json(await request.body())
        issue = self._issue(request)
        with self._world.store.transaction():
            self._world.store.put(ISSUES, issue["id"], issue | {"viewers": body.accounts})
            self._session(request).note("issue.viewers_set", issue, accounts=body.accounts)
        return {"id": issue["id"], "viewers": body.accounts}

    async def put_property(self, request: Request) -> Document:
        body = PropertyBody.model_validate_json(await request.body())
        key = request.path_params["property"]
        return {"new": properties.put(self._session(request), self._issue(request), key, body.value)}

    async def delete_property(self, request: Request) -> Document:
        properties.remove(self._session(request), self._issue(request), request.path_params["property"])
        return {"deleted": request.path_params["property"]}

    async def set_active(self, request: Request) -> Document:
        body = AccountBody.model_validate_json(await request.body())
        account_id = request.path_params["account_id"]
        person = people.find_person(self._world.store, account_id)
        if person is None:
            raise JiraError(404, f"There is no account {account_id!r}.")
        with self._world.store.transaction():
            people.set_active(self._world.store, person, active=body.active)
            self._world.audit.append(
                "jira", "account.active_set", actor="admin", account_id=account_id, active=body.active
            )
        return {"accountId": account_id, "active": body.active}

    def _session(self, request: Request) -> Session:
        """Links in a webhook body must lead to Jira, which is mounted beside control."""
        administrator = people.named(self._world.store, people.ADMINISTRATOR)
        return Session(self._world, site(request).removesuffix("/control") + "/jira", administrator)

    def _issue(self, request: Request) -> Document:
        """Past every security level: an administrator sees all."""
        given = request.path_params["issue"]
        key = self._world.store.get(KEYS, given.upper())
        issue = self._world.store.get(ISSUES, key["id"] if key else given)
        if issue is None:
            raise no_such_issue()
        return issue
