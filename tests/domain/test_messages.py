"""Messages: their exact JSON is pinned, so that histories written today are read tomorrow."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from domain import lease_messages, messages, paper, watch
from domain.drift import Finding, Known
from domain.messages import ExtendInput, Hint
from domain.values import Value
from tests.domain.message_examples import EXAMPLES, PINS

PINNED: dict[str, Any] = json.loads(PINS.read_text())
KINDS = {type(example).__name__: type(example) for example in EXAMPLES}
FREE = {"facts", "listed", "known", "unlisted", "said"}
"""Fields whose keys are not names of fields."""

BY_NAME = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)


def rebuilt(plain: Any, change: Callable[[Any], Any]) -> Any:
    """`plain` with `change` applied to every part, innermost first; free-form facts are left alone."""
    if isinstance(plain, list):
        return change([rebuilt(part, change) for part in plain])
    if isinstance(plain, dict):
        return change(
            {
                name: part if name in FREE and isinstance(part, dict) else rebuilt(part, change)
                for name, part in plain.items()
            }
        )
    return change(plain)


def instants(plain: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Paths of every instant in `plain`."""
    if isinstance(plain, dict | list):
        for name, part in plain.items() if isinstance(plain, dict) else enumerate(plain):
            yield from instants(part, (*path, name))
    elif isinstance(plain, str) and plain.endswith("Z") and plain.startswith("20"):
        yield path


def test_has_an_example_of_every_message() -> None:
    """A new message is pinned before it is used: add its example, then run `python -m tests.domain.message_examples`."""
    declared = {
        name
        for module in (messages, lease_messages, paper, watch)
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind.__module__ == module.__name__
    }
    assert set(KINDS) == set(PINNED) == declared | {Finding.__name__, Known.__name__}
    assert all(issubclass(kind, Value) for kind in KINDS.values())


@BY_NAME
def test_gives_every_field_of_an_example(example: BaseModel) -> None:
    """A field left at its default would not be pinned: no example relies on one."""
    for name, field in type(example).model_fields.items():
        assert name in example.model_fields_set
        assert field.is_required() or getattr(example, name) != field.default


@BY_NAME
def test_writes_exactly_the_pinned_json(example: BaseModel) -> None:
    """A difference here is a change of what stands in histories: append fields with defaults, rename nothing."""
    assert json.loads(example.model_dump_json()) == PINNED[type(example).__name__]


@BY_NAME
def test_reads_the_pinned_json(example: BaseModel) -> None:
    """What an earlier release wrote is the same message today."""
    assert type(example).model_validate_json(json.dumps(PINNED[type(example).__name__])) == example


@BY_NAME
def test_ignores_an_unknown_field_at_any_depth(example: BaseModel) -> None:
    """Old code reads what newer code wrote, nested models included."""
    newer = rebuilt(
        PINNED[type(example).__name__],
        lambda part: {**part, "newer_field": {"x": 1}} if isinstance(part, dict) else part,
    )
    assert "newer_field" in newer
    assert type(example).model_validate_json(json.dumps(newer)) == example


def test_refuses_a_naive_time_wherever_one_stands() -> None:
    """Each instant of each message in turn: without a zone, the message is refused where it is decoded."""
    refused = 0
    for name, pinned in PINNED.items():
        for path in instants(pinned):
            altered = json.loads(json.dumps(pinned))
            *parents, last = path
            holder = altered
            for step in parents:
                holder = holder[step]
            holder[last] = holder[last].removesuffix("Z")
            with pytest.raises(ValidationError, match="timezone"):
                KINDS[name].model_validate_json(json.dumps(altered))
            refused += 1
    assert refused > 20


@BY_NAME
@pytest.mark.parametrize("odd", ["null", "[]", '"text"', "1", "{", "", '{"by":'])
def test_refuses_what_is_no_message(example: BaseModel, odd: str) -> None:
    """A malformed payload is a validation error, never something else."""
    with pytest.raises(ValidationError):
        type(example).model_validate_json(odd)


@BY_NAME
def test_refuses_to_be_changed(example: BaseModel) -> None:
    """What was sent is what was judged."""
    name = next(iter(type(example).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(example, name, getattr(example, name))


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({}, Hint()),
        ({"note": "x" * 10_000, "by": "y" * 10_000}, Hint(note="x" * 500, by="y" * 200)),
        ({"by": 7, "note": ["a"]}, Hint(by="7", note="['a']")),
        ({"by": None}, Hint(by="None")),
    ],
)
def test_never_loses_a_hint_for_what_is_written_in_it(sent: dict[str, Any], kept: Hint) -> None:
    """A revoke travels as a hint: words too many or of a wrong type are cut to text, and the message is obeyed."""
    assert Hint.model_validate_json(json.dumps(sent)) == kept


def test_refuses_a_wish_id_that_no_ticket_system_issues() -> None:
    """A message that adds time is refused when odd; the wish still stands on the ticket."""
    with pytest.raises(ValidationError):
        ExtendInput(wish_id="x" * 65)
