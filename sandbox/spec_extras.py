"""The rules of an exchange that published schemas cannot express, or express wrongly; each with its source."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.openapi import Finding, Operation, parse_json

# developer.atlassian.com, "Jira entity properties" and the operation's own text.
MAX_PROPERTY_BYTES = 32_768
MAX_PROPERTY_KEY = 255

_COMMENTS = "/rest/api/3/issue/{issueIdOrKey}/comment"
_PROPERTY = "/rest/api/3/issue/{issueIdOrKey}/properties/{propertyKey}"


@dataclass(frozen=True)
class Exchange:
    """One request and its answer; header names are lower-case."""

    vendor: str
    method: str
    path: str
    query: str
    request_headers: Mapping[str, str]
    request_body: bytes
    status: int
    answer_headers: Mapping[str, str]
    answer_body: bytes


def check_no_content(seen: Exchange) -> Iterator[Finding]:
    if seen.answer_body:
        yield Finding("body", "must be empty (RFC 9110, 204 No Content)")
    if seen.vendor == "okta" and "content-type" in seen.answer_headers:
        # Okta sends none, and its SDK tries to parse the emptiness when there is one.
        yield Finding("content-type", "must be absent")


def check_upload(seen: Exchange) -> Iterator[Finding]:
    """By hand: Atlassian describes an upload as a JSON array of files, which no validator accepts as multipart."""
    if not seen.request_headers.get("content-type", "").startswith("multipart/form-data; boundary="):
        yield Finding("content-type", "must be multipart/form-data with a boundary")
    if b'name="file"' not in seen.request_body:
        yield Finding("body", "must have a part named file")
    if seen.request_headers.get("x-atlassian-token") != "no-check":
        yield Finding("header X-Atlassian-Token", "must be no-check")


def check_jira_request(operation: Operation, seen: Exchange) -> Iterator[Finding]:
    """What Jira's schemas leave open: rich text has no type there, and limits are prose."""
    if operation.template == _PROPERTY and operation.method == "PUT":
        if len(seen.request_body) > MAX_PROPERTY_BYTES:
            yield Finding("body", f"must be at most {MAX_PROPERTY_BYTES} bytes, is {len(seen.request_body)}")
        if len(operation.path_values["propertyKey"]) > MAX_PROPERTY_KEY:
            yield Finding("path parameter propertyKey", f"must be at most {MAX_PROPERTY_KEY} characters")
        return
    value = _readable(seen.request_body)
    if operation.template.startswith(_COMMENTS) and operation.method in {"POST", "PUT"} and isinstance(value, dict):
        yield from _check_document(value.get("body"), "body.body")
    elif isinstance(value, dict) and isinstance(update := value.get("update"), dict):
        for index, change in enumerate(update.get("comment") or ()):
            if isinstance(change, dict) and isinstance(added := change.get("add"), dict):
                yield from _check_document(added.get("body"), f"body.update.comment[{index}].add.body")


def check_jira_answer(operation: Operation, seen: Exchange) -> Iterator[Finding]:
    """The rich text of one comment or of a page of them."""
    value = _readable(seen.answer_body)
    if not operation.template.startswith(_COMMENTS) or not isinstance(value, dict):
        return
    if "comments" not in value:
        yield from _check_document(value.get("body"), "body.body")
        return
    for index, comment in enumerate(value["comments"] or ()):
        yield from _check_document(isinstance(comment, dict) and comment.get("body"), f"body.comments[{index}].body")


def _check_document(value: Any, where: str) -> Iterator[Finding]:
    """Source: developer.atlassian.com, "Atlassian Document Format", root block node."""
    sound = isinstance(value, dict) and value.get("type") == "doc" and value.get("version") == 1
    if not sound or not isinstance(value.get("content"), list):
        yield Finding(where, "must be an Atlassian document: type doc, version 1 and a content list")


def _readable(body: bytes) -> Any:
    try:
        return parse_json(body)
    except ValueError:
        return None
