"""The task that carries webhook events from the outbox to their receiver: in order, signed, with retries.

Never waited for by a request. A retry lets later events pass, as at Jira, where order is no promise.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

from sandbox.jira import outbox
from sandbox.jira.outbox import Event, Webhook
from sandbox.jira.times import now_ms
from sandbox.world import World

RETRIED = {408, 409, 425, 429}
# How long the mode `reorder` gathers events before it sends them, newest first.
GATHER_MS = 300


@asynccontextmanager
async def deliver_in_background(world: World) -> AsyncIterator[None]:
    """Deliver for as long as the context is open; what is left then waits in the store for the next start."""
    async with world.http() as client:
        task = asyncio.create_task(_deliver_for_ever(world, client), name="jira webhooks")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _deliver_for_ever(world: World, client: httpx.AsyncClient) -> None:
    while True:
        outbox.news(world).clear()
        hook = outbox.webhook(world)
        event = _next(world, hook)
        if event is not None:
            await _handle(world, client, hook, event)
            continue
        with suppress(TimeoutError):
            await asyncio.wait_for(outbox.news(world).wait(), _nap_seconds(world, hook))


def _next(world: World, hook: Webhook) -> Event | None:
    if hook.mode == "hold" or not hook.url:
        return None
    oldest = outbox.oldest_due(world.store)
    if oldest is None or hook.mode != "reorder":
        return oldest
    return outbox.newest_due(world.store) if now_ms() - oldest.kept_at_ms >= GATHER_MS else None


def _nap_seconds(world: World, hook: Webhook) -> float | None:
    """Until something is due; without a backlog, or with deliveries held, only news ends the nap."""
    due_at_ms = outbox.next_due_at_ms(world.store)
    if due_at_ms is None or hook.mode == "hold" or not hook.url:
        return None
    return max(due_at_ms - now_ms(), GATHER_MS // 3) / 1000


async def _handle(world: World, client: httpx.AsyncClient, hook: Webhook, event: Event) -> None:
    if hook.mode == "drop":
        _finish(world, event, "webhook.dropped")
        return
    answer = await _post(client, hook, event)
    if hook.mode == "double":
        answer = await _post(client, hook, event)
    delays = world.settings.jira.webhook_retry_delays_seconds
    if answer is not None and answer not in RETRIED and answer < 500:
        _finish(world, event, "webhook.delivered" if answer < 300 else "webhook.failed", status=answer)
    elif event.attempts >= len(delays):
        _finish(world, event, "webhook.failed", status=answer)
    else:
        outbox.postpone(world.store, event, now_ms() + int(delays[event.attempts] * 1000))


async def _post(client: httpx.AsyncClient, hook: Webhook, event: Event) -> int | None:
    """The receiver's status, or None when it could not be reached or did not answer."""
    body = event.body.encode()
    headers = {
        "Content-Type": "application/json; charset=UTF-8",
        "User-Agent": "Atlassian Webhook HTTP Client",
        "X-Atlassian-Webhook-Identifier": event.identifier,
        "X-Atlassian-Webhook-Retry": str(event.attempts + 1),
        "X-Atlassian-Webhook-Flow": "Primary",
    }
    if hook.secret:
        headers["X-Hub-Signature"] = f"sha256={hmac.new(hook.secret.encode(), body, hashlib.sha256).hexdigest()}"
    try:
        return (await client.post(hook.url, content=body, headers=headers)).status_code
    except (httpx.HTTPError, httpx.InvalidURL):
        return None


def _finish(world: World, event: Event, outcome: str, **facts: int | None) -> None:
    body = json.loads(event.body)
    told = {"webhook_event": body["webhookEvent"], "issue_key": body["issue"]["key"], "identifier": event.identifier}
    attempts = event.attempts + (outcome != "webhook.dropped")
    with world.store.transaction():
        outbox.remove(world.store, event)
        world.audit.append("jira", outcome, actor="jira", attempts=attempts, **told, **facts)
