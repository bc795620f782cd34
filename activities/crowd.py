"""The same question about many things, some of them at once."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import TypeVar

Thing = TypeVar("Thing", bound=Hashable)
Answer = TypeVar("Answer")


async def each_of(
    things: Iterable[Thing], ask: Callable[[Thing], Awaitable[Answer]], *, at_once: int
) -> dict[Thing, Answer]:
    """What `ask` says of each thing. Raises what one of them raised, and then none is still being asked."""
    places = asyncio.Semaphore(at_once)

    async def one(thing: Thing) -> Answer:
        async with places:
            return await ask(thing)

    try:
        async with asyncio.TaskGroup() as group:
            asked = {thing: group.create_task(one(thing)) for thing in things}
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return {thing: task.result() for thing, task in asked.items()}
