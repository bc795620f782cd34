"""An attacker who may write everything to the Temporal namespace: starts, signals, invented results. Nothing adds a second."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import ActivityFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

from activities.records import judge_writer
from domain.canonical import KeyRole
from domain.evidence import RecordKind
from domain.ids import TicketRef
from domain.lease import EndReason, LeaseState
from domain.lease_messages import ArmResult, GrantResult, LeaseNews, LeaseOrder, LeaseOutcome, LookResult, RevokeResult
from domain.messages import Hint
from domain.paper import EvidenceInput, Fact
from domain.queues import Queue, queue_name
from domain.signed import Signed
from domain.warrant import Warrant
from domain.witness import Presence
from tests.fakes.script import Gate
from tests.house import APPROVED, House
from tests.workflows.forging import (
    FOR_EVER,
    STRANGER,
    added,
    approved_unheard,
    complete,
    digest_on,
    granted_words,
    invented_look,
    invented_receipt,
    invented_warrant,
    over_the_fence,
    run_hostile,
    start_lease,
)
from workflows.lease import LeaseWorkflow


@pytest.fixture
async def working(house: House) -> AsyncIterator[House]:
    async with house.working():
        yield house


@pytest.fixture
async def jumping(jumping_house: House) -> AsyncIterator[House]:
    async with jumping_house.working():
        yield jumping_house


@pytest.fixture
async def skipping(skipping_house: House) -> AsyncIterator[House]:
    async with skipping_house.working():
        yield skipping_house


async def test_activity_on_its_own_grants_nothing(working: House) -> None:
    """`grant_access` started without any workflow is refused, by an order and a warrant that were once genuine."""
    _ticket, handle = await working.approved("4s")
    await working.until(working.is_member)
    words = await granted_words(working)
    await working.soon(handle.result())
    with pytest.raises(ActivityFailureError) as caught:
        await working.client.execute_activity(
            "grant_access",
            words,
            id=f"alone-{uuid4()}",
            task_queue=queue_name(working.prefix, Queue.GRANTS),
            start_to_close_timeout=timedelta(seconds=12),
        )
    assert "spoke for" in str(caught.value.cause)
    assert (added(working), working.is_member()) == (1, False)


async def test_warrant_of_another_lease_grants_nothing(working: House) -> None:
    """A warrant copied from a history, as it is, with a later end, or for a lease that is over, is refused everywhere else."""
    ticket, handle = await working.approved("6s")
    await working.until(working.is_member)
    words = await granted_words(working)
    later = words.warrant.open(Warrant, working.keys.trusted).model_copy(update={"expires_at": FOR_EVER})
    longer = Signed.seal(later, STRANGER[KeyRole.JUDGE]).model_copy(update={"signature": words.warrant.signature})
    for warrant in (words.warrant, longer):
        forged = words.model_copy(update={"warrant": warrant})
        answer = await run_hostile(working, "grant_access", Queue.GRANTS, forged)
        assert "spoke for" in answer
    await handle.signal("revoke", Hint(by="bob"))
    await working.soon(handle.result())
    assert "ending" in working.kinds(ticket, working.lease_id())
    answer = await run_hostile(working, "grant_access", Queue.GRANTS, words)
    assert "spoke for" in answer
    assert (added(working), working.is_member()) == (1, False)


async def test_lease_that_nobody_approved_grants_nothing(working: House) -> None:
    """A lease started by hand until 2099: refused on a ticket without an approval, and on one with an approval for less."""
    unapproved = working.ask()
    order = working.order(unapproved, lasts=timedelta(days=30_000))
    outcome = await working.soon((await start_lease(working, order)).result())
    assert isinstance(outcome, LeaseOutcome)
    assert outcome.reason is EndReason.REFUSED
    ticket = await approved_unheard(working)
    order = working.order(ticket, lasts=timedelta(days=30_000))
    order = order.model_copy(update={"terms_digest": digest_on(working, ticket)})
    outcome = await working.soon((await start_lease(working, order)).result())
    assert isinstance(outcome, LeaseOutcome)
    assert (outcome.reason, added(working)) == (EndReason.REFUSED, 0)
    assert judge_writer(working.lease_id()) not in working.chains(ticket)


async def test_lock_is_one_for_all(working: House) -> None:
    """While a lease holds its pair, nobody can start a second one beside it."""
    ticket, handle = await working.approved("1h")
    await working.until(working.is_member)
    with pytest.raises(WorkflowAlreadyStartedError):
        await start_lease(working, working.order(ticket, lasts=timedelta(days=30_000)))
    await handle.signal("revoke", Hint())
    await working.soon(handle.result())
    assert not working.is_member()


async def revoking(house: House) -> tuple[TicketRef, WorkflowHandle[Any, object], Gate]:
    """A lease whose removal stands before the vendor."""
    ticket, handle = await house.approved("1h")
    await house.until(house.is_member)
    gate = house.provider.hold("revoke")
    await handle.signal("revoke", Hint())
    await gate.reached()
    return ticket, handle, gate


@pytest.mark.parametrize(
    "invent",
    [
        lambda house: RevokeResult(observation=invented_look(house, Presence.ABSENT)),
        lambda _house: ApplicationError("it is done, really", non_retryable=True),
        lambda _house: None,
        lambda _house: {"observation": "gone"},
        lambda _house: "gone",
    ],
    ids=["signed by a stranger", "failed for good", "nothing", "nonsense", "a word"],
)
async def test_invented_removal_moves_nothing(jumping: House, invent: Callable[[House], object]) -> None:
    """A revoke that was completed or failed from outside is not believed: the removal begins again and is done for real."""
    ticket, handle, gate = await revoking(jumping)
    lease = jumping.lease()
    await complete(jumping, lease, "revoke_access", invent(jumping))
    jumping.provider.succeed("revoke")
    gate.release()
    await over_the_fence(jumping, ticket, handle)
    assert not jumping.is_member()
    assert [entry.action for entry in jumping.provider.ledger if entry.action in {"added", "removed"}][-1] == "removed"


async def test_second_look_that_was_invented_proves_nothing(jumping: House) -> None:
    """The look that would prove a removal counts only when a witness signed it."""
    ticket, handle = await jumping.approved("1h")
    await jumping.until(jumping.is_member)
    lease = jumping.lease()
    gate = jumping.provider.hold("verify")
    await handle.signal("revoke", Hint())
    await gate.reached()
    gate.release()
    await jumping.until(lambda: not jumping.is_member())
    gate = jumping.provider.hold("verify")
    await gate.reached()
    before = len(jumping.ledger("looked"))
    await complete(jumping, lease, "observe_access", LookResult(observation=invented_look(jumping, Presence.ABSENT)))
    gate.release()
    await over_the_fence(jumping, ticket, handle)
    assert len(jumping.ledger("looked")) > before
    assert jumping.kinds(ticket, jumping.lease_id()).count("proved") == 1


async def pending(skipping: House, call: str) -> tuple[LeaseOrder, WorkflowHandle[LeaseWorkflow, LeaseOutcome], Gate]:
    """A lease that nobody approved, held before its look or its arming."""
    order = skipping.order(skipping.ask(), lasts=timedelta(hours=1))
    gate = skipping.provider.hold(call) if call == "preflight" else skipping.tickets.hold(call)
    lease = await start_lease(skipping, order)
    await gate.reached()
    return order, lease, gate


async def test_invented_look_grants_nothing(skipping: House) -> None:
    """ "The pair is free" by a stranger's signature ends the lease with nothing sent."""
    _order, lease, gate = await pending(skipping, "preflight")
    await complete(
        skipping, lease, "look_before_grant", LookResult(observation=invented_look(skipping, Presence.ABSENT))
    )
    outcome = await lease.result()
    gate.release()
    assert (outcome.reason, outcome.sent, skipping.ledger("added", "removed")) == (EndReason.REFUSED, "nothing", [])


