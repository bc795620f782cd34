"""One person at work in Jira with a token of their own: ask, answer, comment, read. No decision is made or evidence read here.

Calls are synchronous, each one attempt, through the hardened client; what a person may call in addition is listed here.
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException

from activities.integrations.jira_answers import API, Call, Expected, judge, transport_error
from activities.integrations.jira_client import JiraClient, StrictAdapter
from activities.integrations.jira_pages import read_comments
from activities.integrations.jira_settings import JiraSettings
from activities.integrations.jira_shapes import Account, Comment, Issue, Named, Transitions
from domain.errors import InvalidError
from domain.ids import SiteName, TicketRef
from domain.ticket import TicketComment

_CALLS = (
    Expected("POST", r"/issue", frozenset({201}), brings_object=True),
    Expected("GET", r"/issue/[A-Z][A-Z0-9_]{1,19}-[0-9]{1,10}", frozenset({200}), brings_object=True),
)


class PersonSettings(JiraSettings):
    """A person's own login. `nightlatch_account`, if set, is the only account whose comments are taken for Nightlatch's."""

    site: SiteName = "jira"
    own_account: str = Field(default="none", min_length=1)
    project: str = "SEC"
    nightlatch_account: str = ""


class _PersonAdapter(StrictAdapter):
    """As strict as its parent, with the calls above besides."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        path = request.path_url.partition("?")[0].rpartition(API)[2]
        for expected in _CALLS:
            if request.method == expected.method and re.fullmatch(expected.path, path):
                return self._judged(Call(f"Jira {request.method} {path}", expected), request, *args, **kwargs)
        return super().send(request, *args, **kwargs)

    def _judged(self, call: Call, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        try:
            response = HTTPAdapter.send(self, request, *args, **kwargs)
            _ = response.content
        except RequestException as error:
            raise transport_error(call, error) from error
        judge(call, response)
        return response


class _PersonClient(JiraClient):
    def __init__(self, settings: JiraSettings) -> None:
        super().__init__(settings)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _PersonAdapter())

    def post_issue(self, fields: dict[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = self._session.post(f"{self._base}/issue", data=json.dumps({"fields": fields})).json()
        return body


class JiraPerson:
    """Every call raises `VendorError` on all but success. Writes are not repeated: a person sees what happened and decides."""

    def __init__(self, settings: JiraSettings) -> None:
        self._settings = settings
        self._client = _PersonClient(settings)

    def close(self) -> None:
        self._client.close()

    def account(self) -> str:
        """The accountId that the token belongs to."""
        return Account.read("/myself", self._client.get("/myself")[0]).account_id

    def browse_url(self, ticket: TicketRef) -> str:
        return f"{self._settings.url}/browse/{ticket.key}"

    def find(self, key: str) -> TicketRef:
        """The ticket of that key, or of the key that it bears since it was moved.

        Raises:
            NotFoundError: there is none, or the account may not see it.
        """
        return self._ref(Issue.read(f"/issue/{key}", self._client.get(f"/issue/{key}", {"fields": "status"})[0]))

    def create_request(self, *, entitlement: str, duration: str, reason: str, subject_account: str = "") -> TicketRef:
        """Ask for access: a new issue of the request type. Without `subject_account` it is for the person themselves."""
        settings = self._settings
        fields: dict[str, Any] = {
            "project": {"key": settings.project},
            "issuetype": {"name": settings.request_type},
            "summary": f"Access: {entitlement} for {duration}",
            settings.entitlement: entitlement,
            settings.duration: duration,
            settings.reason: reason,
        }
        if subject_account:
            fields[settings.subject] = {"accountId": subject_account}
        return self._ref(Issue.read("/issue", self._client.post_issue(fields)))

    def stands_in(self, ticket: TicketRef) -> str:
        """The name of the ticket's status."""
        return self._issue(ticket, "status").part(Named, "status").name

    def transition_to(self, ticket: TicketRef, status: str) -> str:
        """Move the ticket to `status` in this person's name, and return the status it stood in.

        Raises:
            InvalidError: it stands there already, or no transition leads there.
        """
        stands = self.stands_in(ticket)
        if stands == status:
            raise InvalidError(
                f"{ticket.key} already stands in {status!r}; nothing was changed. If that answer did not count, the ticket"
                f" says why: move it back to {self._settings.waiting_status!r} in Jira, and answer again"
            )
        path = f"/issue/{ticket.issue_id}/transitions"
        steps = Transitions.read(path, self._client.get(path)[0]).transitions
        step = next((step for step in steps if step.to.name == status), None)
        if step is None:
            raise InvalidError(
                f"{ticket.key} stands in {stands!r}, from where you cannot move it to {status!r};"
                f" possible now: {', '.join(repr(step.to.name) for step in steps) or 'nothing'}"
            )
        self._client.post_transition(ticket.issue_id, step.id)
        return stands

    def comment(self, ticket: TicketRef, text: str) -> TicketComment:
        """Post one paragraph of plain words; line breaks become spaces."""
        words = " ".join(text.split())
        content = [{"type": "paragraph", "content": [{"type": "text", "text": words}]}]
        posted = self._client.post_comment(ticket.issue_id, {"type": "doc", "version": 1, "content": content})
        return Comment.read(f"/issue/{ticket.issue_id}/comment", posted).to_comment()

    def comments(self, ticket: TicketRef) -> Sequence[TicketComment]:
        """Every comment that the person may see, oldest first."""
        return [comment.to_comment() for comment in read_comments(self._client, ticket.issue_id)]

    def access_until(self, ticket: TicketRef) -> datetime | None:
        """The end of the access as the ticket's own field says it; None while there is none."""
        field = self._settings.access_until
        return self._issue(ticket, field).instant_or_none(field)

    def _issue(self, ticket: TicketRef, fields: str) -> Issue:
        path = f"/issue/{ticket.issue_id}"
        return Issue.read(path, self._client.get(path, {"fields": fields})[0])

    def _ref(self, issue: Issue) -> TicketRef:
        return TicketRef(site=self._settings.site, issue_id=issue.id, key=issue.key)
