"""What happened, told as it happens: the vendors' audit log and the ticket's signed records, line by line, in plain words."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from activities.records import judge_writer
from domain.canonical import KeyRing
from domain.errors import SignatureRefusedError
from domain.evidence import Record, RecordKind, property_key, read_chain
from domain.ids import LeaseId, TicketRef, request_workflow_id
from domain.values import parse_instant
from starter.demo_facts import Line, at
from starter.demo_screen import Screen

Name = Callable[[str], str]


class Timeline:
    """Tells each new line and record once. `name_of` gives the people behind account ids names."""

    def __init__(
        self,
        screen: Screen,
        ticket: TicketRef,
        lease: LeaseId,
        keys: KeyRing,
        name_of: Name,
        details: Mapping[str, str],
    ) -> None:
        """`details`: event -> what the play itself knows about the first of its kind."""
        self.ends_at: datetime | None = None
        self._screen = screen
        self._ticket = ticket
        self._lease = lease
        request = request_workflow_id(ticket)
        self._writers = (judge_writer(request), judge_writer(str(lease)), str(lease), request)
        self._keys = keys
        self._name_of = name_of
        self._details = dict(details)
        self._began_at: datetime | None = None
        self._told: set[str] = set()
        self._webhook_due = False

    def hear(self, line: Line) -> None:
        """One line of the audit log."""
        self._began_at = self._began_at or at(line)
        words = self._words(line)
        if words:
            source = "Okta" if line["vendor"] == "okta" else "Jira"
            self._screen.happened(at(line) - self._began_at, source, words)

    def read(self, properties: Mapping[str, str], put: Line) -> None:
        """The records that the line `put` brought to the ticket; what was written after it has a line of its own."""
        for writer in self._writers:
            if put["property"] != property_key(writer, 0) or put["property"] not in properties:
                continue
            with suppress(SignatureRefusedError):
                for record in read_chain([properties[put["property"]]], self._ticket, writer, self._keys):
                    if record.at <= at(put) and record.hash not in self._told:
                        self._tell(record, at(put))

    def _tell(self, record: Record, seen_at: datetime) -> None:
        self._told.add(record.hash)
        if record.kind in {RecordKind.ARMED, RecordKind.EXTENDED}:
            self.ends_at = parse_instant(record.facts["until"])
            self._screen.count_down_to(self.ends_at)
        elif record.kind is RecordKind.ENDING:
            self._screen.count_down_to(None)
        if record.kind in _WORDS:
            after = seen_at - (self._began_at or seen_at)
            self._screen.happened(after, "record", _WORDS[record.kind](record.facts))

    def _words(self, line: Line) -> str:
        actor = self._name_of(line["actor"])
        is_person = actor != "Nightlatch"
        match line["event"]:
            case "issue.created":
                told = f"{actor} asks for {self._detail(line)}: {self._ticket.key}"
            case "issue.transitioned":
                told = f"{actor} moves the ticket to {line['to']!r}"
            case "comment.added" if is_person:
                told = f"{actor} comments on the ticket: {self._detail(line)}"
            case "webhook.delivered" if self._webhook_due:
                self._webhook_due = False
                return f"webhook {line['webhook_event']} delivered to the bridge, signed"
            case "membership.added" | "membership.removed" as event if self._is_ours(line):
                done = "is now" if event == "membership.added" else "is no longer"
                by = "" if actor == "Nightlatch" else f", by the hand of {actor}"
                return f"{self._name_of(line['user_id'])} {done} a member of the group{by}"
            case "session.created" if line["user_id"] == self._lease.subject.user_id:
                return f"{actor} signs in"
            case "sessions.revoked" if line["user_id"] == self._lease.subject.user_id:
                return f"sessions of {self._name_of(line['user_id'])} ended: {line['ended']}"
            case _:
                return ""
        self._webhook_due = is_person
        return told

    def _detail(self, line: Line) -> str:
        return self._details.pop(line["event"], "...")

    def _is_ours(self, line: Line) -> bool:
        lease = self._lease
        pair = (lease.target.container_id, lease.subject.user_id)
        return (line["group_id"], line["user_id"]) == pair and bool(line["changed"])


_WORDS: Mapping[RecordKind, Callable[[Mapping[str, Any]], str]] = {
    RecordKind.ASKED: lambda _: "asked: the question and its digest stand on the ticket",
    RecordKind.ANSWERED: lambda told: (
        f"answered: the approval by {told['by']} {'counts' if told['counts'] else 'is void'}"
    ),
    RecordKind.ARMED: lambda told: f"armed: the end, {_clock(told['until'])}, is signed before any grant",
    RecordKind.GRANTED: lambda _: "granted, and read back as present",
    RecordKind.ACTIVE: lambda told: f"active: {told['target']} was granted, by the witness's word",
    RecordKind.EXTENDED: lambda told: f"extension armed: the end moves to {_clock(told['until'])}",
    RecordKind.EXTENSION_JUDGED: lambda told: (
        f"extension {'granted' if told['granted'] else 'refused: ' + told['reason']}"
    ),
    RecordKind.ENDING: lambda told: f"ending: {told['reason']}",
    RecordKind.REFUSED: lambda told: f"refused: {told['reason']} {told['note']}",
    RecordKind.REMOVED: lambda _: "removed: observed absent, the first time",
    RecordKind.PROVED: lambda _: "proved: observed absent again",
    RecordKind.SESSIONS_ENDED: lambda told: f"sessions once more: {told['achieved']}",
    RecordKind.STUCK: lambda _: "stuck: the removal is late, and goes on being tried",
    RecordKind.CLOSED: lambda told: f"closed: {told['outcome']}",
}


def _clock(text: object) -> str:
    return parse_instant(text).strftime("%H:%M:%S.%f")[:-3]
