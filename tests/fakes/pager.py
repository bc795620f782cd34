"""A pager in memory: what it was told, and what it does about it."""

import asyncio

from domain.errors import VendorError
from domain.paper import Alarm


class FakePager:
    """`told` is every alarm that it has taken. With `failure` it takes none; while `open` is not set it keeps them waiting."""

    def __init__(self) -> None:
        self.told: list[Alarm] = []
        self.failure: VendorError | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.asked = 0

    async def page(self, alarm: Alarm) -> None:
        self.asked += 1
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        self.told.append(alarm)
