"""The card, clause by clause: each access request is one long-running workflow that waits for an approval signal, runs
provisioning activities, sleeps durably until expiry, accepts extend signals, and always runs revocation from a finally path,
so that worker crashes still end fail-closed. The oracle is the vendor's own ledger."""

from datetime import timedelta

from temporalio.client import WorkflowExecutionStatus

from domain.ids import parse_request_workflow_id, request_workflow_id
from domain.values import parse_instant
from tests.house import House
from tests.real_stack import RealStack, pair


async def test_each_access_request_is_one_workflow(house: House) -> None:
    """A ticket has exactly one request, named after its immutable id, from asking to closing."""
    async with house.working():
        ticket, handle = await house.approved("3s")
        await house.until(house.is_member)
        assert handle.id == request_workflow_id(ticket)
        assert parse_request_workflow_id(handle.id) == (ticket.site, ticket.issue_id)
        await house.soon(handle.result())
        described = await handle.describe()
    assert described.status is WorkflowExecutionStatus.COMPLETED
    assert [entry.changed for entry in house.ledger("added", "removed")] == [True, True]


async def test_it_waits_for_an_approval_signal(house: House) -> None:
    """Nothing reaches the vendor before the approval stands on the ticket; a signal without one moves nothing."""
    async with house.working():
        ticket = house.ask("3s")
        handle = await house.start(ticket)
        await house.asked(ticket)
        await handle.signal("approve", {"by": "bob"})
        status = await handle.query("status")
        assert status["state"] == "pending"
        assert house.provider.ledger == []
        await house.approve(ticket, handle)
        await house.until(house.is_member)
        await house.soon(handle.result())


async def test_it_runs_provisioning_activities(house: House) -> None:
    """The pair is looked at, armed on the ticket, added by its own lease, and read back."""
    async with house.working():
        ticket, handle = await house.approved("3s")
        await house.until(house.is_member)
        lease = f"lease:{house.target()}/{house.subject().user_id}"
        assert house.kinds(ticket, f"judge/{lease}") == ["armed"]
        await house.soon(handle.result())
    assert [str(entry.action) for entry in house.provider.ledger][:3] == ["looked", "added", "looked"]


async def test_it_sleeps_durably_until_expiry(house: House) -> None:
    """With every worker gone during the lease, the end is kept by the engine: a new worker removes it at once."""
    async with house.working():
        ticket, handle = await house.approved("3s")
        await house.until(house.is_member)
    async with house.working():
        await house.soon(handle.result())
        lease = f"lease:{house.target()}/{house.subject().user_id}"
        assert house.kinds(ticket, lease) == ["granted", "ending", "removed", "proved", "sessions_ended"]
    assert not house.is_member()


async def test_it_accepts_extend_signals(house: House) -> None:
    """A wish in the ticket, hinted by a signal, moves the end: access outlives the first end by what was asked."""
    async with house.working():
        ticket, handle = await house.approved("3s")
        await house.until(house.is_member)
        (armed,) = house.chains(ticket)[f"judge/{house.lease_id()}"]
        first_end = parse_instant(armed.facts["until"])
        house.tickets.comment_as(ticket, "/extend 3s", "alice")
        await handle.signal("extend", {"by": "alice"})
        await house.until(lambda: any("Extended by alice" in text for text in house.comments(ticket)))
        await house.soon(handle.result())
    removed_at = next(entry.at for entry in house.ledger("removed") if entry.changed)
    assert removed_at >= first_end + timedelta(seconds=3)


async def test_it_always_runs_revocation_from_a_finally_path(house: House) -> None:
    """A cancel in the middle of the lease goes through the same `finally` and ends in a proof."""
    async with house.working():
        ticket, handle = await house.approved("1h")
        await house.until(house.is_member)
        await handle.cancel()
        await house.soon(handle.result())
        lease = f"lease:{house.target()}/{house.subject().user_id}"
        assert "proved" in house.kinds(ticket, lease)
    assert not house.is_member()


async def test_worker_crashes_still_end_fail_closed(stack: RealStack) -> None:
    """A worker process killed with SIGKILL in the middle of the grant leaves nothing behind for longer than the next one needs."""
    mark = await stack.mark()
    await stack.hold("crash", "PUT", "after", pair("erin", "gcp-prod-viewer"))
    key = await stack.ask("6s", by="erin", entitlement="gcp-prod-viewer")
    await stack.sandbox.wait_until_held("crash")
    stack.kill("worker")
    await stack.sandbox.release("crash")
    await stack.until_audit("membership.added", mark, **pair("erin", "gcp-prod-viewer"))
    stack.start("worker")
    await stack.until_audit("membership.removed", mark, **pair("erin", "gcp-prod-viewer"))
    await stack.until_audit("issue.transitioned", mark, issue_key=key, to="Closed")
