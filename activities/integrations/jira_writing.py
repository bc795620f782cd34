"""What Nightlatch itself does to an issue: comment once, set fields, move along the workflow. All of it safe to repeat."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from activities.integrations.jira_adf import from_text
from activities.integrations.jira_pages import read_comments
from activities.integrations.jira_reading import read_issue
from activities.integrations.jira_settings import JiraSettings
from activities.integrations.jira_shapes import Account, Comment, Named, Transitions
from domain.errors import InvalidError
from domain.ids import TicketRef
from domain.ticket import TicketComment

if TYPE_CHECKING:
    from activities.integrations.jira_client import JiraClient


def check_own_account(client: "JiraClient", settings: JiraSettings) -> None:
    """Return if the credential belongs to the account that the settings name as ours.

    Raises:
        InvalidError: it does not. Our own comments would not be known again, and be posted again at each attempt.
    """
    found = Account.read("/myself", client.get("/myself")[0]).account_id
    if found != settings.own_account:
        raise InvalidError(
            f"the Jira token belongs to {found}, and own_account says {settings.own_account}: set it right"
        )


def comment_once(
    client: "JiraClient", settings: JiraSettings, ticket: TicketRef, text: str, marker: str
) -> TicketComment:
    """Post `text` unless a comment by our own account already ends with `marker`; anybody else's does not count."""
    for comment in read_comments(client, ticket.issue_id):
        posted = comment.to_comment()
        if posted.author == settings.own_account and posted.text.rpartition("\n")[2] == marker:
            return posted
    body = client.post_comment(ticket.issue_id, from_text(text, marker))
    return Comment.read(f"/issue/{ticket.issue_id}/comment", body).to_comment()


def set_fields(
    client: "JiraClient",
    settings: JiraSettings,
    ticket: TicketRef,
    *,
    state: str,
    active_from: datetime | None,
    active_until: datetime | None,
) -> None:
    """Write those of the three fields that say something else; an empty or absent value leaves its field alone."""
    instants = {settings.access_from: active_from, settings.access_until: active_until}
    issue, _ = read_issue(client, ticket, ",".join((settings.access_state, *instants)))
    different: dict[str, Any] = {}
    if state and issue.text(settings.access_state) != state:
        different[settings.access_state] = state
    for field, at in instants.items():
        if at is not None and issue.instant_or_none(field) != _whole_milliseconds(at):
            different[field] = (
                _whole_milliseconds(at).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}+0000"
            )
    if different:
        client.put_fields(ticket.issue_id, different)


def move_to(client: "JiraClient", ticket: TicketRef, status: str) -> None:
    """Take the transition that leads to `status`; a ticket that is there, or is brought there meanwhile, is left alone.

    Raises:
        InvalidError: no transition leads there from where the ticket stands.
    """
    stands = _status(client, ticket)
    if stands == status:
        return
    path = f"/issue/{ticket.issue_id}/transitions"
    steps = Transitions.read(path, client.get(path)[0]).transitions
    step = next((step for step in steps if step.to.name == status), None)
    if step is None:
        raise InvalidError(
            f"{ticket.key} stands in {stands!r}, and no transition open to us leads to {status!r}:"
            f" add one from {stands!r} to the Jira workflow, or allow it to Nightlatch's account"
        )
    try:
        client.post_transition(ticket.issue_id, step.id)
    except InvalidError:
        if _status(client, ticket) != status:
            raise


def _status(client: "JiraClient", ticket: TicketRef) -> str:
    return read_issue(client, ticket, "status")[0].part(Named, "status").name


def _whole_milliseconds(at: datetime) -> datetime:
    """As finely as Jira keeps instants."""
    return at.astimezone(UTC) - timedelta(microseconds=at.microsecond % 1000)
