"""What people read: summaries, current details in Markdown, and comments for the ticket. No decision rests on any of it."""

from datetime import datetime

from domain.durations import render_duration
from domain.lease import EndReason, LeaseStatus
from domain.messages import LeaseOrder, StatusView
from domain.values import render_instant

_ENDINGS = {
    EndReason.EXPIRED: "the time was over",
    EndReason.REVOKED: "it was revoked",
    EndReason.CANCELLED: "the request was closed or cancelled",
    EndReason.REFUSED_STANDING: "the account was already a member, and nothing standing is touched",
    EndReason.REFUSED: "it was refused",
    EndReason.GRANT_FAILED: "granting failed",
    EndReason.EXTENSION_UNCERTAIN: "the outcome of an extension was unknown",
    EndReason.REMOVED_ELSEWHERE: "it had been removed at the provider",
    EndReason.END_ONLY: "access without a live lease was found",
    EndReason.RESET: "the lease was reset, and access of its own was found",
    EndReason.HISTORY_FULL: "the lease had received too many messages",
    EndReason.FAULT: "the lease met an error of its own",
}


def ending(reason: EndReason | None, note: str = "") -> str:
    """The reason of an end as half a sentence."""
    words = _ENDINGS[reason] if reason is not None else "unknown"
    return f"{words} ({note})" if note else words


def minute(instant: datetime) -> str:
    """An instant as people on a ticket read it: to the second, in UTC."""
    return instant.strftime("%Y-%m-%d %H:%M:%S UTC")


def lease_summary(order: LeaseOrder) -> str:
    """One line for the list of workflows."""
    purpose = "ends" if order.end_only else f"until {minute(order.expires_at)}"
    return f"{order.ticket.key}: {order.grantee.target_name} at {order.grantee.target.instance}, {purpose}"


def lease_details(order: LeaseOrder, status: LeaseStatus, note: str) -> str:
    """The current state of a lease, as the Temporal UI shows it."""
    lines = [
        f"### {order.grantee.target_name} for {order.ticket.key}",
        f"- state: **{status.state}**",
        f"- until: {minute(status.expires_at)}",
        f"- target: `{order.grantee.target}`",
        f"- account: `{order.grantee.subject}`",
    ]
    if status.reason is not None:
        lines.append(f"- ends because {ending(status.reason, note)}")
    return "\n".join(lines)


def proved_comment(
    order: LeaseOrder, reason: EndReason | None, note: str, removed_at: datetime, proved_at: datetime
) -> str:
    residual = render_duration(order.grantee.max_residual)
    return (
        f"Access to {order.grantee.target_name} at {order.grantee.target.instance} is gone: {ending(reason, note)}. "
        f"Observed absent at {minute(removed_at)} and again at {minute(proved_at)}.\n\n"
        f"A session issued before that can live on until {minute(proved_at + order.grantee.max_residual)} at the latest ({residual})."
    )


def refused_comment(order: LeaseOrder, reason: EndReason | None, note: str) -> str:
    return f"Access to {order.grantee.target_name} at {order.grantee.target.instance} was not granted: {ending(reason, note)}."


def request_details(view: StatusView, entries: tuple[str, ...]) -> str:
    """The current state of a request, as the Temporal UI shows it. Its leases show themselves."""
    lines = [
        f"### {view.ticket.key}: {view.entitlement or 'access request'} for {view.subject or '?'}",
        f"- state: **{view.state}**",
    ]
    if view.approver:
        lines.append(f"- approved by: {view.approver}")
    if view.outcome is not None:
        lines.append(f"- outcome: **{view.outcome}** {view.why}")
    return "\n".join([*lines, "", "#### Timeline", *entries])


def timeline_line(at: datetime, what: str) -> str:
    return f"- `{render_instant(at)}` {what}"
