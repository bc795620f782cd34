"""Refusals in Jira's own shape: a status, sentences, and sentences by field."""

from starlette.responses import JSONResponse


class JiraError(Exception):
    """Answered as `{"errorMessages": [...], "errors": {...}}` with `status`."""

    def __init__(self, status: int, *messages: str, fields: dict[str, str] | None = None) -> None:
        super().__init__(*messages, *(fields or {}).values())
        self.status = status
        self.messages = list(messages)
        self.fields = fields or {}

    def response(self) -> JSONResponse:
        return JSONResponse({"errorMessages": self.messages, "errors": self.fields}, self.status)


def no_such_issue() -> JiraError:
    """Absent and not permitted look the same, as they do at Jira."""
    return JiraError(404, "Issue does not exist or you do not have permission to see it.")
