"""One request from asking to proof by the command line alone, on real processes: what a person and an operator read of it."""

import asyncio
import re

from temporalio.api.sdk.v1 import WorkflowMetadata

from starter.connection import connect
from tests.e2e.cli_process import Said, nightlatch
from tests.real_stack import RealStack, pair

ACCOUNT_PREFIX = "712020:"


async def told(stack: RealStack, key: str, words: str) -> Said:
    """What `show` says as soon as it says `words`."""
    async with asyncio.timeout(60):
        while True:
            said = await nightlatch("show", key, env=stack.home.pointers())
            if words in said.out:
                return said


async def details_of(key: str) -> list[str]:
    """The current details of the request and of its lease, as the Temporal UI shows them."""
    client = await connect()
    found = [each async for each in client.list_workflows(f"NightlatchTicket = '{key}'")]
    metadata: list[WorkflowMetadata] = [
        await client.get_workflow_handle(each.id, run_id=each.run_id).query(
            "__temporal_workflow_metadata", result_type=WorkflowMetadata
        )
        for each in found
    ]
    return [each.current_details for each in metadata]


async def test_story_of_a_request_reads_as_people_speak(stack: RealStack) -> None:
    """Ask, approve, extend, revoke; then every view names persons and instants, and the oracle has seen the removal."""
    env, mark = stack.home.pointers(), await stack.mark()

    async def act(person: str, *words: str) -> Said:
        return await nightlatch(*words, "--as", person, env=env)

    asked = await act("dave", "request", "gcp-prod-viewer", "1h", "--reason", "look at quotas", "--json")
    key = asked.document["ticket"]
    await told(stack, key, "pending")
    assert (await act("bob", "approve", key)).code == 0
    await stack.until_audit("membership.added", mark, **pair("dave", "gcp-prod-viewer"))
    await told(stack, key, "state        active")
    extended = await act("dave", "extend", key, "30m")
    assert extended.code == 0, extended.err
    assert re.search(r"extended until 20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ\n", extended.out)
    refused = await act("dave", "extend", key, "9h")
    assert (refused.code, refused.err.count("ot extended")) == (1, 1)
    assert (await act("dave", "revoke", key, "--reason", "done")).code == 0
    await stack.until_audit("membership.removed", mark, **pair("dave", "gcp-prod-viewer"))
    shown = (await told(stack, key, "run          completed")).out
    for words in ("approved by bob", "extended until", "not extended, as dave wished", "by a comment on the ticket"):
        assert words in shown
    assert "left" not in shown.split("target", 1)[0]
    assert shown.count(ACCOUNT_PREFIX) == shown.count("told to revoke, by ")
    why = await nightlatch("why", key, env=env)
    assert why.code == 0
    for words in (
        "asked by dave",
        "approved by bob",
        "read back, until",
        "seen absent for the second time",
        "its place.",
    ):
        assert words in why.out
    assert "sha256:" not in why.out.replace("bound to sha256:", "")
    assert ACCOUNT_PREFIX not in why.out
    listed = await nightlatch("list", "--all", "--ticket", key, env=env)
    assert listed.out.count(key) == 1
    assert re.search(r"[0-9]{4}-[0-9]{2}", listed.out) is None, "a request that is over has no end to come"
    for details in await details_of(key):
        assert "state: **closed**" in details
        assert ACCOUNT_PREFIX not in details.replace(f"told to revoke, by {ACCOUNT_PREFIX}", "")
