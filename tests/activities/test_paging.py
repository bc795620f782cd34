"""The pager behind a web address, and the activity that asks it: what arrives there, and what a refusal is called."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.integrations.webhook_pager import PagerSettings, WebhookPager
from activities.paging import PagingActivities
from domain.errors import RetryableError
from domain.paper import Alarm
from tests.serving import serving

ALARM = Alarm(
    key="lease:okta/prod/group/00g/00u/run", summary="SEC-9: it is late", ticket="SEC-9", since=datetime.now(UTC)
)
SECRET = "nobody-reads-this"  # noqa: S105 - looks like one on purpose


@dataclass
class Receiver:
    status: int = 202
    got: list[tuple[str, Any]] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        self.got.append((request.headers.get("Authorization", ""), await request.json()))
        return Response(status_code=self.status)


@asynccontextmanager
async def paged(receiver: Receiver, token: str | None = SECRET) -> AsyncIterator[WebhookPager]:
    app = Starlette(routes=[Route("/hook", receiver.take, methods=["POST"])])
    async with serving(app) as address:
        pager = WebhookPager(PagerSettings.model_validate({"url": f"{address}/hook", "token": token}))
        yield pager
        await pager.close()


@pytest.mark.parametrize(("token", "header"), [(SECRET, f"Bearer {SECRET}"), (None, "")])
async def test_alarm_arrives_as_it_is(token: str | None, header: str) -> None:
    """Every field under its own name, with the credential if there is one."""
    receiver = Receiver()
    async with paged(receiver, token) as pager:
        await pager.page(ALARM)
    assert receiver.got == [(header, ALARM.model_dump(mode="json"))]


@pytest.mark.parametrize("status", [302, 400, 401, 404, 429, 500])
async def test_anything_but_success_is_not_taken_for_it(status: int) -> None:
    """Nobody counts as paged whose pager did not say so; no address and no token is told."""
    async with paged(Receiver(status)) as pager:
        with pytest.raises(RetryableError, match=str(status)) as caught:
            await pager.page(ALARM)
    assert SECRET not in str(caught.value)


async def test_receiver_that_is_away_is_named_without_its_address() -> None:
    """The address of a chat service is a secret."""
    pager = WebhookPager(PagerSettings.model_validate({"url": f"http://127.0.0.1:1/{SECRET}"}))
    with pytest.raises(RetryableError, match="was not reached") as caught:
        await pager.page(ALARM)
    await pager.close()
    assert SECRET not in str(caught.value)


async def test_without_a_pager_the_activity_says_that_nobody_was_paged() -> None:
    """It does not fail for ever, and does not say that somebody was."""
    result = await ActivityEnvironment().run(PagingActivities(None).page_people, ALARM)
    assert not result.sent


async def test_pager_that_refuses_is_asked_again() -> None:
    """The failure is one that Temporal tries again."""
    async with paged(Receiver(500)) as pager:
        with pytest.raises(ApplicationError) as caught:
            await ActivityEnvironment().run(PagingActivities(pager).page_people, ALARM)
    assert not caught.value.non_retryable


def test_alarms_go_over_no_open_line() -> None:
    """An address that is not encrypted is refused, unless it is on this host; the refusal does not show it."""
    with pytest.raises(ValidationError, match="https://") as caught:
        PagerSettings.model_validate({"url": f"http://pager.example.com/{SECRET}"})
    assert SECRET not in str(caught.value)
