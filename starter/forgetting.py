"""Giving up a stuck lease, for people: who has asked on the ticket, who is missing, and the hint to the lease. It decides nothing.

What counts is judged again where the judge's key is, by the lease's own activities; here people learn of it before.
"""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError

from activities.ports import TicketSystem
from domain.catalogue import Catalogue
from domain.forgetting import COMMAND, judge_forgetting
from domain.ids import LeaseId, TicketRef
from domain.lease import LeaseState
from domain.lease_messages import ForgetAsk, ForgetView
from domain.messages import LeaseLine
from domain.two_people import TwoPeopleVerdict
from starter.cli_output import CommandError, ExitCode

POLL_SECONDS = 0.5
PATIENCE = timedelta(seconds=10)
ANSWER_SECONDS = 120.0
"""Two looks of half a minute at most, and a judgement of a minute."""

GIVEN_UP = frozenset({LeaseState.FORGETTING, LeaseState.FORGOTTEN})

Lease = WorkflowHandle[object, object]


async def forget(
    client: Client, tickets: TicketSystem, catalogue: Catalogue, lease_id: str, ticket: TicketRef
) -> TwoPeopleVerdict:
    """Who has given the lease up, once it has begun to end as forgotten.

    Raises:
        CommandError: it has not, and the message says why and what to do.
        InvalidInputError: `lease_id` is none.
        VendorError: the ticket cannot be read.
        RPCError: the engine, or a worker of ours, does not answer.
    """
    lease = client.get_workflow_handle(str(LeaseId.parse(lease_id)))
    described = await lease.describe()
    line, view = await _told(lease)
    if described.status is not WorkflowExecutionStatus.RUNNING or line.state is not LeaseState.STUCK:
        message = (
            f"{lease_id} is {line.state}: only a removal that is late can be given up; `nightlatch stuck` lists them"
        )
        raise CommandError(message, ExitCode.REFUSED, state=line.state.value)
    seen = await tickets.read(ticket)
    verdict = judge_forgetting(
        seen.comments,
        lease_id,
        catalogue,
        own_account=tickets.rules.own_account,
        since=(since := max(described.start_time, view.ended_at or described.start_time)),
        now=seen.read_at,
    )
    if not verdict.holds:
        message = f"{ticket.key}: not forgotten: {verdict.lacking(f'`{COMMAND} {lease_id}`', since)}"
        raise CommandError(message, ExitCode.REFUSED, **verdict.model_dump(mode="json"))
    ask_id = uuid4().hex
    await lease.signal("forget", ForgetAsk(ticket=ticket, ask_id=ask_id))
    await _answered(lease, ask_id)
    return verdict


async def _answered(lease: Lease, ask_id: str) -> None:
    """Return when the lease is being forgotten.

    Raises:
        CommandError: it refuses, went on meanwhile, or does not answer in time.
    """
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        with suppress(RPCError, WorkflowQueryFailedError):  # a worker that is away for a while is waited for
            line, view = await _told(lease)
            if line.state in GIVEN_UP:
                return
            if view.ask_id == ask_id:
                raise CommandError(f"not forgotten, and the removal goes on: {view.refused}", ExitCode.REFUSED)
            if line.state is not LeaseState.STUCK:
                raise CommandError(f"not forgotten: the lease is {line.state} by now", ExitCode.REFUSED)
        await asyncio.sleep(POLL_SECONDS)
    message = "asked, and not answered yet: its ticket will tell; after a wish in vain a lease hears the next one only when a pause is over"
    raise CommandError(message, ExitCode.UNREACHABLE)


async def _told(lease: Lease) -> tuple[LeaseLine, ForgetView]:
    line: LeaseLine = await lease.query("status", result_type=LeaseLine, rpc_timeout=PATIENCE)
    view: ForgetView = await lease.query("forgetting", result_type=ForgetView, rpc_timeout=PATIENCE)
    return line, view
