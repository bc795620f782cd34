"""A good story of a seeded run, as the oracle reads it, for tests that make one thing in it wrong. No test lives here."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from activities.records import judge_writer
from domain.ids import TicketRef, request_workflow_id
from domain.values import render_instant
from starter.ticket_evidence import Line
from tests.chaos.seeded.account import Account, Done, Pair, Request, Told
from tests.chaos.seeded.bounds import Happening
from tests.chaos.seeded.oracle import Verdict, judge
from tests.chaos.seeded.plan import PlannedLease

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)
TICKET = TicketRef(site="demo", issue_id="10001", key="SEC-2")
ALICE, CAROL = "account-alice", "account-carol"
PAIR = Pair("00gadmin", "00ualice")
END = 20.0
"""Seconds after the beginning at which the access ends that the judge has signed."""

REQUEST, LEASE, JUDGE = request_workflow_id(TICKET), PAIR.lease_id, judge_writer(PAIR.lease_id)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def record(kind: str, writer: str, seconds: float, **facts: Any) -> Line:
    return Line(
        at=render_instant(at(seconds)),
        kind=kind,
        writer=writer,
        record_id=f"{kind}/{seconds}",
        key="",
        told="",
        facts={"run": "run-1", **facts},
        verified=True,
    )


def armed(seconds: float, until: float) -> Line:
    return record("armed", JUDGE, seconds, until=render_instant(at(until)))


@dataclass
class Story:
    """One request that was approved by carol, granted, and taken back in time."""

    came: float = 3.0
    left: float | None = END + 0.1
    answer: dict[str, Any] = field(default_factory=lambda: {"to": "Approved", "author": CAROL})
    lines: list[Line] = field(
        default_factory=lambda: [
            record("asked", judge_writer(REQUEST), 0.5),
            record("answered", REQUEST, 1.0),
            armed(2.0, END),
            record("granted", LEASE, 3.1),
            record("ending", LEASE, END, reason="expired"),
            record("removed", LEASE, END + 0.2),
            record("proved", LEASE, END + 1.2),
            record("sessions_ended", LEASE, END + 1.3),
            record("closed", REQUEST, END + 1.4),
        ]
    )
    more: list[tuple[str, float, Pair]] = field(default_factory=list)
    happened: list[Happening] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    marks: list[str] = field(default_factory=lambda: ["nl-1", "nl-2"])
    torn: tuple[str, ...] = ()
    trouble: str = ""

    def replace(self, kind: str, line: Line) -> None:
        self.lines = [line if each.kind == kind else each for each in self.lines]

    def leave_out(self, kind: str) -> None:
        self.lines = [each for each in self.lines if each.kind != kind]

    def judged(self) -> Verdict:
        return judge(self.account())

    def account(self) -> Account:
        planned = PlannedLease(0, "alice", "carol", 0, 0.0, int(END))
        request = Request(planned, (PAIR,), TICKET, self.done, is_closed=True, trouble=self.trouble)
        changes = [("membership.added", self.came, PAIR), *self.more]
        changes += [("membership.removed", self.left, PAIR)] if self.left is not None else []
        log: list[dict[str, Any]] = [
            {"event": event, "at": seconds, "group_id": pair.group_id, "user_id": pair.user_id, "changed": True}
            for event, seconds, pair in changes
        ]
        log.append({"event": "issue.transitioned", "at": 1.0, "issue_id": TICKET.issue_id, **self.answer})
        log.append({"event": "issue.transitioned", "at": END + 60, "issue_id": "1", "to": "Closed", "author": "nobody"})
        log.sort(key=lambda entry: float(entry["at"]))
        entries = [
            {**entry, "seq": seq, "at": at(entry["at"]).isoformat(timespec="microseconds")}
            for seq, entry in enumerate(log)
        ]
        return Account(
            begun_at=BEGAN,
            told=(Told(request, TICKET, ALICE, tuple(self.lines), tuple(self.marks), self.torn),),
            log=tuple(entries),
            happened=tuple(self.happened),
            reconciled_every=timedelta(seconds=60),
            approvers=frozenset({CAROL, ALICE}),
            groups=frozenset({PAIR.group_id}),
        )


def fault(what: str, begins: float, ends: float, where: str = "server") -> Happening:
    return Happening(what, where, "", at(begins), at(ends))
