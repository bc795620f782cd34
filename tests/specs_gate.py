"""The last word of a test session with stand-ins: every call fitted the vendors' published API descriptions.

The descriptions are not part of this tree. CI names their folder in NIGHTLATCH_API_SPECS; without it nothing is judged.
"""

import os
from pathlib import Path

import pytest

from sandbox.loopback import loopback_client

SPECS_FOLDER = Path(os.environ.get("NIGHTLATCH_API_SPECS", "missing"))
SPECS_AT_HAND = bool(os.environ.get("NIGHTLATCH_API_SPECS"))

needs_specs = pytest.mark.skipif(
    not SPECS_AT_HAND, reason="NIGHTLATCH_API_SPECS names no folder of official API descriptions"
)


async def assert_official(sandbox_base_url: str) -> None:
    """Assert that the sandbox judged at least one call and found no violation.

    Call it once, when a session's calls are over, and only where NIGHTLATCH_API_SPECS is set for the sandbox: a sandbox
    that judged nothing fails here, so that a gate which was never switched on cannot pass for a clean one.
    """
    url = f"{sandbox_base_url.rstrip('/')}/control/spec-report"
    async with loopback_client(timeout=10) as client:
        reply = await client.get(url)
    assert reply.status_code == 200, f"{url} answered {reply.status_code}; is NIGHTLATCH_API_SPECS set for the sandbox?"
    report = reply.json()
    assert report["checked"], "the sandbox judged no call; set NIGHTLATCH_API_SPECS where it is started"
    if report["violation_count"]:
        lines = "\n".join(f"  {violation}" for violation in report["violations"])
        raise AssertionError(f"{report['violation_count']} violations of official API descriptions:\n{lines}")
