"""The Jira stand-in put together: its routes, relative to wherever it is mounted, and its background delivery."""

from contextlib import AbstractAsyncContextManager

from starlette.routing import BaseRoute, Route

from sandbox.jira import api_attached, api_issues, api_site, issues, outbox
from sandbox.jira.delivery import deliver_in_background
from sandbox.jira.http import Handler, endpoint
from sandbox.jira.pages import page_routes
from sandbox.jira.people import named, seed_people
from sandbox.jira.schema import ISSUE_TYPE_ID
from sandbox.jira.session import ISSUES, Session
from sandbox.world import World

ISSUE = "/issue/{issue}"
ENDPOINTS: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/issue", api_issues.create),
    ("POST", "/issue/bulkfetch", api_issues.bulk_fetch),
    ("GET", ISSUE, api_issues.read),
    ("PUT", ISSUE, api_issues.edit),
    ("DELETE", ISSUE, api_issues.delete),
    ("PUT", f"{ISSUE}/assignee", api_issues.assign),
    ("GET", f"{ISSUE}/changelog", api_issues.changelog),
    ("GET", f"{ISSUE}/transitions", api_issues.transitions),
    ("POST", f"{ISSUE}/transitions", api_issues.transition),
    ("GET", f"{ISSUE}/comment", api_attached.list_comments),
    ("POST", f"{ISSUE}/comment", api_attached.add_comment),
    ("GET", f"{ISSUE}/comment/{{comment}}", api_attached.read_comment),
    ("PUT", f"{ISSUE}/comment/{{comment}}", api_attached.edit_comment),
    ("DELETE", f"{ISSUE}/comment/{{comment}}", api_attached.delete_comment),
    ("GET", f"{ISSUE}/properties", api_attached.list_properties),
    ("GET", f"{ISSUE}/properties/{{property}}", api_attached.read_property),
    ("PUT", f"{ISSUE}/properties/{{property}}", api_attached.put_property),
    ("DELETE", f"{ISSUE}/properties/{{property}}", api_attached.delete_property),
    ("GET", "/search/jql", api_site.search_by_query),
    ("POST", "/search/jql", api_site.search_by_body),
    ("GET", "/myself", api_site.myself),
    ("GET", "/user", api_site.user),
    ("GET", "/field", api_site.fields),
    ("GET", "/project/{project}", api_site.project),
    ("GET", "/serverInfo", api_site.server_info),
)


def jira_routes(world: World) -> list[BaseRoute]:
    """Prepare the site's state (accounts, outbox, the control ticket SEC-1) and return its API and its pages."""
    outbox.prepare(world.store)
    seed_people(world.store)
    _seed_control_ticket(world)
    api = [
        Route(f"/rest/api/3{path}", endpoint(world, handler), methods=[method]) for method, path, handler in ENDPOINTS
    ]
    return [*api, *page_routes(world)]


def jira_lifespan(world: World) -> AbstractAsyncContextManager[None]:
    """Webhooks are delivered for as long as this context is open."""
    return deliver_in_background(world)


def _seed_control_ticket(world: World) -> None:
    if world.store.items(ISSUES):
        return
    session = Session(world, "", named(world.store, "carol"))
    given = {"project": {"key": "SEC"}, "issuetype": {"id": ISSUE_TYPE_ID}, "summary": "Nightlatch control ticket"}
    with world.store.transaction():
        issues.transition(session, issues.create(session, given), "41")
        # A site is not told of how it was set up.
        outbox.clear(world.store)
