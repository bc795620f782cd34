"""What can be known of a request that was played: facts by name, from the vendors' audit log and from records that verify."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from activities.records import judge_writer
from domain.canonical import KeyRing, Signature, canonical_bytes
from domain.catalogue import Surface
from domain.errors import SignatureRefusedError
from domain.evidence import Record, RecordKind, property_key, read_chain
from domain.ids import LeaseId, TicketRef
from domain.signed import Signed
from domain.values import parse_instant
from domain.witness import Proof, verify_proof

Line = Mapping[str, Any]
"""A line of the audit log."""


@dataclass(frozen=True)
class Case:
    """What was asked, and everything there is to know about it afterwards. `is_over`: Temporal says that the request closed."""

    ticket: TicketRef
    lease: LeaseId
    surface: Surface
    approver: str
    scribe: str
    extension: timedelta
    keys: KeyRing
    audit: Sequence[Line]
    properties: Mapping[str, str]
    is_over: bool


class MissingError(Exception):
    """What a guarantee would be judged by is not there: it did not hold."""


class Facts:
    """The facts by name; asking for one that is missing or does not verify raises `MissingError`."""

    def __init__(self, case: Case) -> None:
        self.case = case

    @cached_property
    def approved(self) -> Line:
        return self._first("issue.transitioned", issue_id=self._issue, actor=self.case.approver, to="Approved")

    @cached_property
    def armed_on_ticket(self) -> Line:
        writer = judge_writer(str(self.case.lease))
        return self._first("property.put", issue_id=self._issue, property=property_key(writer, 0))

    @cached_property
    def granted(self) -> Line:
        return self._first("membership.added", **self._pair)

    @cached_property
    def removed(self) -> Line:
        return self._first("membership.removed", **self._pair)

    @cached_property
    def armed_until(self) -> datetime:
        return parse_instant(self._record(self._judged, RecordKind.ARMED).facts["until"])

    @cached_property
    def extended(self) -> Record:
        return self._record(self._judged, RecordKind.EXTENDED)

    @cached_property
    def expired_at(self) -> datetime:
        return parse_instant(self.extended.facts["until"])

    @cached_property
    def looks(self) -> tuple[datetime, datetime]:
        """When the pair was observed absent after its removal, by a witness whose signature holds, the vendor's lag apart."""
        first, second = (_witness(self._record(self._told, kind)) for kind in (RecordKind.REMOVED, RecordKind.PROVED))
        try:
            seen = verify_proof(
                Proof(first=first, second=second),
                self.case.keys,
                lease_id=str(self.case.lease),
                not_before=at(self.removed),
                apart=self.case.surface.read_lag,
            )
        except SignatureRefusedError as error:
            raise MissingError(str(error)) from error
        return seen[0].observed_at, seen[1].observed_at

    def lines(self, event: str, **facts: object) -> list[Line]:
        return [line for line in self.case.audit if line["event"] == event and facts.items() <= line.items()]

    @property
    def membership_changes(self) -> int:
        return sum(len(self.lines(event, **self._pair)) for event in ("membership.added", "membership.removed"))

    @property
    def user_id(self) -> str:
        return self.case.lease.subject.user_id

    @property
    def closed(self) -> Line:
        return self._first("issue.transitioned", issue_id=self._issue, actor=self.case.scribe, to="Closed")

    @property
    def _issue(self) -> str:
        return self.case.ticket.issue_id

    @property
    def _pair(self) -> dict[str, object]:
        lease = self.case.lease
        return {"group_id": lease.target.container_id, "user_id": lease.subject.user_id, "changed": True}

    @cached_property
    def _judged(self) -> tuple[Record, ...]:
        return self._chain(judge_writer(str(self.case.lease)))

    @cached_property
    def _told(self) -> tuple[Record, ...]:
        return self._chain(str(self.case.lease))

    def _chain(self, writer: str) -> tuple[Record, ...]:
        segments: list[str] = []
        while (text := self.case.properties.get(property_key(writer, len(segments)))) is not None:
            segments.append(text)
        try:
            return read_chain(segments, self.case.ticket, writer, self.case.keys)
        except SignatureRefusedError as error:
            raise MissingError(str(error)) from error

    def _first(self, event: str, **facts: object) -> Line:
        for line in self.lines(event, **facts):
            return line
        raise MissingError(f"the audit log has no such {event}")

    @staticmethod
    def _record(chain: Sequence[Record], kind: RecordKind) -> Record:
        for record in chain:
            if record.kind is kind:
                return record
        raise MissingError(f"the ticket bears no record of kind {kind}")


def at(line: Line) -> datetime:
    """When the vendor did it."""
    return parse_instant(line["at"])


def _witness(record: Record) -> Signed:
    try:
        word = record.facts["witness"][0]
        signature = Signature(key_id=word["key"], value=word["sig"])
        return Signed(payload=canonical_bytes(word["body"]).decode(), signature=signature)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise MissingError(f"the record {record.record_id} holds no witness's word") from error
