"""The workflow sandbox as every worker runs it: what it lets through, and what it keeps out."""

import subprocess
import sys
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from domain.canonical import KeyRole, SigningKey
from tests.house import House
from tests.workflows.probes import BANNED, BadSignature, ClockProbe, SignatureProbe
from workflows.sandbox import PASSED_THROUGH, workflow_runner

VENDORS = ("okta", "jira", "boto3", "botocore", "msgraph", "slack_sdk", "httpx", "requests", "yaml")


def probing(client: Client, queue: str) -> Worker:
    return Worker(client, task_queue=queue, workflows=[ClockProbe, SignatureProbe], workflow_runner=workflow_runner())


async def test_bad_signature_is_refused_and_the_worker_lives(house: House) -> None:
    """A forged signature inside a workflow is a refusal, not the end of the process: the same worker goes on afterwards."""
    key = SigningKey.from_seed(b"k" * 32, KeyRole.JUDGE)
    genuine, other = (key.sign("probe", {"some": text}) for text in ("words", "other words"))
    queue = f"{house.prefix}probes"
    async with probing(house.client, queue):
        answers = [
            await house.client.execute_workflow(
                SignatureProbe.run,
                BadSignature(key=key.public, signature=signature),
                id=f"probe-{uuid4()}",
                task_queue=queue,
            )
            for signature in (other, genuine, other.model_copy(update={"value": "AAAA"}))
        ]
    assert "does not fit" in answers[0]
    assert answers[1] == "accepted"
    assert "does not fit" in answers[2]
    assert "cryptography" in PASSED_THROUGH


async def test_clocks_and_chance_are_out_of_reach(house: House) -> None:
    """Workflow code that asks this host for time, chance, files or environment is stopped by the sandbox."""
    queue = f"{house.prefix}probes"
    async with probing(house.client, queue):
        answers = await house.client.execute_workflow(ClockProbe.run, id=f"probe-{uuid4()}", task_queue=queue)
    assert answers == dict.fromkeys(BANNED, "RestrictedWorkflowAccessError")


@pytest.mark.parametrize("module", ["workflows.service", "workflows.access_request", "workflows.lease"])
def test_workflows_load_no_vendor(module: str) -> None:
    """Importing the workflows loads no vendor's SDK and no HTTP client, even indirectly: replays stay fast and pure."""
    code = f"import sys, {module}; print(sorted(set(sys.modules) & set({VENDORS!r})))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"
