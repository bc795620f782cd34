"""One explicit example of every message, every field given, and the file that pins their exact JSON.

`python -m tests.domain.message_examples` writes the pins anew. A pin may gain fields; a field that is lost or changes
breaks the histories that hold it.
"""

import json
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel

from domain import lease_messages as l
from domain import messages as m
from domain import paper as p
from domain import watch as w
from domain.approval import ApprovalOutcome, ApprovalVerdict, RefusedAnswer
from domain.canonical import Signature
from domain.catalogue import Surface, TargetKind, TargetMode
from domain.drift import DriftKind, Finding, Known, Remedy
from domain.evidence import RecordKind
from domain.extension import ExtensionVerdict
from domain.forgetting import Forgetting
from domain.lease import EndReason, LeaseState, Sent
from domain.request import RequestOutcome, RequestState
from domain.signed import Signed
from domain.terms import RequestTerms
from domain.witness import Proof, SessionsEnded
from tests.domain.examples import (
    ANSWERED_AT,
    ASKED_AT,
    CREATED_AT,
    KEYS,
    LEASE_ID,
    NOW,
    RUN_ID,
    TICKET,
    asked,
    resolved,
)

PINS = Path(__file__).with_name("messages_pinned.json")

END, LATER = NOW + timedelta(hours=2), NOW + timedelta(hours=3)
SEALED = Signed(payload='{"said":"so"}', signature=Signature(key_id="witness-0011223344556677", value="c2lnbmF0dXJl"))
PROOF = Proof(first=SEALED, second=SEALED)
TERMS = RequestTerms.model_validate(resolved().model_dump() | {"starts_at": CREATED_AT})
VERDICT = ApprovalVerdict(
    outcome=ApprovalOutcome.APPROVED,
    answer_id="change-7",
    answered_at=ANSWERED_AT,
    approver="ben",
    refused=(RefusedAnswer(answer_id="change-6", by="dan", reason="dan is not an approver of prod-admin"),),
    reason="a reason",
)
ORDER = l.LeaseOrder(
    ticket=TICKET,
    request_id="request:acme/10042",
    grantee=TERMS.grantees[0],
    entitlement="prod-admin",
    terms_digest=TERMS.digest,
    expires_at=END,
    never_after=LATER,
    keys=KEYS,
    surface=Surface(read_lag=timedelta(seconds=1), landing_lag=timedelta(seconds=2), native_expiry=True),
    end_only=True,
    why="the reconciler found a member without a lease",
)
FACT = p.Fact(
    fact_id="granted",
    kind=RecordKind.GRANTED,
    at=NOW,
    facts={"target": "Prod admins", "until": 1},
    witness=(SEALED,),
    comment="Ada has access.",
)
FIELDS = p.TicketFields(state="Active", active_from=NOW, active_until=END, transition_to="Access active")
EXTENSION = ExtensionVerdict(wish_id="c1", person="ada", granted=True, new_end=LATER, reason="a reason")
ARMED = m.ArmedLease(
    lease_id=LEASE_ID, kind=TargetKind.OKTA_GROUP, target_name="admins", until=END, terms_digest=TERMS.digest
)
OUTCOME = l.LeaseOutcome(
    lease_id=LEASE_ID,
    run_id=RUN_ID,
    reason=EndReason.EXPIRED,
    sent=Sent.GRANTED,
    proof=PROOF,
    disclaimer=SEALED,
    removed_at=END,
    proved_at=LATER,
    sessions=SessionsEnded.ENDED,
    note="a note",
    unheard=("c2",),
    forgetting=Forgetting(first=SEALED, second=SEALED, word=SEALED),
)
SESSIONS = l.SessionsResult(sessions=SessionsEnded.UNSUPPORTED, note="a note", receipt=SEALED)
LINE = m.LeaseLine(lease_id=LEASE_ID, target_name="Prod admins", state=LeaseState.ACTIVE, expires_at=END, note="a note")

