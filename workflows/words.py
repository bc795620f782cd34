"""What people read: summaries, current details in Markdown, and comments for the ticket. No decision rests on any of it."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from types import MappingProxyType

from domain.durations import render_duration
from domain.evidence import RecordKind
from domain.forgetting import ForgetWord, GoneWord
from domain.lease import EndReason, LeaseState, LeaseStatus
from domain.lease_messages import LeaseOrder
from domain.messages import StatusView, TimelineEntry
from domain.request import RequestOutcome
from domain.watch import TargetReport

_ENDINGS = MappingProxyType(
    {
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
        EndReason.FORGOTTEN: "it was forgotten, not proved",
    }
)

_HINTS = MappingProxyType(
    {
        "approve": "the ticket has changed: it is read again",
        "extend": "somebody wishes for more time: the ticket is read again",
        "deny": "told that it was declined or closed",
        "revoke": "told to revoke",
    }
)
_TAKING = frozenset({LeaseState.REVOKING, LeaseState.STUCK, LeaseState.PROVING})
RESTORE = "Nightlatch restores no account: an administrator does, once the access is proved gone."
_MARKUP = re.compile(r"([\\`*_\[\]<>#|~!])")
MOST_LINES = 200
SHOWN_ENTRIES = 20


def hint(name: str, by: str) -> str:
    """What somebody sent word of. Who is told where it counts at once; all else is judged, and told with its person."""
    account = re.sub(r"[^\w:@.+-]", "", by)[:60]
    return _HINTS[name] + (f", by {account}" if account and name in {"deny", "revoke"} else "")


def spelt(name: RequestOutcome | RecordKind) -> str:
    """A name of ours as people read it."""
    return name.replace("_", " ")


def ending(reason: EndReason | None, note: str = "") -> str:
    """The reason of an end as half a sentence."""
    words = _ENDINGS[reason] if reason is not None else "unknown"
    return f"{words} ({note})" if note else words


def minute(instant: datetime) -> str:
    """An instant as people on a ticket read it: to the second, in UTC."""
    return instant.strftime("%Y-%m-%d %H:%M:%S UTC")


def lease_summary(order: LeaseOrder, subject: str) -> str:
    """One line for the list of workflows. It never changes, and so it tells no end: that can move."""
    who = subject or order.grantee.subject.user_id
    where = f"{order.grantee.target_name} at {order.grantee.target.instance}"
    return f"{order.ticket.key}: " + (f"take back {where} from {who}" if order.end_only else f"{where} for {who}")


def lease_details(order: LeaseOrder, status: LeaseStatus, note: str) -> str:
    """The current state of a lease, as the Temporal UI shows it."""
    lines = [
        f"### {order.grantee.target_name} for {order.ticket.key}",
        f"- state: **{status.state}**",
        f"- {'was to end at' if status.reason is not None else 'until'}: {minute(status.expires_at)}",
        f"- target: `{order.grantee.target}`",
        f"- account: `{order.grantee.subject}`",
    ]
    if status.reason is not None:
        lines.append(f"- ends because {_inline(ending(status.reason, note))}")
    if status.state in _TAKING:
        late = " The removal is late." if status.state is LeaseState.STUCK else ""
        lines.append(
            f"\nIt is being taken back, without a limit of attempts.{late} What fails is under *Pending Activities*."
        )
    return "\n".join(lines)


def proved_comment(
    order: LeaseOrder,
    reason: EndReason | None,
    note: str,
    removed_at: datetime,
    proved_at: datetime,
    *,
    is_suspended: bool,
) -> str:
    residual = render_duration(order.grantee.max_residual)
    told = (
        f"Access to {order.grantee.target_name} at {order.grantee.target.instance} is gone: {ending(reason, note)}. "
        f"Observed absent at {minute(removed_at)} and again at {minute(proved_at)}.\n\n"
        f"A session issued before that can live on until {minute(proved_at + order.grantee.max_residual)} at the latest ({residual})."
    )
    return f"{told}\n\nThe account is suspended. {RESTORE}" if is_suspended else told


def refused_comment(order: LeaseOrder, reason: EndReason | None, note: str) -> str:
    return f"Access to {order.grantee.target_name} at {order.grantee.target.instance} was not granted: {ending(reason, note)}."


def late_comment(order: LeaseOrder, what: str, due_at: datetime, warning: str) -> str:
    said = (
        f"The {what} {order.grantee.target_name} is late: it was due at {minute(due_at)}. "
        "It goes on being tried until it is done; nobody needs to ask again."
    )
    return f"{said} {warning}".strip()


def suspension_warning(at: datetime) -> str:
    return (
        f"If it is not done by {minute(at)}, the whole account is suspended, as the catalogue has it for this target."
    )


def suspended_comment(order: LeaseOrder, at: datetime) -> str:
    return (
        f"The account {order.grantee.subject.user_id} at {order.grantee.subject.instance} was suspended at {minute(at)}: its "
        f"access to {order.grantee.target_name}, or the sessions that came of it, could not be ended in time. That goes on "
        f"being tried.\n\n{RESTORE}"
    )


def forgotten_note(word: ForgetWord) -> str:
    """By whom a lease was given up, and why, as half a sentence."""
    return f"by {word.by} because {word.reason}"


def forgotten_comment(order: LeaseOrder, word: ForgetWord, looks: Sequence[GoneWord], sessions: str) -> str:
    first, second = (minute(look.observed_at) for look in looks)
    return (
        f"Forgotten, not proved: {order.grantee.target_name} at {order.grantee.target.instance}, {forgotten_note(word)}. "
        f"They asked for it on {word.ticket.key}. The provider said at {first} and again at {second} that it does not exist, "
        f"and {looks[-1].beside} stood beside it.\n\n"
        f"Sessions of the account {sessions}. Nobody has seen the account absent: if the target is seen again with the account "
        "in it, the access is ended as before."
    )


def not_forgotten_comment(order: LeaseOrder, why: str) -> str:
    return f"The removal from {order.grantee.target_name} is not forgotten, and goes on: {why}."


def request_details(view: StatusView, entries: Iterable[TimelineEntry]) -> str:
    """The current state of a request, as the Temporal UI shows it. Its leases show themselves."""
    lines = [
        f"### {view.ticket.key}: {f'{view.entitlement} for {view.subject}' if view.entitlement else 'access request'}",
        f"- state: **{view.state}**",
    ]
    if view.approver:
        lines.append(f"- approved by: {view.approver}")
    if view.expires_at is not None:
        lines.append(f"- {'until' if view.outcome is None else 'was to end at'}: {minute(view.expires_at)}")
    if view.outcome is not None:
        lines.append(f"- outcome: **{spelt(view.outcome)}**: {_inline(view.why)}")
    told = [f"- `{minute(entry.at)}` {_inline(entry.what)}" for entry in entries]
    return "\n".join([*lines, "", "#### Timeline", *told[-SHOWN_ENTRIES:]])


def reconcile_details(reports: Iterable[TargetReport]) -> str:
    """What a run of the reconciler has seen so far, target by target."""
    lines = []
    for report in reports:
        found = Counter(finding.kind for finding in report.findings)
        told = ", ".join(f"{number} {kind}" for kind, number in sorted(found.items())) or "nothing amiss"
        problem = f"; **problem**: {_inline(report.problem)}" if report.problem else ""
        lines.append(f"- {_inline(report.target)}: {report.members} members, {told}{problem}")
        lines += [f"  - {_inline(done)}" for done in report.done[:SHOWN_ENTRIES]]
    return "\n".join(lines[:MOST_LINES])


def _inline(text: str) -> str:
    """Words that may be a stranger's, as words and nothing else: no line, link or picture of theirs in Markdown."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
