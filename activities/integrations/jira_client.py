"""The `jira` SDK, hardened: its client gives login, session and addresses, and every answer is judged before the SDK sees it.

Its resource objects are not used. They set attributes after whatever JSON strangers wrote, reload after writes, send ids as
numbers and drop the totals of pages. Meant for one thread: a `requests` session is not promised to bear more.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import jira
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException

from activities.heartbeats import check_pulse
from activities.integrations.jira_answers import API, Call, judge, server_time, transport_error
from activities.integrations.jira_settings import JiraSettings


class StrictAdapter(HTTPAdapter):
    """Sends each call once, reads the whole answer, and raises the vendor error family for all that is no success.

    It raises below the SDK's session, so that there is nothing left for the SDK to retry, to redirect or to quote.
    """

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        call = Call.of(request)
        if call.expected.writes:
            check_pulse(call.name)
        try:
            response = super().send(request, *args, **kwargs)
            _ = response.content
        except RequestException as error:
            raise transport_error(call, error) from error
        judge(call, response)
        return response


class JiraClient:
    """The calls of the REST API that the adapter makes. Each raises `VendorError` on all but success."""

    def __init__(self, settings: JiraSettings) -> None:
        self._sdk = jira.JIRA(
            server=settings.url,
            basic_auth=(settings.email, settings.token.get_secret_value()),
            options={"rest_api_version": "3"},
            get_server_info=False,
            max_retries=0,
            timeout=(settings.connect_timeout_seconds, settings.read_timeout_seconds),
        )
        # The SDK takes no session, and offers none: this is the one place that reaches for it.
        self._session = self._sdk._session  # noqa: SLF001
        self._session.trust_env = False
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, StrictAdapter())
        self._base = self._sdk.server_url + API

    def close(self) -> None:
        self._session.close()

    def get(self, path: str, parameters: Mapping[str, str | int] | None = None) -> tuple[dict[str, Any], datetime]:
        """The JSON object at `path`, and Jira's own time of the answer."""
        response = self._session.get(self._base + path, params=parameters or {})
        return response.json(), server_time(response)

    def post_bulkfetch(self, issue_ids: Sequence[str]) -> dict[str, Any]:
        """Read up to 100 issues in one call, with no more of each than that it is there."""
        body = json.dumps({"issueIdsOrKeys": list(issue_ids), "fields": ["updated"]})
        fetched: dict[str, Any] = self._session.post(f"{self._base}/issue/bulkfetch", data=body).json()
        return fetched

    def post_comment(self, issue_id: str, document: dict[str, Any]) -> dict[str, Any]:
        """Post a comment; returns it as Jira has it."""
        response = self._session.post(f"{self._base}/issue/{issue_id}/comment", data=json.dumps({"body": document}))
        posted: dict[str, Any] = response.json()
        return posted

    def post_transition(self, issue_id: str, transition_id: str) -> None:
        body = json.dumps({"transition": {"id": transition_id}})
        self._session.post(f"{self._base}/issue/{issue_id}/transitions", data=body)

    def put_fields(self, issue_id: str, fields: dict[str, Any]) -> None:
        self._session.put(f"{self._base}/issue/{issue_id}", data=json.dumps({"fields": fields}))

    def put_property(self, issue_id: str, key: str, text: str) -> None:
        """Put a property whose value is exactly this JSON text."""
        self._session.put(f"{self._base}/issue/{issue_id}/properties/{quote(key, safe='')}", data=text.encode())
