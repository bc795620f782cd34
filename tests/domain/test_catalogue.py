"""The catalogue: strict when it is read, faults named with their path, one digest an entry."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from domain.catalogue import (
    SURFACES,
    Catalogue,
    Duration,
    ExtensionTerms,
    Fault,
    StandingException,
    Target,
    TargetKind,
    TargetMode,
    find_faults,
)
from domain.values import StrictValue
from tests.domain.examples import BEN, TARGET, catalogue, catalogue_plain

ENTRY = ("entitlements", "prod-admin")


def broken(change: Callable[[dict[str, Any]], object]) -> Catalogue:
    plain = catalogue_plain()
    change(plain)
    return Catalogue.model_validate(plain)


def at(plain: dict[str, Any], *path: str) -> dict[str, Any]:
    for name in path:
        plain = plain[name]
    return plain


def test_finds_no_fault_in_a_sound_catalogue() -> None:
    """The good case, without which every fault below would be hollow."""
    assert find_faults(catalogue()) == []
    assert find_faults(catalogue(extension={"each": "2h", "total": "2h", "count": 1})) == []


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        (lambda c: at(c, *ENTRY).update(targets=["gone"]), (*ENTRY, "targets"), "target 'gone' is not defined"),
        (
            lambda c: at(c, *ENTRY).update(requesters=["ada", "eve"]),
            (*ENTRY, "requesters"),
            "person 'eve' is not in people",
        ),
        (
            lambda c: at(c, *ENTRY, "approval").update(approvers=["eve", "ben"]),
            (*ENTRY, "approval", "approvers"),
            "person 'eve' is not in people",
        ),
        (
            lambda c: at(c, *ENTRY).update(requesters=["ben", "ben"], approval={"approvers": ["ben"]}),
            (*ENTRY, "approval", "approvers"),
            "nobody approves for themselves",
        ),
        (lambda c: at(c, *ENTRY, "extension").update(each="3h"), (*ENTRY, "extension"), "each is longer than total"),
        (lambda c: at(c, "people", "people", "dan").update(jira=[BEN]), ("people",), "linked with ben and dan"),
        (lambda c: c.update(operators=["ada", "ben", "eve"]), ("operators",), "person 'eve' is not in people"),
        (lambda c: c.update(operators=["ben", "ben"]), ("operators",), "one operator cannot lift a freeze"),
    ],
)
def test_names_each_fault_with_its_path(
    change: Callable[[dict[str, Any]], object], path: tuple[str, ...], words: str
) -> None:
    """Whoever mends the catalogue is told where to look and what to do."""
    (fault,) = find_faults(broken(change))
    assert isinstance(fault, Fault)
    assert fault.path == path
    assert words in fault.problem


@pytest.mark.parametrize("name", ["prod-admins", "alias"])
def test_finds_a_container_that_two_entitlements_share(name: str) -> None:
    """One (target, subject) has one lease; a second name for the same container does not hide it."""
    plain = catalogue_plain()
    plain["targets"]["alias"] = plain["targets"]["prod-admins"] | {"name": "Another name"}
    plain["entitlements"]["second"] = plain["entitlements"]["prod-admin"] | {"targets": [name]}
    (fault,) = find_faults(Catalogue.model_validate(plain))
    assert fault.path == ("entitlements", "second", "targets")
    assert f"{TARGET} is also a target of 'prod-admin'" in fault.problem


def test_finds_a_container_that_one_entitlement_names_twice() -> None:
    """One entitlement cannot ask for two leases of one pair."""
    assert [fault.path for fault in find_faults(catalogue(targets=["prod-admins", "prod-admins"]))] == [
        (*ENTRY, "targets")
    ]


def test_finds_every_fault_at_once() -> None:
    """One run of the check shows all that must be mended."""
    faults = find_faults(catalogue(targets=["gone"], requesters=["eve"], approval={"approvers": ["mallory"]}))
    assert len(faults) == 3


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("targets", "prod-admins"),
        ENTRY,
        (*ENTRY, "approval"),
        (*ENTRY, "extension"),
        ("people",),
        ("people", "people", "ada"),
    ],
)
def test_refuses_an_unknown_key_wherever_it_stands(path: tuple[str, ...]) -> None:
    """A misspelt limit is an error that names it, never a limit that silently does not hold."""
    with pytest.raises(ValidationError, match="max_duratoin"):
        broken(lambda plain: at(plain, *path).update(max_duratoin="1h"))


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (ENTRY, "max_duration"),
        (ENTRY, "approval"),
        (ENTRY, "requesters"),
        (ENTRY, "targets"),
        ((*ENTRY, "approval"), "approvers"),
        (("targets", "prod-admins"), "container_id"),
        ((), "people"),
    ],
)
@pytest.mark.parametrize("empty", [True, False])
def test_refuses_what_is_missing_or_empty(path: tuple[str, ...], field: str, empty: bool) -> None:
    """No rule, no approver, no limit, no person: the catalogue is refused, nothing is assumed."""

    def change(plain: dict[str, Any]) -> None:
        holder = at(plain, *path)
        if empty:
            holder[field] = type(holder[field])()
        else:
            del holder[field]

    with pytest.raises(ValidationError, match=field):
        broken(change)


@pytest.mark.parametrize(
    "value", [0, -5, 90, 1.5, 10**9, True, None, b"PT1H", "", "0s", "-1h", "366d", "PT1H", timedelta(0)]
)
def test_refuses_a_span_without_a_unit_or_out_of_range(value: object) -> None:
    """A bare number would be read as seconds and slip past every bound, so it is refused with the remedy."""
    with pytest.raises(ValidationError, match="duration"):
        catalogue(max_duration=value)


def test_carries_a_span_through_json_unchanged() -> None:
    """What was judged and what is read back are the same span."""

    class Holder(StrictValue):
        span: Duration

    holder = Holder(span=timedelta(hours=1, minutes=30))
    assert holder.model_dump_json() == '{"span":"1h30m"}'
    assert Holder.model_validate_json(holder.model_dump_json()) == holder


@pytest.mark.parametrize("given", range(1, 7))
def test_refuses_extension_terms_that_are_given_in_part(given: int) -> None:
    """Half a limit is no limit: all three or none."""
    parts = {"each": timedelta(hours=1), "total": timedelta(hours=2), "count": 1}
    partial = {name: value for bit, (name, value) in enumerate(parts.items()) if given & 1 << bit}
    with pytest.raises(ValidationError, match="together, or none"):
        ExtensionTerms.model_validate(partial)


@pytest.mark.parametrize("count", [-1, 51])
def test_refuses_a_number_of_extensions_out_of_range(count: int) -> None:
    """A lease that is prolonged for ever is standing access."""
    with pytest.raises(ValidationError, match="count"):
        ExtensionTerms(each=timedelta(hours=1), total=timedelta(hours=2), count=count)


def test_allows_no_extension_unless_the_entry_says_so() -> None:
    """The default is not at all."""
    plain = catalogue_plain()
    del plain["entitlements"]["prod-admin"]["extension"]
    assert Catalogue.model_validate(plain).entitlements["prod-admin"].extension == ExtensionTerms()


def test_locks_by_the_native_container_whatever_the_surface_is_called() -> None:
    """The target's reference is built from scope and native id, never from its name."""
    target = catalogue().targets["prod-admins"]
    assert target.ref == TARGET
    assert target.model_copy(update={"name": "Renamed"}).ref == TARGET
    assert Target(kind=TargetKind.OKTA_GROUP, instance="okta/prod", container_id="00g", name="x").ref.scope == "group"


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        (ENTRY, "title", "Other"),
        (ENTRY, "application", "Other"),
        (ENTRY, "requesters", ["ada"]),
        (ENTRY, "max_duration", "3h"),
        (ENTRY, "extension", {}),
        ((*ENTRY, "approval"), "approvers", ["cleo", "ben"]),
        ((*ENTRY, "approval"), "lapse_after", "1h"),
        ((*ENTRY, "approval"), "valid_for", "1m"),
        (("targets", "prod-admins"), "container_id", "00g2"),
        (("targets", "prod-admins"), "instance", "okta/test"),
        (("targets", "prod-admins"), "name", "Other"),
        (("targets", "prod-admins"), "max_residual", "2h"),
        (("targets", "prod-admins"), "suspend_after", "30m"),
    ],
)
def test_changes_the_entry_digest_with_each_field(path: tuple[str, ...], field: str, value: object) -> None:
    """What an approver relies on beyond the ticket, down to the targets in full, is under the digest."""
    changed = broken(lambda plain: at(plain, *path).update({field: value}))
    assert changed.entry_digest("prod-admin") != catalogue().entry_digest("prod-admin")


