"""What a signal said, read so that no sender can stop a workflow: any number of payloads, of any type, or none."""

from typing import Any, TypeVar

from pydantic import ValidationError

from domain.messages import Hint
from domain.values import Value

Message = TypeVar("Message", bound=Value)


def heard(kind: type[Message], said: tuple[Any, ...]) -> Message | None:
    """The message, or None when that is not what was said. An error in a signal handler would wedge or fail the workflow."""
    if len(said) != 1:
        return None
    try:
        return kind.model_validate(said[0])
    except (ValidationError, ValueError, TypeError, RecursionError):
        return None


def heard_hint(said: tuple[Any, ...]) -> Hint:
    """The hint, or an empty one: that somebody spoke is enough, whatever they said."""
    return heard(Hint, said) or Hint()
