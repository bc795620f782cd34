"""How much each row measures: sized for 20 minutes, in full for figures that are kept, or next to nothing to try the bench itself."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Scale:
    """Counts are leases unless said otherwise. A round is one run of each side; the warm-up is thrown away."""

    name: str
    rounds: int
    warm_up: bool
    people: int
    at_work: int
    flow_seconds: float
    delays_ms: tuple[int, ...]
    singles: int
    herd: int
    herd_rounds: int
    queued_grants: int
    killed: int
    holders: int
    starts: int


TINY = Scale(
    name="tiny",
    rounds=1,
    warm_up=False,
    people=200,
    at_work=4,
    flow_seconds=3.0,
    delays_ms=(0,),
    singles=4,
    herd=12,
    herd_rounds=1,
    queued_grants=12,
    killed=6,
    holders=24,
    starts=1,
)
SHORT = replace(
    TINY,
    name="short",
    rounds=2,
    warm_up=True,
    people=600,
    at_work=24,
    flow_seconds=10.0,
    singles=25,
    herd=250,
    queued_grants=100,
    killed=20,
    holders=600,
    starts=2,
)
FULL = replace(
    SHORT,
    name="full",
    rounds=5,
    people=2000,
    flow_seconds=40.0,
    delays_ms=(0, 50),
    singles=100,
    herd=5000,
    herd_rounds=2,
    queued_grants=1000,
    killed=300,
    holders=10_000,
    starts=5,
)
SCALES = {scale.name: scale for scale in (TINY, SHORT, FULL)}
