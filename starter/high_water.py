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


def load_mark(file: Path, now: datetime) -> Mark:
    """The stored mark; without a usable one, polling begins a day back, which repeats hints and loses none."""
    begin = Mark(high_water_at=now - FIRST_LOOK_BACK)
    try:
        mark = Mark.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        log.info("no high-water mark at %s yet: looking back to %s", file, render_instant(begin.high_water_at))
        return begin
    except (OSError, ValidationError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not what we wrote"
        log.warning("the high-water mark %s cannot be used (%s): looking back %s", file, cause, FIRST_LOOK_BACK)
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
