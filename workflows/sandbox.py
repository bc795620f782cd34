"""The workflow sandbox as every worker, replayer and test runs it."""

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

PASSED_THROUGH = ("domain", "activities", "cryptography", "rfc8785", "pydantic", "pydantic_core")
"""Modules that are imported once, not anew for each workflow. `cryptography` must be among them: re-imported, a bad signature
aborts the worker process. `domain` and `activities` lose the sandbox's clock guard by it, so the import contracts and the
banned-API list of the linter stand in its place."""


def workflow_runner() -> SandboxedWorkflowRunner:
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH))
