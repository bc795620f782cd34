"""The gate before a deploy, over what is open in production: `python -m tests.replay.open_runs [--prefix PREFIX]`.

Run it from the checkout that is to be deployed, with the environment of `nightlatch`. It reads histories and writes nothing.
"""

import argparse
import asyncio
import sys
from typing import Any

from temporalio.client import Client

from domain.queues import Queue, queue_name
from starter.connection import connect
from starter.leaving import leave
from tests.replay.gate import replay
from workflows.lease import LeaseWorkflow
from workflows.service import WORKFLOWS

DEFAULT_PREFIX = "nightlatch-"


async def failures(client: Client, prefix: str, lease: type[Any] = LeaseWorkflow) -> tuple[int, dict[str, Exception]]:
    """How many runs are open on the queues of an installation; and which the build with that lease cannot go on from, and why."""
    found: dict[str, Exception] = {}
    seen = 0
    queues = ", ".join(f"'{queue_name(prefix, queue)}'" for queue in Queue if WORKFLOWS[queue])
    async for run in client.list_workflows(f"TaskQueue IN ({queues}) AND ExecutionStatus = 'Running'"):
        seen += 1
        history = await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
        failure = await replay(history, lease)
        if failure is not None:
            found[run.id] = failure
    return seen, found


async def main(prefix: str) -> int:
    """0 when every open run replays; 1 when one does not, and then this build is not to be deployed."""
    seen, found = await failures(await connect(), prefix)
    for workflow_id, failure in found.items():
        sys.stdout.write(f"{workflow_id}: {failure}\n")
    sys.stdout.write(f"{seen} open runs, {len(found)} of them cannot go on under this build\n")
    return 1 if found else 0


if __name__ == "__main__":
    asks = argparse.ArgumentParser(prog="python -m tests.replay.open_runs", description=__doc__)
    asks.add_argument("--prefix", default=DEFAULT_PREFIX, help="the installation's queue_prefix (default: %(default)s)")
    leave(asyncio.run(main(asks.parse_args().prefix)))
