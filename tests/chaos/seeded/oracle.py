"""What has to be true of a run, judged from the vendors' log and the signed records on the tickets alone. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from activities.records import judge_writer
from domain.catalogue import SURFACES, TargetKind
from domain.ids import request_workflow_id
from domain.values import parse_instant
from tests.chaos.seeded.account import Account, Done, Entry, Pair, Told, twice
from tests.chaos.seeded.bounds import WAYS, Bound, Way, bound
from tests.chaos.seeded.claims import Claim, Stay, claim_of, lines_of, pairs_of, read_claims, read_stays, sweeper
from tests.chaos.seeded.plan import Act
from workflows.options import CLIENT_TIMEOUT, fence

LANDING = CLIENT_TIMEOUT + SURFACES[TargetKind.OKTA_GROUP].landing_lag
"""How long after it was sent, which has to be before the end, a grant may still land."""

FENCE = fence(SURFACES[TargetKind.OKTA_GROUP].landing_lag)
NEEDED = ("ending", "removed", "proved", "sessions_ended")
"""What the lease of a pair has to tell that was ever a member."""


@dataclass(frozen=True)
class Finding:
    """Something that does not hold, and where to look."""

    what: str
    ticket: str
    detail: str


LATE = "late removal"
EARLY = "removal before the end"
UNAPPROVED = "grant without a valid approval"
UNPROVED = "lease without proof"
FALSE_PROOF = "false revoked"
GAP = "evidence gap"
DOUBLE = "double"
BROKEN = "broken chain"
UNFINISHED = "request that never ended"
KINDS = (LATE, EARLY, UNAPPROVED, UNPROVED, FALSE_PROOF, GAP, DOUBLE, BROKEN, UNFINISHED)


@dataclass(frozen=True)
class Exposure:
    """A membership beside its claim: how long it lasted past the signed end, and past when it was due, and what was allowed."""

    claim: Claim
    stay: Stay
    due_at: datetime
    way: Way
    past_end: timedelta
    late: timedelta
    bound: Bound

    @property
    def allowed(self) -> timedelta:
        return self.bound.at - self.due_at


@dataclass(frozen=True)
class Verdict:
    """`silenced`: who was gone already when an operator terminated request and lease, so that nobody was left to prove it."""

    findings: tuple[Finding, ...]
    exposures: tuple[Exposure, ...]
    stays: tuple[Stay, ...]
    silenced: tuple[Stay, ...] = ()


def judge(account: Account) -> Verdict:
    """Everything that does not hold, and how long each member stayed past its end."""
    findings: list[Finding] = []
    claims = {pair: tuple(read_claims(account.told, pair)) for pair in pairs_of(account)}
    stays = tuple(read_stays(account.log, account.groups))
    exposures = []
    for stay in stays:
        claim = claim_of(stay, claims.get(stay.pair, ()))
        if isinstance(claim, str):
            findings.append(Finding(UNAPPROVED, "", f"{_name(stay)}: {claim}"))
            continue
        findings += _unapproved(stay, claim, account)
        findings += _early(stay, claim)
        exposure = _exposure(stay, claim, account)
        exposures.append(exposure)
        if stay.left_at is None or exposure.late > exposure.allowed:
            findings.append(Finding(LATE, claim.told.ticket.key, _late(exposure)))
    granted = {(exposure.claim.told.ticket.key, exposure.stay.pair): exposure for exposure in exposures}
    for told in account.told:
        findings += _paper(told)
        for pair in told.request.pairs:
            last = granted.get((told.ticket.key, pair))
            findings += _told_of(told, pair, last.stay if last else None)
            findings += _false_proofs(told, pair, stays)
    silenced = tuple(one.stay for one in granted.values() if _is_silenced(one.claim.told, one.stay))
    return Verdict(tuple(findings), tuple(exposures), stays, silenced)


def _unapproved(stay: Stay, claim: Claim, account: Account) -> Iterator[Finding]:
    key = claim.told.ticket.key
    if stay.came_at >= claim.until + LANDING:
        yield Finding(UNAPPROVED, key, f"{_name(stay)}: it had ended at {claim.until}")
    if claim.proved_at is not None and claim.proved_at < stay.came_at:
        yield Finding(UNAPPROVED, key, f"{_name(stay)}: its lease had proved the removal at {claim.proved_at}")
    answers = [
        entry
        for entry in account.log
        if entry["event"] == "issue.transitioned"
        and entry["issue_id"] == claim.told.ticket.issue_id
        and entry["to"] == "Approved"
        and entry["author"] in account.approvers
        and entry["author"] != claim.told.requester
        and parse_instant(entry["at"]) < claim.armed_at
    ]
    if not answers:
        yield Finding(UNAPPROVED, key, f"{_name(stay)}: nobody who may had approved it before it was armed")


def _early(stay: Stay, claim: Claim) -> Iterator[Finding]:
    """Who is taken away before the first end needs a reason besides the end; nobody but the lease itself has one."""
    reasons = {line.facts.get("reason") for line in lines_of(claim.told, claim.pair, "ending")}
    if stay.left_at is not None and stay.left_at < claim.first and reasons <= {"expired"}:
        detail = f"{_name(stay)}: left at {stay.left_at}, and the end was {claim.first}"
        yield Finding(EARLY, claim.told.ticket.key, detail)


def _exposure(stay: Stay, claim: Claim, account: Account) -> Exposure:
    """Due at the signed end, or when somebody ended it before; when it landed late, once the look behind the fence is over."""
    due_at, way = claim.until, Way.CLOCK
    for done in claim.told.request.done:
        if done.act in WAYS and done.lease_id in {"", claim.pair.lease_id}:
            due_at, way = _due(done, due_at, way)
    if stay.came_at >= due_at - FENCE and _was_looked_for(stay, account.log):
        due_at = max(due_at, stay.came_at + FENCE)
    happened = [one for one in account.happened if one.lease_id in {"", claim.pair.lease_id}]
    left_at = stay.left_at or parse_instant(account.log[-1]["at"])
    return Exposure(
        claim=claim,
        stay=stay,
        due_at=due_at,
        way=way,
        past_end=max(timedelta(0), left_at - max(claim.until, stay.came_at)),
        late=max(timedelta(0), left_at - due_at),
        bound=bound(due_at, way, happened, account.reconciled_every),
    )


def _due(done: Done, due_at: datetime, way: Way) -> tuple[datetime, Way]:
    """An act before the end makes the removal due; one that leaves only the net does so whenever it falls."""
    if WAYS[done.act] is Way.NET:
        return (max(due_at, done.at) if done.act is Act.PAUSE_REMOVAL else done.at), Way.NET
    if way is Way.NET or done.at >= due_at:
        return due_at, way
    return done.at, WAYS[done.act]


def _was_looked_for(stay: Stay, log: Iterable[Entry]) -> bool:
    """Whether a removal had been tried within the fence before the member came: the grant landed late."""
    return any(
        entry["event"] == "membership.removed"
        and (entry["group_id"], entry["user_id"]) == (stay.pair.group_id, stay.pair.user_id)
        and timedelta(0) < stay.came_at - parse_instant(entry["at"]) <= FENCE
        for entry in log
    )


def _told_of(told: Told, pair: Pair, stay: Stay | None) -> Iterator[Finding]:
    """What the ticket has to say of a pair that was a member."""
    if stay is None or stay.left_at is None or _is_silenced(told, stay):
        return
    key = told.ticket.key
    proofs = [parse_instant(line.at) for line in lines_of(told, pair, "proved")]
    if not any(proof > stay.left_at for proof in proofs):
        yield Finding(UNPROVED, key, f"{_name(stay)}: left at {stay.left_at}, proofs at {proofs}")
    swept = any(line.writer == sweeper(pair) for line in told.lines)
    missing = [kind for kind in NEEDED if not lines_of(told, pair, kind) and not (swept and kind == "ending")]
    if missing:
        yield Finding(GAP, key, f"{_name(stay)}: the lease does not tell {', '.join(missing)}")


def _is_silenced(told: Told, stay: Stay) -> bool:
    acts = (done for done in told.request.done if done.act is Act.TERMINATE_BOTH)
    return stay.left_at is not None and any(done.at >= stay.left_at for done in acts)


def _false_proofs(told: Told, pair: Pair, stays: Iterable[Stay]) -> Iterator[Finding]:
    for line in lines_of(told, pair, "proved"):
        at = parse_instant(line.at)
        for stay in stays:
            if stay.pair == pair and stay.came_at < at and (stay.left_at is None or at < stay.left_at):
                yield Finding(
                    FALSE_PROOF, told.ticket.key, f"{_name(stay)}: proved absent at {at}, left at {stay.left_at}"
                )


def _paper(told: Told) -> Iterator[Finding]:
    """What holds of every ticket, whatever became of it."""
    key, request = told.ticket.key, told.request
    for line in told.lines:
        if not line.verified:
            yield Finding(BROKEN, key, line.problem)
    for torn in told.torn:
        yield Finding(GAP, key, f"records were taken back: {torn}")
    for record in twice(f"{line.writer} {line.record_id}" for line in told.lines):
        yield Finding(DOUBLE, key, f"told twice: {record}")
    for mark in twice(told.marks):
        yield Finding(DOUBLE, key, f"said twice: {mark}")
    for pair in request.pairs:
        if (
            len([line for line in told.lines if line.kind == "armed" and line.writer == judge_writer(pair.lease_id)])
            > 1
        ):
            yield Finding(DOUBLE, key, f"{pair.lease_id} was armed twice on one approval")
    by_request = {line.kind for line in told.lines if line.writer == request_workflow_id(told.ticket)}
    if request.is_closed and not {"answered", "closed"} <= by_request:
        yield Finding(GAP, key, f"the ticket is closed, and the request tells only {sorted(by_request)}")
    if request.trouble:
        yield Finding(UNFINISHED, key, request.trouble)


def _name(stay: Stay) -> str:
    return f"{stay.pair.user_id} in {stay.pair.group_id} since {stay.came_at:%H:%M:%S.%f}"


def _late(exposure: Exposure) -> str:
    stay, seconds = exposure.stay, exposure.late.total_seconds()
    left = "is still there" if stay.left_at is None else f"left {seconds:.2f} s after it was due"
    because = ", ".join(f"{one.what} ({one.where})" for one in exposure.bound.because) or "no fault"
    allowed = exposure.allowed.total_seconds()
    return f"{_name(stay)} {left} ({exposure.way}, {exposure.due_at:%H:%M:%S.%f}); {allowed:.2f} s are allowed for {because}"
