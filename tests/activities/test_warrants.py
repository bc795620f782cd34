"""No warrant, no grant: what the process with the vendor credential refuses, right before the call (DESIGN law 2)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.records import judge_writer
from domain.canonical import KeyRole, SigningKey
from domain.errors import RetryableError
from domain.evidence import RecordKind
from domain.lease_messages import GrantInput
from domain.paper import EvidenceInput, Fact
from domain.warrant import GRANT_WINDOW, WarrantKind
from tests.activities.office import LEASE, OURS, RUN, Office

FORGERIES: dict[str, Callable[[Office, GrantInput], GrantInput]] = {
    "a later end under the old signature": lambda office, request: office.forge(
        request, expires_at=request.order.expires_at + timedelta(days=365)
    ),
    "signed by a stranger": lambda office, request: office.forge(
        request, SigningKey.from_seed(b"x" * 32, KeyRole.JUDGE)
    ),
    "another kind": lambda office, request: office.forge(request, office.judge_key, kind=WarrantKind.PROLONG),
    "another run": lambda office, request: office.forge(request, office.judge_key, run_id="run-2"),
    "another lease": lambda office, request: office.forge(
        request, office.judge_key, lease_id=LEASE.replace("alice", "bob")
    ),
    "another record": lambda office, request: office.forge(request, office.judge_key, record="sha256:none"),
    "past its window": lambda office, request: office.forge(request, office.judge_key, grant_before=office.at),
    "past its end": lambda office, request: office.forge(request, office.judge_key, expires_at=office.at),
    "from the future": lambda office, request: office.forge(
        request, office.judge_key, issued_at=office.at + timedelta(minutes=1)
    ),
}


async def refused(office: Office, request: GrantInput, match: str | None = None, **caller: Any) -> None:
    with pytest.raises(ApplicationError, match=match) as caught:
        await office.call(office.access.grant_access, request, **caller)
    assert caught.value.type == "SignatureRefused"
    assert caught.value.non_retryable
    assert not [entry for entry in office.provider.ledger if entry.action == "added"]


async def test_grant_with_its_warrant_adds_once(office: Office) -> None:
    """The counter-test of this page: the warrant as it was issued does permit the grant."""
    request = await office.armed()
    await office.call(office.access.grant_access, request)
    assert office.provider.is_member(request.order.grantee.target, request.order.grantee.subject)


@pytest.mark.parametrize("forgery", sorted(FORGERIES))
async def test_grant_refuses_a_forged_warrant(office: Office, forgery: str) -> None:
    """A warrant that the judge did not issue for this very call permits nothing."""
    request = await office.armed()
    await refused(office, FORGERIES[forgery](office, request))


async def test_grant_refuses_another_run_with_a_genuine_warrant(office: Office) -> None:
    """A warrant works in the run that it was issued for: copied from a history it is worth nothing."""
    request = await office.armed()
    await refused(office, request, "not for run-9", run="run-9")
    await refused(office, request, "spoke for", lease="request:example/1")
    await refused(office, request, "spoke for", lease=None, run=None)


@pytest.mark.parametrize(
    ("unlike", "words"),
    [
        ({"workflow_type": "HostileWorkflow"}, "no lease of ours"),
        ({"task_queue": "elsewhere"}, "no lease of ours"),
        ({"has_timeout": True}, "started with a timeout"),
    ],
    ids=["type", "queue", "timeout"],
)
async def test_nothing_is_added_for_a_run_that_would_not_revoke(
    office: Office, unlike: dict[str, object], words: str
) -> None:
    """Whoever holds the lease id without being a lease of ours is neither armed nor served."""
    request = await office.armed()
    office.runs.told[RUN] = OURS.model_copy(update=unlike)
    await refused(office, request, words)
    with pytest.raises(ApplicationError, match=words):
        await office.arm(request.order)


async def test_grant_refuses_an_order_for_another_pair(office: Office) -> None:
    """The order cannot lead the warrant to another pair than its own."""
    request = await office.armed()
    target = request.order.grantee.target.model_copy(update={"container_id": "00gleft"})
    grantee = request.order.grantee.model_copy(update={"target": target})
    elsewhere = request.model_copy(update={"order": request.order.model_copy(update={"grantee": grantee})})
    await refused(office, elsewhere, "spoke for")


async def test_grant_refuses_when_the_ticket_says_that_the_run_has_ended(office: Office) -> None:
    """After an early end the unspent warrant is dead, although its window is open still."""
    request = await office.armed()
    ending = Fact(fact_id="ending", kind=RecordKind.ENDING, at=office.at, facts={"run": RUN})
    told = EvidenceInput(ticket=request.order.ticket, writer=LEASE, facts=(ending,))
    await office.call(office.scribe.record_evidence, told)
    await refused(office, request, "has ended")


async def test_grant_refuses_when_the_armed_record_was_deleted(office: Office) -> None:
    """Without its record on the ticket a warrant stands for nothing."""
    request = await office.armed()
    office.tickets.properties(request.order.ticket).clear()
    await refused(office, request, "is not on")


async def test_grant_refuses_when_the_evidence_was_edited(office: Office) -> None:
    """A chain that does not verify shields nothing, and permits nothing."""
    request = await office.armed()
    properties = office.tickets.properties(request.order.ticket)
    for key, text in properties.items():
        properties[key] = text.replace('"seq":0', '"seq":1')
    await refused(office, request)


async def test_grant_waits_when_the_ticket_cannot_be_read(office: Office) -> None:
    """An unreadable ticket is no yes: nothing is sent, and the attempt may be made again."""
    request = await office.armed()
    office.tickets.fail("read_properties", RetryableError("down"), times=None)
    with pytest.raises(ApplicationError) as caught:
        await office.call(office.access.grant_access, request)
    assert not caught.value.non_retryable
    assert not office.provider.ledger


async def test_old_warrant_is_used_only_after_a_look_at_the_freeze(office: Office) -> None:
    """A warrant older than 30 s reads the freeze once more: frozen meanwhile, it grants nothing."""
    request = await office.armed()
    office.freeze(frozen=True)
    office.at += timedelta(seconds=31)
    with pytest.raises(ApplicationError, match="frozen by carol") as caught:
        await office.call(office.access.grant_access, request)
    assert caught.value.non_retryable
    assert not office.provider.ledger
    office.freeze(frozen=False)
    await office.call(office.access.grant_access, request)


async def test_warrant_is_dead_after_its_window(office: Office) -> None:
    """Two minutes after its issue a warrant is a piece of paper."""
    request = await office.armed()
    office.at += GRANT_WINDOW + timedelta(seconds=1)
    await refused(office, request, "may be used from")


async def test_prolong_demands_a_warrant_to_prolong(office: Office) -> None:
    """A grant warrant moves no deadline."""
    request = await office.armed()
    with pytest.raises(ApplicationError, match="permits grant"):
        await office.call(office.access.prolong_access, request)


async def test_evidence_of_the_judge_is_no_place_for_the_scribe(office: Office) -> None:
    """The scribe's key signs no record that stands for a warrant, whatever chain it is asked to write in."""
    request = await office.armed()
    armed = Fact(fact_id="armed/run-2", kind=RecordKind.ARMED, at=office.at, facts={"run": "run-2"})
    for writer, words in ((judge_writer(LEASE), "in the name of"), (LEASE, "for the judge to write")):
        told = EvidenceInput(ticket=request.order.ticket, writer=writer, facts=(armed,))
        with pytest.raises(ApplicationError, match=words):
            await office.call(office.scribe.record_evidence, told)
