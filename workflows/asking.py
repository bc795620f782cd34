"""How a lease asks an activity: an answer that cannot be read is a refusal like any other, and never stops the workflow."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, Unpack, get_type_hints

from temporalio import workflow
from temporalio.common import RawValue

from domain.errors import SignatureRefusedError
from domain.values import Value
from workflows.options import ActivityOptions

Result = TypeVar("Result", bound=Value)

LONGEST = 128 * 1024
"""Bytes of an answer that is read: many times what any activity says. Parts of answers go into the next activity and into
records, and a step beyond the engine's 2 MB limit would fail this workflow's task for ever."""


async def ask(
    activity: Callable[[Any, Any], Awaitable[Result]],
    request: Value,
    *,
    longest: int = LONGEST,
    **chosen: Unpack[ActivityOptions],
) -> Result:
    """The activity's result, decoded here: somebody may complete an activity from outside with whatever they like, and the
    engine's own decoding would then fail this workflow's task for ever, with the access still on.

    Raises:
        ActivityError: the activity failed or was cancelled.
        SignatureRefusedError: the result is none that the activity could have given.
    """
    kind: type[Result] = get_type_hints(activity)["return"]
    answer = await workflow.execute_activity(activity.__name__, request, result_type=RawValue, **chosen)
    try:
        result = read(answer, kind, longest)
    except Exception as error:
        raise SignatureRefusedError(f"{activity.__name__} gave an answer that cannot be read") from error
    if not isinstance(result, kind):
        raise SignatureRefusedError(f"{activity.__name__} gave no answer")
    return result


def read(answer: RawValue, kind: type[Result], longest: int = LONGEST) -> Result:
    """What was answered, at most `longest` bytes of it. Raises whatever the converter raises, and `ValueError` beyond that."""
    size = answer.payload.ByteSize()
    if size > longest:
        raise ValueError(f"the answer has {size} bytes, and nobody of ours says more than {longest} here")
    return workflow.payload_converter().from_payload(answer.payload, kind)
