"""The site's projects: those it was set up with, and those that its administrator has made since."""

from sandbox.jira.errors import JiraError
from sandbox.jira.schema import PROJECTS
from sandbox.store import Document, Store

TABLE = "jira.projects"
_FIRST_ID = 10_100


def projects(store: Store) -> dict[str, tuple[str, str]]:
    """Key -> (id, name)."""
    made = {key: (str(project["id"]), str(project["name"])) for key, project in store.items(TABLE)}
    return {**PROJECTS, **made}


def project(store: Store, key: str) -> tuple[str, str]:
    """Its id and its name. Raises a 400 when there is none of that key."""
    if key in PROJECTS:
        return PROJECTS[key]
    made = store.get(TABLE, key)
    if made is None:
        raise JiraError(400, f"There is no project {key!r}; there are {', '.join(projects(store))}.")
    return str(made["id"]), str(made["name"])


def make(store: Store, key: str, name: str) -> Document:
    """A new project with the site's one issue type and workflow. Raises a 400 when the key is taken."""
    if key in projects(store):
        raise JiraError(400, f"The project key {key!r} is taken.")
    made = {"id": str(_FIRST_ID + store.next_number(TABLE)), "key": key, "name": name}
    store.put(TABLE, key, made)
    return made
