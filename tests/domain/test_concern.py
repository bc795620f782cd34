"""What the reconciler wakes people for."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.concern import Concern, concerns_of, to_say
from domain.watch import TargetReport

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
INSTANCE = "okta/prod"
NAME = f"{INSTANCE}/group/00gadmin"
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("listed_ago", "unlisted_ago", "keys"),
    [
        (0, None, []),
        (2, 1, []),
        (4, 3, [f"unwatched:{NAME}"]),
        (None, 2, []),
        (None, 4, [f"unwatched:{NAME}"]),
    ],
)
def test_target_is_a_concern_when_it_was_not_listed_for_three_intervals(
    listed_ago: int | None, unlisted_ago: int | None, keys: list[str]
) -> None:
    """By the age of its last complete listing, or of its first failure where there never was one."""
    listed = {} if listed_ago is None else {NAME: NOW - listed_ago * MINUTE}
    unlisted = {} if unlisted_ago is None else {NAME: NOW - unlisted_ago * MINUTE}
    assert list(concerns_of(INSTANCE, {NAME: TargetReport(target="admin")}, listed, unlisted, NOW)) == keys


@pytest.mark.parametrize(("silent", "keys"), [(3, [f"unwatched:{INSTANCE}"]), (2, ["unwatched:a", "unwatched:b"])])
def test_provider_that_is_down_is_one_concern(silent: int, keys: list[str]) -> None:
    """Nobody is woken once for each of a hundred targets; while one of them answers, each of the others has its own trouble."""
    reports = {name: TargetReport(target=name, problem=f"503 {name}") for name in ("a", "b", "c")}
    unlisted = {name: NOW - age * MINUTE for name, age in [("a", 5), ("b", 9), ("c", 4)][:silent]}
    told = concerns_of(INSTANCE, reports, {}, unlisted, NOW)
    assert sorted(told) == keys
    if silent == len(reports):
        (concern,) = told.values()
        assert concern.summary == "okta/prod cannot be watched, none of its 3 targets: 503 a"
        assert concern.since == NOW - 9 * MINUTE


def test_members_whom_the_limit_puts_off_are_a_concern() -> None:
    """A limit slows, and somebody hears of it."""
    told = concerns_of(INSTANCE, {NAME: TargetReport(target="admin", waiting=7)}, {NAME: NOW}, {}, NOW)
    assert "admin: 7 members without a lease wait" in told[f"many:{NAME}"].summary


def test_people_hear_of_a_concern_again_after_an_hour() -> None:
    """Not with every run."""
    concern = Concern(key="k", summary="s", since=NOW)
    said = {age: to_say([concern], {"k": NOW - timedelta(minutes=age)}, NOW) for age in (0, 59, 60)}
    assert (to_say([concern], {}, NOW), said) == ((concern,), {0: (), 59: (), 60: (concern,)})
