"""Measuring side by side: rounds in alternating order, ratios of each round, and what makes a round void."""

import math
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from bench.machine import Load

MOST_UNEQUAL = 0.15
"""Two halves of a pair whose shares of foreign CPU time differ by more are void."""

MOST_TRIES = 2


class VoidRunError(RuntimeError):
    """What was to be measured did not come about, because the machine had too much else to do."""


@dataclass(frozen=True)
class Run:
    """One run of one side: figures by name, each the better the lower or the higher as its row says."""

    side: str
    figures: Mapping[str, float]
    load: Load


Case = TypeVar("Case")


@dataclass
class Rounds:
    """Every run that was made, a round after another; the first side is the one that is compared with the others."""

    rounds: list[dict[str, Run]] = field(default_factory=list)

    @classmethod
    async def play(cls, sides: Sequence[Case], measure: Callable[[Case], Awaitable[Run]], rounds: int) -> "Rounds":
        """A, B, C, C, B, A, ...: what drifts, such as a server that fills up, meets all sides alike.

        A round with a void pair is played again, but no more than twice as many as asked for.
        """
        played = cls()
        while played.fair < rounds and len(played.rounds) < MOST_TRIES * rounds:
            order = sides if len(played.rounds) % 2 == 0 else tuple(reversed(sides))
            played.rounds.append({run.side: run for run in [await _again(measure, side) for side in order]})
        return played

    @property
    def fair(self) -> int:
        """Rounds of which every pair counts."""
        return sum(is_fair(*played.values()) for played in self.rounds)

    def ratios(self, figure: str, side: str, floor: str) -> list[float]:
        """`side` to `floor`, round by round, void pairs left out."""
        pairs = [(played[side], played[floor]) for played in self.rounds]
        return [a.figures[figure] / b.figures[figure] for a, b in pairs if is_fair(a, b) and b.figures[figure]]

    def values(self, figure: str, side: str) -> list[float]:
        return [played[side].figures[figure] for played in self.rounds]

    def void(self, side: str, floor: str) -> int:
        """How many pairs had unequal company."""
        return sum(not is_fair(played[side], played[floor]) for played in self.rounds)


def is_fair(*runs: Run) -> bool:
    shares = [run.load.foreign for run in runs]
    return max(shares) - min(shares) <= MOST_UNEQUAL


async def _again(measure: Callable[[Case], Awaitable[Run]], case: Case) -> Run:
    """A run that is void by itself is made anew.

    Raises:
        VoidRunError: it was so as often as a run is tried.
    """
    for _ in range(MOST_TRIES - 1):
        with suppress(VoidRunError):
            return await measure(case)
    return await measure(case)


def middle(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median, and least to most; "void" when there is nothing."""
    if not values:
        return "void"
    told = f"{middle(values):.{digits}f}"
    return told if len(values) == 1 else f"{told} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that this share of all does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