STANDING = {"account": "00u9BREAKGLASS", "reason": "break-glass", "until": "2026-06-30"}


@pytest.mark.parametrize(("field", "value"), [("mode", "enforce"), ("exceptions", [STANDING])])
def test_keeps_the_entry_digest_when_a_target_is_watched_otherwise(field: str, value: object) -> None:
    """No approval is about how members without a lease are dealt with, so none becomes void by it."""
    changed = broken(lambda plain: at(plain, "targets", "prod-admins").update({field: value}))
    assert changed != catalogue()
    assert changed.entry_digest("prod-admin") == catalogue().entry_digest("prod-admin")


def test_keeps_every_entry_digest_when_operators_are_named() -> None:
    """Who may lift a freeze is in no approval: nothing in flight becomes void. Nobody may who is not named."""
    assert catalogue().operators == ()
    named = broken(lambda plain: plain.update(operators=["ada", "ben"]))
    assert find_faults(named) == []
    assert named.entry_digest("prod-admin") == catalogue().entry_digest("prod-admin")


def test_observes_a_target_and_excepts_nobody_unless_it_says_otherwise() -> None:
    """A target that somebody adds strips no standing member."""
    target = catalogue().targets["prod-admins"]
    assert (target.mode, target.exceptions) == (TargetMode.OBSERVE, ())


