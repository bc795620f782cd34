"""The workflow sandbox as every worker, replayer and test runs it, and how it reads what others have sent."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

PASSED_THROUGH = ("domain", "activities", "cryptography", "rfc8785", "pydantic", "pydantic_core")
"""Modules that are imported once, not anew for each workflow. `cryptography` must be among them: re-imported, a bad signature
aborts the worker process. `domain` and `activities` lose the sandbox's clock guard by it, so the import contracts and the
banned-API list of the linter stand in its place."""


class ReadOnDemand(PydanticPayloadConverter):
    """Decodes what code names a type for, and hands on anything else as it came: what signals say, details of failures.

    The engine decodes before any code of ours can guard it. A failure with details that cannot be decoded would fail the
    workflow's task for ever, with the access still on; a `revoke` that cannot be decoded would be dropped unheard; and a
    flood of large signals would take longer than the two seconds that a workflow's task may think.
    """

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        if not type_hints:
            return [RawValue(payload) for payload in payloads]
        return super().from_payloads(payloads, type_hints)


class OnDemandRunner(SandboxedWorkflowRunner):
    """The SDK's sandbox, with that converter inside. Whatever stands outside reads and writes the same JSON."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return super().create_instance(replace(det, payload_converter_factory=ReadOnDemand))


def workflow_runner() -> SandboxedWorkflowRunner:
    return OnDemandRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH))
