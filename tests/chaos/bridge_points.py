"""Where a bridge can be killed, read from the steps of one that was left alone: nobody keeps this list by hand."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from tests.chaos.bridge_case import SCENES
from tests.chaos.bridge_seat import BridgeSeat, Life
from tests.chaos.bridge_steps import SEARCH, Step, StepBoundary

LOOKS_APART = 3


@dataclass(frozen=True)
class BridgePoint:
    life: Life
    boundary: StepBoundary

    @property
    def kind(self) -> str:
        return self.boundary.step.kind

    @property
    def is_message(self) -> bool:
        return self.boundary.step.is_write and self.kind.startswith("temporal")

    def __str__(self) -> str:
        at = self.boundary
        return f"{at.when} {at.step.kind} #{at.occurrence} once {at.step.scene}, {self.life.name}"


def bridge_points(seat: BridgeSeat) -> list[BridgePoint]:
    """One point for each step that only looks, two for each by which something is done; where it vanishes, from then on."""
    points = []
    for scene in ("vanished",) if seat.life.vanishes else SCENES:
        made: Counter[Step] = Counter()
        for step in _until_it_repeats(seat.steps(scene), seat.life.rounds):
            made[step] += 1
            for when in ("before", "after") if step.is_write else ("before",):
                boundary = StepBoundary(step=step, occurrence=made[step], when=when)
                points.append(BridgePoint(seat.life, boundary))
    return points


def representatives(points: Sequence[BridgePoint]) -> list[BridgePoint]:
    """Each message to Temporal: before it where the bridge polls, after it where it is told; and of the rest of polling a part."""
    polled = [point for point in points if not point.life.webhooks and point.boundary.when == "before"]
    told = [point for point in points if point.life.webhooks and point.boundary.when == "after"]
    messages = [point for point in (*polled, *told) if point.is_message and point.boundary.occurrence == 1]
    keeping = [point for point in polled if point.boundary.step.is_write and not point.is_message]
    looks = [point for point in polled if not point.boundary.step.is_write]
    return [*messages, *_first_of_each_kind(keeping), *_first_of_each_kind(looks)[::LOOKS_APART]]


def _first_of_each_kind(points: Sequence[BridgePoint]) -> list[BridgePoint]:
    return list({point.kind: point for point in reversed(points)}.values())[::-1]


def _until_it_repeats(steps: Iterable[Step], rounds: int) -> Iterable[Step]:
    """A scene's steps until so many rounds of polling are over: the next one would be as the last."""
    begun = 0

    def goes_on(step: Step) -> bool:
        nonlocal begun
        begun += step.kind == SEARCH
        return begun <= rounds

    return takewhile(goes_on, steps) if rounds else steps
