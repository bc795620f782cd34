"""The worker process: settings -> adapters -> activities -> workflows. Nothing imports it."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack

from temporalio.client import Client

from activities.bundle import Activities
from activities.catalogue_files import CatalogueFolder
from activities.integrations.jira_tickets import JiraTickets
from activities.integrations.webhook_pager import WebhookPager
from activities.registry import Registry, load_keys
from activities.settings import Settings, load_settings
from domain.errors import InvalidInputError
from domain.queues import Queue, queue_name
from starter.connection import connect_for_service
from starter.garbage import collect_seldom
from starter.leaving import leave, leave_on_signals
from starter.stranded import looking_after_the_stranded
from starter.watchdog import watching
from workflows.service import make_workers

logger = logging.getLogger("nightlatch.worker")

CONFIGURATION_ERROR = 2

CALLING_PROVIDERS = frozenset({Queue.LEASES, Queue.GRANTS, Queue.RECONCILE})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 0 after a graceful stop, 2 when the configuration is not usable."""
    parser = argparse.ArgumentParser(prog="worker.py", description="Runs Nightlatch's workflows and activities.")
    parser.add_argument(
        "--queues",
        default=",".join(Queue),
        help="comma-separated queues to serve, each in a process that holds only the keys it needs (default: all)",
    )
    chosen = parser.parse_args(arguments).queues.split(",")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    leave_on_signals()
    try:
        queues = [Queue(name.strip()) for name in chosen]
    except ValueError as error:
        parser.error(f"{error}; known: {', '.join(Queue)}")
    try:
        asyncio.run(_serve(load_settings(), queues))
    except InvalidInputError as error:
        sys.stderr.write(f"{error}\n")
        return CONFIGURATION_ERROR
    return 0


async def _serve(settings: Settings, queues: list[Queue]) -> None:
    keys = load_keys(settings.keys)
    keys.require_for(queues)
    client = await connect_for_service()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tickets, registry = JiraTickets(settings.jira), Registry(settings)
    pager = WebhookPager(settings.pager) if settings.pager is not None else None
    activities = Activities.over(
        client=client,
        tickets=tickets,
        providers=registry,
        catalogues=CatalogueFolder(settings.catalogue, expect_digest=settings.expect_digest),
        control=settings.control_ticket,
        keys=keys,
        pager=pager,
    )
    try:
        with watching(loop):
            await _poll(client, settings, activities, queues, registry, stop)
    finally:
        await registry.close()
        await tickets.close()
        if pager is not None:
            await pager.close()
    logger.info("stopped")


async def _poll(
    client: Client,
    settings: Settings,
    activities: Activities,
    queues: list[Queue],
    registry: Registry,
    stop: asyncio.Event,
) -> None:
    """Poll at once what needs no vendor's SDK, and the rest when they are loaded: what a worker takes in that cannot send yet,
    a removal that is due above all, waits for it, though another one could do it at once.
    """
    warming = asyncio.create_task(registry.warm_up())
    async with AsyncExitStack() as stack:

        async def poll(some: list[Queue]) -> None:
            for worker in make_workers(client, settings.queue_prefix, activities, some):
                await stack.enter_async_context(worker)
                logger.info("polling %s", worker.task_queue)

        if Queue.LEASES in queues:
            leases = queue_name(settings.queue_prefix, Queue.LEASES)
            await stack.enter_async_context(looking_after_the_stranded(client, leases))
        await poll([queue for queue in queues if queue not in CALLING_PROVIDERS])
        await warming
        await poll([queue for queue in queues if queue in CALLING_PROVIDERS])
        left_out = collect_seldom()
        logger.info("serving; %d objects are left out of every collection of garbage", left_out)
        await stop.wait()
        logger.info("stopping: running attempts may finish")


if __name__ == "__main__":
    leave(main())
