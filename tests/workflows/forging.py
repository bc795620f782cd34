"""The hands of an attacker who may write everything to the Temporal namespace: starts, invented results, forged signatures."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from temporalio.client import WorkflowHandle
from temporalio.worker import Worker

from activities.records import judge_writer
from domain.canonical import KeyRole, SigningKey
from domain.forgetting import Forgetting, ForgetWord, GoneWord
from domain.ids import TicketRef, request_workflow_id
from domain.lease_messages import GrantInput, LeaseOrder, LeaseOutcome
from domain.queues import Queue, queue_name
from domain.signed import Signed
from domain.values import Value
from domain.warrant import Warrant, WarrantKind
from domain.witness import Observation, Presence, Receipt
from tests.house import APPROVED, House
from tests.workflows.hostile import HostileWorkflow, Order
from workflows.lease import LeaseWorkflow
from workflows.sandbox import workflow_runner

BECAUSE = "nobody needs it"
FOR_EVER = datetime(2099, 1, 1, tzinfo=UTC)
STRANGER = {role: SigningKey.from_seed(b"s" * 32, role) for role in KeyRole}


def added(house: House) -> int:
    return len(house.ledger("added"))


async def run_hostile(house: House, activity: str, queue: Queue, request: Value) -> str:
    """Have a workflow of the attacker's run one of our activities."""
    own_queue = f"{house.prefix}hostile"
    order = Order(activity=activity, queue=queue_name(house.prefix, queue), request=request.model_dump(mode="json"))
    async with Worker(
        house.client, task_queue=own_queue, workflows=[HostileWorkflow], workflow_runner=workflow_runner()
    ):
        return await house.client.execute_workflow(
            HostileWorkflow.run, order, id=f"hostile-{uuid4()}", task_queue=own_queue
        )


async def start_lease(house: House, order: LeaseOrder) -> WorkflowHandle[LeaseWorkflow, LeaseOutcome]:
    return await house.client.start_workflow(
        LeaseWorkflow.run,
        order,
        id=str(order.grantee.lease_id),
        task_queue=queue_name(house.prefix, Queue.LEASES),
    )


async def approved_unheard(house: House) -> TicketRef:
    """A ticket that bob has approved, and whose request has not been told yet."""
    ticket = house.ask()
    handle = await house.start(ticket)
    await house.asked(ticket)
    await house.settled(handle)
    house.tickets.transition_as(ticket, APPROVED, "bob")
    return ticket


def digest_on(house: House, ticket: TicketRef) -> str:
    asked = house.chains(ticket)[judge_writer(request_workflow_id(ticket))]
    return str(asked[-1].facts["digest"])


async def granted_words(house: House) -> GrantInput:
    """Order and warrant as anybody can read them in the history of a lease."""
    history = await house.lease().fetch_history()
    for event in history.events:
        attributes = event.activity_task_scheduled_event_attributes
        if attributes.activity_type.name == "grant_access":
            (request,) = await house.client.data_converter.decode(attributes.input.payloads, [GrantInput])
            return GrantInput.model_validate(request)
    raise AssertionError("that lease has granted nothing")


async def complete(house: House, lease: WorkflowHandle[Any, Any], activity: str, result: object) -> None:
    """Complete the pending activity of a lease from outside."""
    described = await lease.describe()
    pending = described.raw_description.pending_activities
    (activity_id,) = [each.activity_id for each in pending if each.activity_type.name == activity]
    handle = house.client.get_async_activity_handle(
        workflow_id=lease.id, run_id=described.run_id, activity_id=activity_id
    )
    if isinstance(result, Exception):
        await handle.fail(result)
    else:
        await handle.complete(result)


async def over_the_fence(house: House, ticket: TicketRef, handle: WorkflowHandle[Any, object]) -> None:
    """Jump the lease over the wait for what might still land, and return when the request has closed."""
    await house.until(lambda: "removed" in house.kinds(ticket, house.lease_id()))
    await house.jump(house.lease(), timedelta(minutes=1))
    await house.soon(handle.result())


def invented_look(house: House, presence: Presence) -> Signed:
    look = Observation(lease_id=house.lease_id(), run_id="r", presence=presence, observed_at=datetime.now(UTC))
    return Signed.seal(look, STRANGER[KeyRole.WITNESS])


def invented_receipt(house: House, action: str) -> Signed:
    receipt = Receipt(lease_id=house.lease_id(), run_id="r", action=action, acknowledged_at=datetime.now(UTC))
    return Signed.seal(receipt, STRANGER[KeyRole.WITNESS])


def invented_gone(
    house: House, key: SigningKey = STRANGER[KeyRole.WITNESS], *, ahead: timedelta = timedelta(0)
) -> Signed:
    beside, at = house.target("left"), datetime.now(UTC) + ahead
    return Signed.seal(GoneWord(lease_id=house.lease_id(), run_id="r", beside=beside, observed_at=at), key)


def invented_forgetting(house: House, ticket: TicketRef, judge: SigningKey = STRANGER[KeyRole.JUDGE]) -> Forgetting:
    """Two looks that a witness of ours has signed, and a judge's word by a stranger's key, all fresh."""
    assert house.keys.witness is not None
    first, second = (invented_gone(house, house.keys.witness, ahead=timedelta(seconds=seconds)) for seconds in (30, 33))
    word = ForgetWord(
        lease_id=house.lease_id(),
        run_id="r",
        ticket=ticket,
        by="bob and carol",
        reason=BECAUSE,
        at=datetime.now(UTC) + timedelta(minutes=1),
        record="sha256:none",
    )
    return Forgetting(first=first, second=second, word=Signed.seal(word, judge))


def invented_warrant(order: LeaseOrder) -> Signed:
    now = datetime.now(UTC)
    warrant = Warrant(
        kind=WarrantKind.GRANT,
        ticket=order.ticket,
        lease_id=str(order.grantee.lease_id),
        run_id="r",
        target=order.grantee.target,
        subject=order.grantee.subject,
        expires_at=FOR_EVER,
        issued_at=now,
        grant_before=FOR_EVER,
        terms_digest=order.terms_digest,
        record="sha256:none",
    )
    return Signed.seal(warrant, STRANGER[KeyRole.JUDGE])
