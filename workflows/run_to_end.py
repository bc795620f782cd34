"""Work that must reach its end whatever is cancelled: Python's answer to a detached scope."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

from temporalio import workflow

Result = TypeVar("Result")


async def run_to_end(work: Coroutine[Any, Any, Result], *, of: object) -> Result:
    """Await `work` of the workflow `of` to its end, even when the caller is cancelled meanwhile, and return what it returned.

    A `finally` also runs when a cached workflow is thrown away: while it is evicted, when the engine refuses new tasks, and
    when the garbage collector ends its coroutine on whatever thread and event loop it happens to be, that of another
    workflow too, to which the commands of `work` would then belong. None of these begins `work`: the next worker replays the
    history and does it.
    """
    if not workflow.in_workflow() or workflow.instance() is not of:
        work.close()
        raise GeneratorExit
    try:
        task = asyncio.create_task(work)
    except BaseException:
        work.close()
        raise
    return await finish(task)


async def finish(task: asyncio.Task[Result]) -> Result:
    """Wait until `task` is done, whatever is cancelled, and return its result or raise its error.

    A task of its own keeps a cancel of the caller away from the work; the loop stays through any number of cancels; and it
    ends with the task, because at cache eviction the task is cancelled too and a loop that did not would hang the worker.
    """
    while not task.done():
        try:
            await workflow.wait([task])
        except asyncio.CancelledError:
            cast("asyncio.Task[Any]", asyncio.current_task()).uncancel()
    return task.result()