def test_suspends_nobody_unless_the_target_says_so() -> None:
    """And leaves no trace in a digest then: what was approved before there was such a thing stays approved."""
    target = catalogue().targets["prod-admins"]
    assert target.suspend_after is None
    assert "suspend_after" not in target.model_dump(mode="json")


def test_refuses_a_suspension_before_people_can_act() -> None:
    """They are paged first, and may have a gentler remedy."""
    with pytest.raises(ValidationError, match="suspend_after is shorter than 5m"):
        broken(lambda plain: at(plain, "targets", "prod-admins").update(suspend_after="4m59s"))


def test_refuses_a_suspension_where_none_is_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rung that does not exist is refused when the catalogue is read, and not found missing in an emergency."""
    unable = SURFACES[TargetKind.OKTA_GROUP].model_copy(update={"suspends": False})
    monkeypatch.setattr("domain.catalogue.SURFACES", {TargetKind.OKTA_GROUP: unable})
    with pytest.raises(ValidationError, match="no account can be suspended by way of okta-group; remove it"):
        broken(lambda plain: at(plain, "targets", "prod-admins").update(suspend_after="30m"))


@pytest.mark.parametrize("field", ["account", "reason", "until"])
@pytest.mark.parametrize("value", [None, "", "x" * 201])
def test_refuses_an_exception_without_account_reason_or_day(field: str, value: object) -> None:
    """Who may stay without a lease is named, with a reason, and not for ever."""
    odd = {name: known for name, known in (STANDING | {field: value}).items() if known is not None}
    with pytest.raises(ValidationError, match=rf"exceptions\.0\.{field}"):
        broken(lambda plain: at(plain, "targets", "prod-admins").update(exceptions=[odd]))


def test_reads_an_exception_as_it_is_written() -> None:
    """The good case of the refusals above."""
    known = broken(lambda plain: at(plain, "targets", "prod-admins").update(exceptions=[STANDING]))
    (named,) = known.targets["prod-admins"].exceptions
    assert named == StandingException(account="00u9BREAKGLASS", reason="break-glass", until=date(2026, 6, 30))


def test_keeps_the_entry_digest_when_something_else_changes() -> None:
    """Another entitlement and the order of keys are not what this approver was shown."""
    plain = catalogue_plain()
    plain["entitlements"] = {"aaa": plain["entitlements"]["prod-admin"] | {"title": "Other"}} | plain["entitlements"]
    assert Catalogue.model_validate(plain).entry_digest("prod-admin") == catalogue().entry_digest("prod-admin")
    assert Catalogue.model_validate(plain).entry_digest("aaa") != catalogue().entry_digest("prod-admin")
