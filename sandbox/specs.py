"""Judges each request that reaches a stand-in, and its answer, by the API description that the vendor publishes.

Here: what is strict, what is excused and why. Reading a description is in openapi.py, the rules that schemas cannot
express are in spec_extras.py. Credentials are not judged (the stand-ins do that). No violation repeats a body's value.
"""

import re
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.openapi import Description, Finding, Operation
from sandbox.spec_extras import Exchange, check_jira_answer, check_jira_request, check_no_content, check_upload

MAX_KEPT_VIOLATIONS = 200

# The schema of each vendor's errors. Descriptions list few error answers an operation, though any may give these.
_ERROR_SCHEMAS = {"okta": "Error", "jira": "ErrorCollection", "jsm": "ErrorResponse"}
_GENERIC_ERRORS = frozenset({400, 401, 403, 404, 429})


@dataclass(frozen=True)
class AnswerException:
    """A published schema that the vendor's own published answers break. Excused is what matches in every part."""

    vendor: str
    finding: re.Pattern[str]
    value: re.Pattern[str]
    reason: str


ANSWER_EXCEPTIONS = (
    AnswerException(
        "jira",
        re.compile(r".*: must have the format date-time"),
        re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}"),
        "Jira prints UTC offsets without a colon (+0000), also in its published examples; RFC 3339 asks for one",
    ),
    AnswerException(
        "jira",
        re.compile(r"body\..*items\[\d+\]\.(from|to|fromString|toString): must be string, is null"),
        re.compile("None"),
        "a changelog item holds null where the field was empty, also in its published examples",
    ),
)


class SpecChecker:
    """Checks exchanges and counts them. `folder` holds okta.json, jira.json, ...; each is read when first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptions: dict[str, Description] = {}
        self._checked = 0
        self._operations: Counter[str] = Counter()
        self._violations: dict[str, None] = {}
        self._violation_count = 0
        self._excused: Counter[str] = Counter()

    def check(
        self,
        vendor: str,
        method: str,
        path: str,
        query: str,
        request_headers: Mapping[str, str],
        request_body: bytes,
        status: int,
        response_headers: Mapping[str, str],
        response_body: bytes,
    ) -> list[str]:
        """The violations of one exchange, in words; `path` is the vendor's own, without mount prefix. Never raises."""
        try:
            asked, answered = _lower(request_headers), _lower(response_headers)
            seen = Exchange(vendor, method, path, query, asked, request_body, status, answered, response_body)
            found = list(dict.fromkeys(self._judge(seen)))
        except Exception as error:  # noqa: BLE001 - a judge that fails has not acquitted
            found = [f"{vendor} {method} {path}: the check itself failed: {_origin(error)}"]
        self._checked += 1
        self._violation_count += len(found)
        for violation in found:
            if len(self._violations) < MAX_KEPT_VIOLATIONS:
                self._violations[violation] = None
        return found

    def report(self) -> dict[str, Any]:
        """Totals so far. `violations` holds the first distinct ones, `violation_count` counts all."""
        return {
            "checked": self._checked,
            "operations": dict(sorted(self._operations.items())),
            "violations": list(self._violations),
            "violation_count": self._violation_count,
            "excused": dict(self._excused),
        }

    def _judge(self, seen: Exchange) -> Iterator[str]:
        subject = f"{seen.vendor} {seen.method} {seen.path}"
        name = _description_name(seen)
        description = self._description(name)
        if description is None:
            yield f"{subject}: no file {name}.json in the folder of API descriptions; add it"
            return
        operation = description.find(seen.method, seen.path)
        if operation is None:
            yield f"{subject}: request: the official description knows no such operation"
            return
        self._operations[f"{seen.vendor} {operation.name}"] += 1
        for finding in _request_findings(description, operation, seen):
            yield f"{subject}: request: {finding.where}: {finding.what}"
        for finding in _answer_findings(description, operation, seen, _ERROR_SCHEMAS.get(name)):
            if not self._excuse(seen.vendor, finding):
                yield f"{subject}: answer {seen.status}: {finding.where}: {finding.what}"

    def _description(self, name: str) -> Description | None:
        if name not in self._descriptions:
            file = self._folder / f"{name}.json"
            if not re.fullmatch(r"[a-z]+", name) or not file.is_file():
                return None
            self._descriptions[name] = Description(file)
        return self._descriptions[name]

    def _excuse(self, vendor: str, finding: Finding) -> bool:
        for exception in ANSWER_EXCEPTIONS:
            same = exception.vendor == vendor and exception.finding.fullmatch(f"{finding.where}: {finding.what}")
            if same and exception.value.fullmatch(str(finding.value)):
                self._excused[exception.reason] += 1
                return True
        return False


def _request_findings(description: Description, operation: Operation, seen: Exchange) -> Iterator[Finding]:
    yield from description.check_parameters(operation, seen.query, seen.request_headers)
    contents = description.request_contents(operation)
    if contents is None:
        if seen.request_body:
            yield Finding("body", "the operation takes none")
        return
    media, required = contents
    if "multipart/form-data" in media:
        yield from check_upload(seen)
    elif seen.request_body:
        yield from _body_findings(description, media, seen.request_headers, seen.request_body, writing=True)
    elif required:
        yield Finding("body", "is required and missing")
    if seen.vendor == "jira":
        yield from check_jira_request(operation, seen)


def _answer_findings(
    description: Description, operation: Operation, seen: Exchange, error_schema: str | None
) -> Iterator[Finding]:
    contents = description.answer_contents(operation, seen.status)
    is_error = seen.status >= 400
    generic = seen.status in _GENERIC_ERRORS or seen.status >= 500
    if contents is None and not (generic and error_schema):
        yield Finding("status", f"is not described; described are {', '.join(description.statuses(operation))}")
    elif seen.status == 204:
        yield from check_no_content(seen)
    elif not contents and is_error and error_schema:
        # A status described without a body may come without one; an undescribed one must say what it is.
        if seen.answer_body or contents is None:
            family = {"application/json": description.schema(error_schema)}
            yield from _body_findings(description, family, seen.answer_headers, seen.answer_body, writing=False)
    elif contents and (seen.answer_body or not all(map(description.says_nothing, contents.values()))):
        yield from _body_findings(description, contents, seen.answer_headers, seen.answer_body, writing=False)
        if seen.vendor == "jira" and not is_error:
            yield from check_jira_answer(operation, seen)


def _body_findings(
    description: Description, contents: Mapping[str, str], headers: Mapping[str, str], body: bytes, *, writing: bool
) -> Iterator[Finding]:
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in contents:
        yield Finding("content-type", f"{media or 'none'} is not described; described are {', '.join(contents)}")
        return
    try:
        value = description.parse(contents[media], media, body)
    except ValueError:
        yield Finding("body", f"is not readable as {media}")
        return
    yield from description.check(contents[media], value, "body", writing=writing)


def _description_name(seen: Exchange) -> str:
    """A Jira site serves two APIs that Atlassian describes apart."""
    return "jsm" if seen.vendor == "jira" and seen.path.startswith("/rest/servicedeskapi/") else seen.vendor


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _origin(error: Exception) -> str:
    """Type and place only: a message may quote a body."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {Path(frames[-1].filename).name}:{frames[-1].lineno}"