EXAMPLES: tuple[BaseModel, ...] = (
    m.RequestInput(ticket=TICKET),
    m.Hint(by="ada", note="look again"),
    m.ExtendInput(wish_id="c1"),
    m.OpenResult(
        terms=TERMS,
        asked=asked(),
        lapse_after=timedelta(hours=24),
        keys=KEYS,
        refused=("a reason",),
        judged=m.JudgeResult(verdict=VERDICT, armed_until=END),
    ),
    m.OpenInput(ticket=TICKET, round_number=2),
    m.JudgeInput(ticket=TICKET, asked=asked()),
    m.JudgeResult(verdict=VERDICT, armed_until=END),
    ORDER,
    l.PairInput(order=ORDER),
    l.ObserveInput(order=ORDER, then_end_sessions=True),
    l.LookResult(observation=SEALED, refusals=("a reason",)),
    l.ObserveResult(observation=SEALED, sessions=SESSIONS),
    l.ArmInput(order=ORDER),
    l.ArmResult(warrant=SEALED, refused=("a reason",)),
    l.GrantInput(order=ORDER, warrant=SEALED),
    l.GrantResult(receipt=SEALED, observation=SEALED),
    l.RevokeResult(observation=SEALED, receipt=SEALED, sessions=SessionsEnded.ENDED, sessions_note="a note"),
    SESSIONS,
    l.SuspendResult(receipt=SEALED),
    l.ExtensionOffer(wish_id="c1", new_end=LATER),
    l.ExtensionCommit(wish_id="c1", commit=True),
    l.ArmExtensionInput(order=ORDER, wish_id="c1", current_end=END, new_end=LATER),
    l.VoidExtensionInput(order=ORDER, wish_id="c1", end=END),
    l.LeaseNews(
        lease_id=LEASE_ID,
        run_id=RUN_ID,
        state=LeaseState.ACTIVE,
        at=NOW,
        expires_at=END,
        wish_id="c1",
        prolonged=True,
        note="a note",
        receipt=SEALED,
        ending="it was revoked",
    ),
    l.ForgetAsk(ticket=TICKET, ask_id="0123456789abcdef"),
    l.GoneResult(word=SEALED, why_not="admins is there"),
    l.ForgetInput(order=ORDER, ticket=TICKET, ended_at=END, first=SEALED, second=SEALED),
    l.ForgetResult(word=SEALED, refused="nobody has"),
    l.ForgetView(ended_at=END, ask_id="0123456789abcdef", refused="nobody has"),
    p.Alarm(
        key=f"{LEASE_ID}/{RUN_ID}",
        summary="SEC-9: the removal from prod admins is late",
        ticket="SEC-9",
        since=NOW,
        times=2,
        over=True,
    ),
    p.PageResult(sent=True),
    FACT,
    FIELDS,
    p.EvidenceInput(
        ticket=TICKET, writer=LEASE_ID, facts=(FACT,), fields=FIELDS, final=True, judged_wishes=("c1", "c2")
    ),
    p.EvidenceResult(records=3, head="sha256:head", written=SEALED.signature, unanswered=1),
    m.WishesInput(ticket=TICKET, terms=TERMS, first_end=END, current_end=LATER, times_extended=1, seen=("c0",)),
    m.WishesResult(verdicts=(EXTENSION,), revoke_asked_by="ada"),
    OUTCOME,
    m.RequestResult(outcome=RequestOutcome.ENDED, why="expired", leases=(OUTCOME,)),
    LINE,
    m.StatusView(
        ticket=TICKET,
        state=RequestState.ACTIVE,
        outcome=RequestOutcome.ENDED,
        why="expired",
        subject="ada",
        entitlement="prod-admin",
        approver="ben",
        expires_at=END,
        leases=(LINE,),
    ),
    m.TimelineEntry(at=ASKED_AT, what="asked"),
    m.TimelineView(entries=(m.TimelineEntry(at=ASKED_AT, what="asked"),)),
    m.ArmedInput(ticket=TICKET),
    ARMED,
    m.ArmedResult(leases=(ARMED,), keys=KEYS),
    m.HolderInput(lease_id=LEASE_ID),
    m.HolderResult(
        running=True,
        is_lease=True,
        state="active",
        issue_id="10042",
        ticket_key="SEC-9",
        terms_digest=TERMS.digest,
        expires_at=END,
    ),
    m.FollowResult(outcome=OUTCOME),
)

WATCHED = w.WatchedTarget(
    kind=TargetKind.OKTA_GROUP,
    ref=ORDER.grantee.target,
    name="prod admins",
    mode=TargetMode.ENFORCE,
    exceptions=(w.Exempt(account="00ubreakglass", reason="break glass", until=LATER.date()),),
    suspend_after=timedelta(minutes=30),
    is_named=False,
)
LEASED = w.LeasedTarget(kind=TargetKind.OKTA_GROUP, ref=ORDER.grantee.target, name="prod admins", leased_at=NOW)
KNOWN = Known(since=ASKED_AT, was_ours=True)
MEMORY = w.Memory(
    listed={str(ORDER.grantee.target): NOW},
    known={LEASE_ID: KNOWN},
    leased=(LEASED,),
    read_until=ASKED_AT,
    unlisted={str(ORDER.grantee.target): NOW},
    said={f"unwatched:{ORDER.grantee.target}": NOW},
)
FINDING = Finding(
    lease_id=LEASE_ID,
    kind=DriftKind.ORPHAN,
    remedy=Remedy.END,
    run_id=RUN_ID,
    was_ours=True,
    protected="break glass (until 2030-01-01)",
    since=ASKED_AT,
)
REPORT = w.TargetReport(
    target="prod admins", members=2, findings=(FINDING,), done=("a lease takes it away",), waiting=1, problem="503"
)
WATCH_EXAMPLES: tuple[BaseModel, ...] = (
    w.ReconcileInput(instance="okta/prod", limit=5),
    WATCHED.exceptions[0],
    WATCHED,
    LEASED,
    KNOWN,
    MEMORY,
    w.WatchInput(instance="okta/prod", memory=MEMORY),
    w.WatchResult(
        targets=(WATCHED,), leased=(LEASED,), read_until=NOW, problem="the catalogue cannot be read", control="SEC-1"
    ),
    w.LookInput(target=WATCHED, known={LEASE_ID: KNOWN}),
    w.TargetLook(listed_at=NOW, members=2, ours=(LEASE_ID,), findings=(FINDING,), more=1),
    w.RemedyInput(target=WATCHED, finding=FINDING, known=KNOWN),
    w.RemedyResult(done="a lease takes it away", problem="the engine takes nothing"),
    FINDING,
    REPORT,
    w.ReconcileReport(memory=MEMORY, targets=(REPORT,), problem="the catalogue cannot be read"),
)
EXAMPLES = (*EXAMPLES, *WATCH_EXAMPLES)


def write_pins() -> None:
    """Write the JSON of every example to the pinned file."""
    pins = {type(example).__name__: json.loads(example.model_dump_json()) for example in EXAMPLES}
    PINS.write_text(json.dumps(pins, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    write_pins()
