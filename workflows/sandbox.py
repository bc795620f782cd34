"""The workflow sandbox as every worker, replayer and test runs it, and how it reads what others have sent."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.worker.workflow_sandbox._importer import Importer
from temporalio.worker.workflow_sandbox._restrictions import RestrictionContext
from temporalio.worker.workflow_sandbox._runner import _Instance

PASSED_THROUGH = ("domain", "activities", "cryptography", "rfc8785", "pydantic", "pydantic_core")
"""Modules that workflows take from the worker, outside of the sandbox's guard. `cryptography` must be among them: loaded a second
time, it aborts the worker process over a bad signature. `domain` and `activities` lose the guard of the clock by it, so the
import contracts and the banned-API list of the linter stand in its place."""

RESTRICTIONS = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)


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


class ContextOfThread(threading.local, RestrictionContext):
    """What sandboxed modules may do just now, for each thread: one may load a workflow while another runs its own."""


SHARED = Importer(RESTRICTIONS, ContextOfThread())
"""The sandboxed modules of all runs. The SDK loads them anew for each: a sixth of the processor time of a request. Ours keep no
state between runs (ADR 15)."""


def load(workflows: Iterable[type[Any]]) -> None:
    """Load their modules for all runs, before any of them runs: two threads are not to load one module at the same time."""
    with SHARED.applied():
        for workflow in workflows:
            import_module(workflow.__module__)


class SharedInstance(_Instance):
    """One run, in the modules that it shares."""

    def _create_instance(self) -> None:
        self.importer = SHARED
        super()._create_instance()


class OnDemandRunner(SandboxedWorkflowRunner):
    """The SDK's sandbox, with that converter and those modules, whose restrictions hold. Whatever stands outside reads and writes
    the same JSON.
    """

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return SharedInstance(
            replace(det, payload_converter_factory=ReadOnDemand), self.runner_class, self.restrictions
        )


def workflow_runner() -> SandboxedWorkflowRunner:
    return OnDemandRunner(restrictions=RESTRICTIONS)
