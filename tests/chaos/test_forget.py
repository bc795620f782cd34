"""A group that is deleted under a live lease, as an installation meets it: real processes, killed at each step of giving it up."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from temporalio.client import WorkflowHandle

from domain.ids import LeaseId, SubjectRef, TargetRef
from starter.connection import connect
from starter.dev_config import OKTA_INSTANCE
from starter.dev_stack import QUEUE_PREFIX
from starter.schedules import reconcile_schedule_id
from tests.e2e.cli_process import Said, nightlatch
from tests.real_stack import PATIENCE_SECONDS, RealStack, pair, running_stack
from tests.workflows.hands import pending_names

pytestmark = pytest.mark.timeout(420)

ALICE = pair("alice")
LEASE_ID = str(
    LeaseId(
        target=TargetRef(instance=OKTA_INSTANCE, scope="group", container_id=ALICE["group_id"]),
        subject=SubjectRef(instance=OKTA_INSTANCE, user_id=ALICE["user_id"]),
    )
)
SLOW = {"kind": "delay", "seconds": 2}


@pytest.fixture
async def bereft(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealStack]:
    """A stack of this test's own: a lease that was given up is told of by `doctor` for as long as the engine remembers."""
    async with running_stack(tmp_path_factory.mktemp("bereft")) as stack:
        yield stack


async def test_lease_of_a_deleted_group_is_forgotten_by_two_people_and_ended_when_the_group_is_back(
    bereft: RealStack,
) -> None:
    """The worker is killed while it looks and while it judges. By the vendors' log nobody was taken out of what is not there;
    restored with its member, the group is emptied by the reconciler, and then it is proved."""
    stack, client = bereft, await connect()
    key, lease = await stack.ask("1h"), client.get_workflow_handle(LEASE_ID)
    await stack.until_audit("issue.transitioned", issue_key=key, to="Access active")
    await stack.sandbox.delete_okta_group(ALICE["group_id"])
    await asyncio.to_thread(stack.person("alice").comment, stack.person("alice").find(key), "/revoke")
    said = await _until_stuck(stack)
    assert f"nightlatch lease forget {LEASE_ID} --ticket {key}" in said.document["stuck"][0]["remedy"]
    said = await _forget(stack, key, "bob")
    assert (said.code, "; bob has" in said.err) == (1, True), said
    said = await _forget(stack, key, "bob")
    assert (said.code, "; bob has" in said.err) == (1, True), said
    await stack.sandbox.arm("okta", SLOW, method="GET", path=f"/groups/{ALICE['group_id']}$")
    asking = asyncio.create_task(_forget(stack, key, "carol"))
    await _killed_while(stack, lease, "confirm_gone")
    await stack.sandbox.clear()
    await stack.sandbox.arm("jira", SLOW, method="PUT", path="/properties/")
    await _killed_while(stack, lease, "judge_forgetting")
    await stack.sandbox.clear()
    said = await asking
    assert (said.code, said.document["by"]) == (0, "bob and carol"), said
    await stack.until_audit("issue.transitioned", issue_key=key, to="Closed")
    assert await stack.audit("membership.removed", **ALICE) == []
    told = await _records(stack, key)
    assert f"given up, not proved, by bob and carol because merged; asked for on {key}" in told
    assert not any("seen absent" in each for each in told)
    said = await nightlatch("doctor", "--json", env=stack.home.environment())
    assert LEASE_ID in next(check["told"] for check in said.document["checks"] if check["name"] == "forgotten")
    mark = await stack.mark()
    await stack.sandbox.restore_okta_group(ALICE["group_id"])
    await client.get_schedule_handle(reconcile_schedule_id(QUEUE_PREFIX, OKTA_INSTANCE)).trigger()
    await stack.until_audit("membership.removed", mark, **ALICE)
    await lease.result()
    assert "seen absent for the second time" in await _records(stack, key)


async def _until_stuck(stack: RealStack) -> Said:
    async with asyncio.timeout(2 * PATIENCE_SECONDS):
        while (said := await nightlatch("stuck", "--json", env=stack.home.environment())).code != 1:
            await asyncio.sleep(1)
    return said


async def _records(stack: RealStack, key: str) -> list[str]:
    """What the records of a ticket say, in words. Each of them verifies."""
    said = await nightlatch("why", key, "--json", env=stack.home.environment())
    assert said.code == 0, said
    return [record["told"] for record in said.document["records"]]


async def _forget(stack: RealStack, key: str, person: str) -> Said:
    arguments = ("--ticket", key, "--reason", "merged", "--as", person, "--json")
    return await nightlatch("lease", "forget", LEASE_ID, *arguments, env=stack.home.environment(), seconds=200)


async def _killed_while(stack: RealStack, lease: WorkflowHandle[object, object], activity: str) -> None:
    """Kill the worker in the middle of such an activity, and start another."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while activity not in await pending_names(lease):
            await asyncio.sleep(0.02)
    stack.kill("worker")
    stack.start("worker")