async def test_invented_warrant_grants_nothing(skipping: House) -> None:
    """A warrant invented into the history is refused by the process with the credential, and the lease cleans up."""
    order, lease, gate = await pending(skipping, "read")
    await complete(skipping, lease, "arm_lease", ArmResult(warrant=invented_warrant(order)))
    await skipping.until(lambda: bool(skipping.ledger("removed")))
    gate.release()
    outcome = await lease.result()
    assert (outcome.reason, added(skipping)) == (EndReason.GRANT_FAILED, 0)
    assert outcome.proof is not None


async def test_invented_grant_is_no_grant_and_is_revoked(jumping: House) -> None:
    """A grant that was reported from outside is not believed, and what the held attempt may still add is taken away."""
    gate = jumping.provider.hold("grant")
    ticket, handle = await jumping.approved("1h")
    await gate.reached()
    lease = jumping.lease()
    result = GrantResult(
        receipt=invented_receipt(jumping, "grant"), observation=invented_look(jumping, Presence.PRESENT)
    )
    await complete(jumping, lease, "grant_access", result)
    gate.release()
    await over_the_fence(jumping, ticket, handle)
    assert not jumping.is_member()
    assert jumping.ledger("added", "removed")[-1].action == "removed"
    assert "granted" not in jumping.kinds(ticket, jumping.lease_id())


