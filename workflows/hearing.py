"""What a signal said, read so that no sender can stop a workflow: any number of payloads, of any kind and size, or none."""

from typing import TypeVar

from temporalio import workflow
from temporalio.common import RawValue

from domain.messages import Hint
from domain.values import Value

Message = TypeVar("Message", bound=Value)

LONGEST = 4_096
"""Bytes of a message that is read. The longest of our own are news with a receipt, below half of it. What a message says
goes into activities and records, and a step beyond the engine's 2 MB limit would fail a workflow's task for ever."""


def heard(kind: type[Message], said: tuple[RawValue, ...]) -> Message | None:
    """The message, or None when that is not what was said. An error in a signal handler would wedge or fail the workflow."""
    if len(said) != 1 or said[0].payload.ByteSize() > LONGEST:
        return None
    try:
        message = workflow.payload_converter().from_payload(said[0].payload, kind)
    except Exception:  # noqa: BLE001 - a converter may raise anything over what a stranger has sent
        return None
    return message if isinstance(message, kind) else None


def heard_hint(said: tuple[RawValue, ...]) -> Hint:
    """The hint, or an empty one: that somebody spoke is enough, whatever they said."""
    return heard(Hint, said) or Hint()
