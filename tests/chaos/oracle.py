"""What has to be true of a request whose worker was killed, judged from the vendors' own logs and the signed records."""

import hashlib
import json
import re
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

from activities.records import judge_writer
from domain.catalogue import SURFACES, TargetKind
from domain.evidence import Record, RecordKind, property_key, read_chain, to_segments
from domain.ids import request_workflow_id
from domain.ledger import ends_in_force
from domain.values import parse_instant
from starter.dev_config import BOT_ACCOUNT
from starter.ticket_evidence import read_lines, read_ticket
from tests.chaos.request_case import Played
from workflows.options import fence

BOUND = timedelta(seconds=12)
"""DESIGN 3: the engine's 10 s task and sticky timeouts, and room for the work itself."""

BUSY = timedelta(seconds=3)
"""What a machine may add on which dozens of workers are started side by side, besides the time in which it stood still."""

ANSWERS_AGAIN = timedelta(seconds=5)
"""DESIGN 3: a provider that did not answer is asked again within 5 s."""

STORY = {
    "judge of the request": r"asked",
    "judge of the lease": r"(armed( extended( extension_void)?)?)?",
    "request": r"answered( active( extension_judged)?)? closed",
    "lease": r"(granted )?ending removed proved sessions_ended|refused",
}
"""Every kind of record that this request can have, once and in this order."""

Line = dict[str, Any]
Chains = dict[str, tuple[Record, ...]]


async def judge(played: Played, bound: timedelta = BOUND) -> timedelta | None:
    """How long the removal was due, from its end or the restart, whichever was later; None when nothing was granted.

    Raises:
        AssertionError: something does not hold.
    """
    seat, issue = played.seat, played.ticket.issue_id
    await seat.on.log.caught_up()
    view, properties = await read_ticket(seat.settings.jira, played.ticket.key)
    writers = {
        "judge of the request": judge_writer(request_workflow_id(played.ticket)),
        "judge of the lease": judge_writer(seat.lease_id),
        "request": request_workflow_id(played.ticket),
        "lease": seat.lease_id,
    }
    lines = read_lines(properties, view.ref, seat.on.keys)
    assert [line.problem for line in lines if not line.verified] == []
    assert {line.writer for line in lines} <= set(writers.values())
    chains = {
        name: read_chain([properties[key]] if key in properties else [], view.ref, writer, seat.on.keys)
        for name, writer in writers.items()
        for key in [property_key(writer, 0)]
    }
    _told_once_and_in_order(chains)
    _comments_once([comment.text for comment in view.comments if comment.author == BOT_ACCOUNT])
    writes_there = seat.on.log.about(seat.group_id, "membership.added", "membership.removed")
    changes = [line for line in writes_there if line["changed"]]
    writes = seat.on.log.about(issue, "property.put")
    for name, chain in chains.items():
        only_grew([line for line in writes if line["property"] == property_key(writers[name], 0)], chain)
    if not changes:
        assert not chains["lease"] or chains["lease"][-1].kind in {RecordKind.REFUSED, RecordKind.SESSIONS_ENDED}
        return None
    told = [line for line in writes if line["property"] == property_key(seat.lease_id, 0)]
    first_removal = next(line for line in writes_there if line["event"] == "membership.removed")
    await _taken_back_before_it_was_told(played, changes, first_removal, told, chains)
    return _in_time(played, changes, first_removal, chains, bound)


def _told_once_and_in_order(chains: Chains) -> None:
    for name, chain in chains.items():
        story = " ".join(record.kind for record in chain)
        assert re.fullmatch(STORY[name], story), f"{name}: {story}"
        ids = [record.record_id for record in chain]
        assert len(ids) == len(set(ids)), ids
        assert all(one.at <= next_one.at for one, next_one in pairwise(chain))
    granted = any(record.kind is RecordKind.GRANTED for record in chains["lease"])
    assert granted or not any(record.kind is RecordKind.ACTIVE for record in chains["request"])


def _comments_once(texts: list[str]) -> None:
    marks = Counter(text.rpartition("\n")[2] for text in texts)
    assert all(mark.startswith("nl-") for mark in marks), texts
    assert set(marks.values()) == {1}, marks


def only_grew(writes: list[Line], chain: tuple[Record, ...]) -> None:
    """Each write held the final chain's first records, and never fewer than the write before."""
    lengths = [_length(line, chain) for line in writes]
    assert lengths == sorted(lengths), lengths
    assert lengths[-1:] == [len(chain)][: len(lengths)], lengths


def _length(line: Line, chain: tuple[Record, ...]) -> int:
    """How many records of the chain a write held: the vendor's log has the digest of what was written."""
    for length in range(1, len(chain) + 1):
        [text] = to_segments(chain[:length])
        compact = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
        if hashlib.sha256(compact.encode()).hexdigest() == line["sha256"]:
            return length
    raise AssertionError(f"{line['property']} once held what its chain does not")


async def _taken_back_before_it_was_told(
    played: Played, changes: list[Line], first_removal: Line, told: list[Line], chains: Chains
) -> None:
    """Added and removed in turn, removed in the end; and "removed" and "proved" written only after as many looks.

    A grant that lands after the first removal is removed once more: "removed" was true before, "proved" has to come after.
    """
    assert [line["event"] for line in changes] == ["membership.added", "membership.removed"] * (len(changes) // 2)
    chain = chains["lease"]
    looks = [
        call["at"]
        for call in await played.seat.on.sandbox.requests(played.seat.name)
        if call["path"].endswith(f"/users/{played.seat.user_id}/groups")
        and call["status"] == 200
        and call["fault"] is None
    ]
    for needed, kind, removed in ((1, RecordKind.REMOVED, first_removal), (2, RecordKind.PROVED, changes[-1])):
        [number] = [number for number, record in enumerate(chain, start=1) if record.kind is kind]
        written = next(line for line in told if _length(line, chain) >= number)
        assert written["seq"] > removed["seq"], kind
        assert sum(removed["at"] < look < written["at"] for look in looks) >= needed, (kind, looks, written)


def _in_time(played: Played, changes: list[Line], first_removal: Line, chains: Chains, bound: timedelta) -> timedelta:
    """The last removal came no later than the bound after the access' end or the restart, and no earlier without a reason."""
    removed_at = parse_instant(changes[-1]["at"])
    [armed, *_] = chains["judge of the lease"]
    ends_at = ends_in_force(chains["judge of the lease"], armed.facts["run"])[-1]
    [ending] = [record for record in chains["lease"] if record.kind is RecordKind.ENDING]
    if ending.facts["reason"] == "expired":
        assert removed_at >= parse_instant(armed.facts["until"])
    due_at = max(ends_at, played.restarted_at or ends_at)
    added = changes[-2]
    if added["seq"] > first_removal["seq"]:  # a grant that landed late: the look behind the fence finds it
        due_at = max(due_at, parse_instant(added["at"]) + fence(SURFACES[TargetKind.OKTA_GROUP].landing_lag))
    lag, stalled = removed_at - due_at, played.seat.on.log.stalled(due_at, removed_at)
    allowed = bound + BUSY + (stalled + ANSWERS_AGAIN if stalled else timedelta(0))
    assert lag <= allowed, f"{lag} after the end and the restart; for {stalled} of that no vendor answered"
    return lag
