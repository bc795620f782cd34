"""The process that tells requests that their tickets were answered, as the bridge does: `python -m bench.messenger SOCKET ADDRESS`.

Not the driver itself: it plays the vendor, too, and a removal that called while it sends a thousand signals would count as late.
"""

import asyncio
import os
import sys

from temporalio.client import Client

from activities.data_converter import data_converter
from bench.line import Line

AT_ONCE = 50


async def main(socket: str, address: str) -> None:
    line = await Line.open(socket)
    client = await Client.connect(address, data_converter=data_converter())
    await line.ask("desk", "polling", os.getpid())
    places = asyncio.Semaphore(AT_ONCE)

    async def tell(workflow_id: str) -> None:
        async with places:
            await client.get_workflow_handle(workflow_id).signal("approve", {"by": "bob"})

    async with asyncio.TaskGroup() as group:
        for workflow_id in await line.ask("desk", "answered"):
            group.create_task(tell(workflow_id))
    line.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