async def test_scribe_can_be_asked_by_anyone_and_signs_no_authority(working: House) -> None:
    """Through the namespace the scribe signs neither an `armed` record nor a proof that no witness has given."""
    ticket = working.ask()
    for kind in (RecordKind.ARMED, RecordKind.PROVED):
        fact = Fact(fact_id="forged", kind=kind, at=datetime.now(UTC), facts={"until": "2099-01-01T00:00:00.000Z"})
        request = EvidenceInput(ticket=ticket, writer=working.lease_id(), facts=(fact,))
        answer = await run_hostile(working, "record_evidence", Queue.TICKETS, request)
        assert "in the name of" in answer
    assert working.chains(ticket) == {}


async def test_witness_of_one_lease_proves_nothing_for_another(working: House) -> None:
    """A genuine observation, copied from a history, makes no record on behalf of another lease."""
    ticket, handle = await working.approved("3s")
    await working.soon(handle.result(), 60)
    (outcome,) = (await handle.result()).leases  # type: ignore[attr-defined]
    other = working.lease_id().replace("alice", "bob")
    fact = Fact(fact_id="f", kind=RecordKind.PROVED, at=datetime.now(UTC), witness=(outcome.proof.first,))
    request = EvidenceInput(ticket=ticket, writer=other, facts=(fact,))
    assert "in the name of" in await run_hostile(working, "record_evidence", Queue.TICKETS, request)
    assert other not in working.chains(ticket)


async def test_evidence_edited_meanwhile_is_told_anew(working: House) -> None:
    """Records edited on the ticket before the removal stay as they are; the lease tells everything again under `~2`."""
    ticket, handle = await working.approved("1h")
    await working.until(working.is_member)
    gate = working.provider.hold("revoke")
    await handle.signal("revoke", Hint())
    await working.until(lambda: "granted" in working.kinds(ticket, working.lease_id()))
    properties = working.tickets.properties(ticket)
    key = next(key for key, text in properties.items() if f'"writer":"{working.lease_id()}"' in text)
    properties[key] = properties[key].replace('"kind":"granted"', '"kind":"active"')
    gate.release()
    await working.soon(handle.result(), 60)
    del properties[key]
    kinds = working.kinds(ticket, f"{working.lease_id()}~2")
    assert {"granted", "ending", "removed", "proved"} <= set(kinds)


@pytest.mark.parametrize("how", ["deleted", "copied from another ticket"])
async def test_ticket_without_its_own_records_arms_nothing(working: House, how: str) -> None:
    """Without the judge's record of the question on this very ticket there is no approval to arm on."""
    ticket = await approved_unheard(working)
    order = working.order(ticket, lasts=timedelta(minutes=59))
    order = order.model_copy(update={"terms_digest": digest_on(working, ticket)})
    properties = working.tickets.properties(ticket)
    if how != "deleted":
        other = working.ask()
        working.tickets.properties(other).update(properties)
        working.tickets.transition_as(other, APPROVED, "bob")
        order = order.model_copy(update={"ticket": other})
    else:
        properties.clear()
    outcome = await working.soon((await start_lease(working, order)).result())
    assert isinstance(outcome, LeaseOutcome)
    assert (outcome.reason, added(working)) == (EndReason.REFUSED, 0)


async def test_forged_news_shows_but_does_not_grant(working: House) -> None:
    """News of a lease are for display: "active until 2099" adds nothing, and the access still ends when it is revoked."""
    gate = working.provider.hold("preflight")
    _ticket, handle = await working.approved("1h")
    await gate.reached()
    news = LeaseNews(
        lease_id=working.lease_id(), run_id="r", state=LeaseState.ACTIVE, at=datetime.now(UTC), expires_at=FOR_EVER
    )
    await handle.signal("lease_news", news)
    assert added(working) == 0
    gate.release()
    await working.until(working.is_member)
    await handle.signal("revoke", Hint())
    await working.soon(handle.result(), 60)
    assert not working.is_member()


async def test_lease_history_holds_its_own_run_only(working: House) -> None:
    """The warrant in a history names that run, so that a reset or copied history cannot spend it again."""
    _ticket, handle = await working.approved("1h")
    await working.until(working.is_member)
    lease = working.lease()
    words = await granted_words(working)
    history = await lease.fetch_history()
    assert history.events[0].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
    assert words.warrant.open(Warrant, working.keys.trusted).run_id == history.run_id
    await lease.cancel()
    await working.soon(handle.result(), 60)
    assert not working.is_member()
