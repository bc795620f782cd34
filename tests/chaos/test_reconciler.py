"""The reconciler as it is deployed: its schedule, a real worker, the vendor over HTTP. The oracle is the vendors' own log."""

from temporalio.client import Client

from activities.settings import load_settings
from domain.ids import LeaseId, SubjectRef, TargetRef, request_workflow_id
from starter.connection import connect
from starter.dev_config import OKTA_INSTANCE
from starter.dev_stack import QUEUE_PREFIX
from starter.schedules import reconcile_schedule_id
from tests.e2e.cli_process import nightlatch
from tests.real_stack import RealStack, pair


async def test_request_and_lease_terminated_together_and_a_member_added_by_hand_are_gone_after_one_run(
    stack: RealStack,
) -> None:
    """What nobody is left to take away, and what nobody asked for: both are taken away, and each stands on a ticket."""
    mark, client, alice = await stack.mark(), await connect(), stack.person("alice")
    key = await stack.ask("1h")
    await stack.until_audit("issue.transitioned", mark, issue_key=key, to="Access active")
    stack.kill("worker")  # else the lease, cancelled with its request, is quicker than the second hand
    await client.get_workflow_handle(request_workflow_id(alice.find(key))).terminate("by hand")
    await client.get_workflow_handle(_lease_id("alice")).terminate("by hand")
    stack.start("worker")
    await stack.sandbox.add_okta_member(pair("dave")["group_id"], pair("dave")["user_id"])
    await _reconcile(client)
    for person in ("alice", "dave"):
        await stack.until_audit("membership.removed", mark, **pair(person))
        await client.get_workflow_handle(_lease_id(person)).result()
        added = await stack.audit("membership.added", mark, **pair(person))
        assert len(added) == len(await stack.audit("membership.removed", mark, **pair(person))) == 1
    told = {line["issue_key"] for line in await stack.audit("property.put", mark)}
    assert {key, load_settings().control_issue_key} <= told


async def test_operator_reads_what_the_reconciler_found(stack: RealStack) -> None:
    """Who is a member without a lease, and why nothing is done about it; once nobody is, nothing is amiss."""
    viewer = pair("dave", "gcp-prod-viewer")
    await stack.sandbox.add_okta_member(viewer["group_id"], viewer["user_id"])
    try:
        said = await nightlatch("drift", "--now", env=stack.home.environment() | {"COLUMNS": "250"})
    finally:
        await stack.sandbox.remove_okta_member(viewer["group_id"], viewer["user_id"])
    assert (said.code, "orphan:" in said.out, "its target is only observed" in said.out) == (0, True, True), said
    (okta,) = (await nightlatch("drift", "--now", "--json", env=stack.home.environment())).document["instances"]
    assert [target for target in okta["report"]["targets"] if target["findings"] or target["problem"]] == []
    assert len(okta["report"]["memory"]["listed"]) == len(okta["report"]["targets"]) > 1


async def _reconcile(client: Client) -> None:
    """One run now, without waiting for the minute."""
    await client.get_schedule_handle(reconcile_schedule_id(QUEUE_PREFIX, OKTA_INSTANCE)).trigger()


def _lease_id(person: str) -> str:
    of = pair(person)
    target = TargetRef(instance=OKTA_INSTANCE, scope="group", container_id=of["group_id"])
    return str(LeaseId(target=target, subject=SubjectRef(instance=OKTA_INSTANCE, user_id=of["user_id"])))
