"""Where Jira is, who we are there, and what its fields and statuses are called on this site."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints, field_validator

from domain.ids import SiteName
from domain.ticket import TicketRules
from domain.values import StrictValue

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
CustomField = Annotated[str, StringConstraints(pattern=r"^customfield_[0-9]{1,10}$")]


class JiraSettings(StrictValue):
    """`url` is the site's address with its context path, if any; `own_account` is the accountId that `token` belongs to.

    Fields are named by id: a display name can be changed, and two fields may share one.
    """

    url: str
    email: str
    token: SecretStr
    site: SiteName
    own_account: str = Field(min_length=1)
    project: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{1,19}$")]
    request_type: str = Field(default="Access request", min_length=1)
    entitlement: CustomField = "customfield_10101"
    duration: CustomField = "customfield_10102"
    subject: CustomField = "customfield_10103"
    reason: CustomField = "customfield_10104"
    access_state: CustomField = "customfield_10105"
    access_from: CustomField = "customfield_10106"
    access_until: CustomField = "customfield_10107"
    waiting_status: str = "Waiting for approval"
    approved_status: str = "Approved"
    declined_status: str = "Declined"
    active_status: str = "Access active"
    closed_status: str = "Closed"
    connections: int = Field(default=8, ge=1, le=64)
    connect_timeout_seconds: float = Field(default=3, gt=0)
    read_timeout_seconds: float = Field(default=8, gt=0)

    @field_validator("url")
    @classmethod
    def _url_is_private(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("the Jira address holds more than a site: write https://<host>, and the token in `token`")
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise ValueError("the API token would travel readable: use https (http is for loopback addresses only)")
        return url.rstrip("/")

    def rules(self) -> TicketRules:
        """The same facts as the domain asks for them; a change of a bound field is known by the field's id.

        `Key` is what a move is called in a change log that has no field id for it.
        """
        asked_for = {self.entitlement, self.duration, self.subject, self.reason}
        return TicketRules(
            project=self.project,
            request_type=self.request_type,
            waiting_status=self.waiting_status,
            approved_status=self.approved_status,
            declined_status=self.declined_status,
            active_status=self.active_status,
            closed_status=self.closed_status,
            bound_fields=frozenset(asked_for | {"reporter", "project", "issuetype", "Key"}),
            own_account=self.own_account,
        )
