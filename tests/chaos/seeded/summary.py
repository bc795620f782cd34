"""A run in numbers: how long members stayed past their end, beside what was allowed, and how often something did not hold."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from tests.chaos.seeded.account import Account
from tests.chaos.seeded.bounds import STALL, Way
from tests.chaos.seeded.oracle import KINDS, Exposure, Verdict
from tests.chaos.seeded.plan import Plan

Figures = dict[str, float]


@dataclass(frozen=True)
class Summary:
    """`past_end`, `late` and `allowed` are in seconds: p50, p99, max, and how many; `late` and `allowed` by the way of the removal."""

    plan: Plan
    again: str
    holds: bool
    counts: dict[str, int]
    failures: dict[str, int]
    faults: dict[str, int]
    past_end: Figures
    late: dict[str, Figures]
    allowed: dict[str, Figures]
    tightest: str

    @classmethod
    def of(cls, plan: Plan, account: Account, verdict: Verdict, again: str) -> "Summary":
        found = Counter(finding.what for finding in verdict.findings)
        ways = [way for way in Way if any(exposure.way is way for exposure in verdict.exposures)]
        own = {way: [exposure for exposure in verdict.exposures if exposure.way is way] for way in ways}
        counts = {
            "requests": len(plan.leases),
            "memberships": len(verdict.stays),
            "past their end": sum(exposure.past_end.total_seconds() > 0 for exposure in verdict.exposures),
            "closed": sum(told.request.is_closed for told in account.told),
            "records": sum(len(told.lines) for told in account.told),
            "gone and terminated before the proof": len(verdict.silenced),
            "machine stood still": sum(one.what == STALL for one in account.happened),
        }
        return cls(
            plan=plan,
            again=again,
            holds=not verdict.findings,
            counts=counts,
            failures={kind: found[kind] for kind in KINDS},
            faults=dict(Counter(str(one.what) for one in account.happened if one.what != STALL)),
            past_end=_figures(e.past_end.total_seconds() for e in verdict.exposures if e.past_end.total_seconds() > 0),
            late={way: _figures(e.late.total_seconds() for e in own[way]) for way in ways},
            allowed={way: _figures(e.allowed.total_seconds() for e in own[way]) for way in ways},
            tightest=_tightest(verdict.exposures),
        )

    def text(self) -> str:
        """For a terminal."""
        lines = [
            f"{self.counts['requests']} requests, {self.counts['memberships']} memberships, {self.counts['records']} records",
            f"faults: {', '.join(f'{number} {fault}' for fault, number in self.faults.items()) or 'none'}",
            f"seconds past the signed end: {_told(self.past_end)}",
        ]
        lines += [
            f"seconds late ({way}): {_told(figures)}; allowed: {_told(self.allowed[way])}"
            for way, figures in self.late.items()
        ]
        lines += [f"nearest to its bound: {self.tightest}"] if self.tightest else []
        lines += [f"{number} x {kind}" for kind, number in self.failures.items() if number]
        lines.append("everything holds" if self.holds else f"IT DOES NOT HOLD; play it again: {self.again}")
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            "seed": self.plan.seed,
            "leases": len(self.plan.leases),
            "minutes": self.plan.minutes,
            "again": self.again,
            "holds": self.holds,
            "counts": self.counts,
            "failures": self.failures,
            "faults": self.faults,
            "seconds_past_end": self.past_end,
            "seconds_late": self.late,
            "seconds_allowed": self.allowed,
        }


def _figures(values: Iterable[float]) -> Figures:
    """The nearest rank, so that each number is one that was measured."""
    taken = sorted(values)
    if not taken:
        return {}
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {"n": len(taken)} | {name: round(taken[ceil(part * len(taken)) - 1], 3) for name, part in at.items()}


def _told(figures: Figures) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in figures.items()) or "none"


def _tightest(exposures: Sequence[Exposure]) -> str:
    if not exposures:
        return ""
    nearest = max(exposures, key=lambda exposure: exposure.late / exposure.allowed)
    because = " + ".join(str(one.what) for one in nearest.bound.because) or "no fault"
    late, allowed = nearest.late.total_seconds(), nearest.allowed.total_seconds()
    return f"{nearest.claim.told.ticket.key}, {late:.2f} s of {allowed:.2f} s ({nearest.way}; {because})"
