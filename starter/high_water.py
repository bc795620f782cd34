"""How far polling has come, kept in a file that is always whole. What counts as far is the poller's business."""

import logging
import os
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from domain.ids import TicketRef
from domain.values import Instant, StrictValue, render_instant

log = logging.getLogger(__name__)

FIRST_LOOK_BACK = timedelta(hours=24)
CLOCK_TOLERANCE = timedelta(minutes=2)
"""The mark is in the ticket system's time: it may be a little ahead of ours."""


class Mark(StrictValue):
    """How far polling has come. `owed` are tickets that could not be read then, and are tried again each round."""

    high_water_at: Instant
    owed: tuple[TicketRef, ...] = ()


def first_mark(now: datetime) -> Mark:
    """Where polling begins when nothing is known: a day back, which repeats hints."""
    return Mark(high_water_at=now - FIRST_LOOK_BACK)


def load_mark(file: Path, now: datetime) -> Mark:
    """The stored mark, or the first one when there is none that can be used.

    Raises:
        OSError: there is a file, and it cannot be read now. What it says may be older than a day: do not write over it.
    """
    begin = first_mark(now)
    try:
        mark = Mark.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        log.info("no high-water mark at %s yet: looking back to %s", file, render_instant(begin.high_water_at))
        return begin
    except ValidationError:
        log.warning(
            "the high-water mark %s cannot be used (it is not what we wrote): looking back %s", file, FIRST_LOOK_BACK
        )
        return begin
    if mark.high_water_at > now + CLOCK_TOLERANCE:
        log.warning("the high-water mark %s lies in the future: looking back %s", file, FIRST_LOOK_BACK)
        return begin
    return mark


def save_mark(file: Path, mark: Mark) -> None:
    """A reader, also one after a power cut, sees the old mark or the new one, whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.draft")
    with draft.open("w") as out:
        out.write(mark.model_dump_json())
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
