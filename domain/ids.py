"""Identifiers as types, made and parsed in this one place: provider instances, targets, subjects, workflow ids."""

import re
from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from domain.errors import InvalidInputError
from domain.values import Value

_NATIVE_ID = r"[A-Za-z0-9][A-Za-z0-9._:@=+-]{0,127}"
_NAME = r"[a-z][a-z0-9-]{0,39}"

ProviderInstance = Annotated[str, StringConstraints(pattern=rf"^{_NAME}/{_NAME}$")]
"""`<vendor>/<instance>`, for example `okta/prod`: one tenant of one vendor."""

NativeId = Annotated[str, StringConstraints(pattern=rf"^{_NATIVE_ID}$")]
"""A vendor's own immutable id. Never a login, an e-mail address or a display name: those can change or differ in case."""

EntitlementId = Annotated[str, StringConstraints(pattern=rf"^{_NAME}$")]
SiteName = Annotated[str, StringConstraints(pattern=rf"^{_NAME}$")]
IssueId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,19}$")]
IssueKey = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{1,19}-[0-9]{1,10}$")]


class TargetRef(Value):
    """What access is access to: one container of one provider instance, by its native id.

    `scope` is the lock scope: surfaces that act on the same container (direct membership and PIM, say) share it.
    """

    instance: ProviderInstance
    scope: Annotated[str, StringConstraints(pattern=rf"^{_NAME}$")]
    container_id: NativeId

    def __str__(self) -> str:
        return f"{self.instance}/{self.scope}/{self.container_id}"


class SubjectRef(Value):
    """Whose access it is at one provider instance, by native id."""

    instance: ProviderInstance
    user_id: NativeId

    def __str__(self) -> str:
        return f"{self.instance}/{self.user_id}"


class TicketRef(Value):
    """A Jira issue: `issue_id` is immutable and identifies it, `key` is what people read and may change on a move."""

    site: SiteName
    issue_id: IssueId
    key: IssueKey


class LeaseId(Value):
    """The lock: one (target, subject) pair has one lease, whatever anybody is called."""

    target: TargetRef
    subject: SubjectRef

    @model_validator(mode="after")
    def _one_instance(self) -> Self:
        if self.subject.instance != self.target.instance:
            raise ValueError(
                f"{self.subject} is no account of {self.target.instance}; link the subject's account there"
            )
        return self

    def __str__(self) -> str:
        return f"lease:{self.target}/{self.subject.user_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of `str`.

        Raises:
            InvalidInputError: `text` is not a lease id.
        """
        match = re.fullmatch(rf"lease:({_NAME}/{_NAME})/({_NAME})/({_NATIVE_ID})/({_NATIVE_ID})", text)
        if match is None:
            raise InvalidInputError(
                f"{text!r} is not a lease id: expected lease:<vendor>/<instance>/<scope>/<container id>/<user id>",
            )
        instance, scope, container_id, user_id = match.groups()
        return cls(
            target=TargetRef(instance=instance, scope=scope, container_id=container_id),
            subject=SubjectRef(instance=instance, user_id=user_id),
        )


def request_workflow_id(ticket: TicketRef) -> str:
    """`request:<site>/<issue id>`: built from the immutable id, so that a moved ticket stays the same request."""
    return f"request:{ticket.site}/{ticket.issue_id}"


def parse_request_workflow_id(text: str) -> tuple[str, str]:
    """`(site, issue id)` of a request's workflow id.

    Raises:
        InvalidInputError: `text` is not a request's workflow id.
    """
    match = re.fullmatch(rf"request:({_NAME})/([0-9]{{1,19}})", text)
    if match is None:
        raise InvalidInputError(f"{text!r} is not a request id: expected request:<site>/<issue id>")
    return match.group(1), match.group(2)
