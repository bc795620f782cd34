"""What has to be true of a request whose bridge was killed, beyond what has to be true of every request: each act was obeyed, soon."""

import re
from collections.abc import Mapping
from datetime import timedelta

from activities.records import judge_writer
from domain.evidence import property_key, read_chain
from domain.ids import request_workflow_id
from domain.lease import EndReason
from domain.values import parse_instant
from starter.ticket_evidence import read_ticket
from tests.chaos.bridge_case import Act, Steered
from tests.chaos.bridge_seat import POLLED, VANISHED
from tests.chaos.oracle import ANSWERS_AGAIN, BUSY, judge

NEWS_BOUND = timedelta(seconds=POLLED.poll_seconds + 8)
"""DESIGN 3: the polling interval, and what starting a bridge and obeying take."""

SECOND_LOOK = timedelta(seconds=VANISHED.poll_seconds)
"""What is absent is looked for twice."""

WHOLE_STORY = {
    "judge of the request": "asked",
    "judge of the lease": "armed extended",
    "request": "answered active extension_judged closed",
    "lease": "granted ending removed proved sessions_ended",
}


async def judge_steered(steered: Steered) -> Mapping[str, timedelta]:
    """How long each act took to be obeyed, from when it was done or from the restart, whichever was later.

    Raises:
        AssertionError: something does not hold.
    """
    seat = steered.seat
    changes = seat.on.log.about(seat.group_id, "membership.added", "membership.removed")
    assert [line["event"] for line in changes if line["changed"]] == ["membership.added", "membership.removed"]
    [lease] = steered.result.leases
    assert lease.proof is not None
    assert lease.reason is EndReason.REVOKED
    runs = [run async for run in seat.on.client.list_workflows(f"WorkflowId = '{request_workflow_id(steered.ticket)}'")]
    assert len(runs) == 1, f"{len(runs)} requests were begun for one ticket"
    await _told_whole(steered)
    return {act.name: _obeyed_soon(steered, act) for act in steered.acts}


async def _told_whole(steered: Steered) -> None:
    """No act was lost, and none was done twice: each has left its record, and the ticket has moved by each once."""
    seat = steered.seat
    assert await judge(steered) is not None, "access was never granted"
    moves = seat.on.log.about(steered.ticket.issue_id, "issue.transitioned")
    assert [move["to"] for move in moves] == ["Approved", "Access active", "Closed"]
    view, properties = await read_ticket(seat.settings.jira, steered.ticket.key)
    request = request_workflow_id(steered.ticket)
    writers = (judge_writer(request), judge_writer(seat.lease_id), request, seat.lease_id)
    chains = [read_chain([properties[property_key(writer, 0)]], view.ref, writer, seat.on.keys) for writer in writers]
    told = [" ".join(record.kind for record in chain) for chain in chains]
    extended = any(act.name == "extended" for act in steered.acts)
    assert told == [story if extended else re.sub(" exten[a-z_]+", "", story) for story in WHOLE_STORY.values()], told


def _obeyed_soon(steered: Steered, act: Act) -> timedelta:
    done_at, obeyed_at = parse_instant(act.at["at"]), parse_instant(act.effect["at"])
    restarted_at = steered.restarted_at
    due_at = max(done_at, restarted_at) if restarted_at and restarted_at < obeyed_at else done_at
    lag, stalled = obeyed_at - due_at, steered.seat.on.log.stalled(due_at, obeyed_at)
    bound = NEWS_BOUND + (SECOND_LOOK if act.name == "vanished" else timedelta(0))
    allowed = bound + BUSY + (stalled + ANSWERS_AGAIN if stalled else timedelta(0))
    assert lag <= allowed, f"{act.name}: obeyed {lag} after it was done or the restart; stalled for {stalled} of that"
    return lag
