"""What the value of a field may be, how it is kept, how the API shows it and how a changelog words it.

Kept form: text as it is, a person as account id, an instant as printed, labels as a list, a document as ADF.
"""

from typing import Any, assert_never

from sandbox.jira import adf
from sandbox.jira.errors import JiraError
from sandbox.jira.people import find_person
from sandbox.jira.schema import EDITABLE, Field, Kind
from sandbox.jira.times import parsed_ms, printed
from sandbox.store import Store

MAX_TEXT = 255


def accepted(store: Store, given: dict[str, Any]) -> dict[str, Any]:
    """The kept form of each given value; raises one 400 that names every field which cannot be set, and why."""
    kept: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for field_id, value in given.items():
        field = EDITABLE.get(field_id)
        if field is None:
            refused[field_id] = f"Field '{field_id}' cannot be set. It is not on the appropriate screen, or unknown."
            continue
        try:
            kept[field_id] = _kept(store, field, value)
        except ValueError as error:
            refused[field_id] = str(error)
    if refused:
        raise JiraError(400, fields=refused)
    return kept


def wording(store: Store, field: Field, value: Any) -> tuple[str | None, str | None]:
    """A changelog's (`from`, `fromString`) or (`to`, `toString`) for a kept value."""
    if value is None:
        return None, None
    match field.kind:
        case Kind.PERSON:
            person = find_person(store, value)
            return value, person.display_name if person else value
        case Kind.LABELS:
            return None, " ".join(value)
        case Kind.DOCUMENT:
            return None, adf.to_text(value)
        case Kind.TEXT | Kind.INSTANT | Kind.FIXED:
            return None, str(value)
        case _:
            assert_never(field.kind)


def _kept(store: Store, field: Field, value: Any) -> Any:
    match field.kind:
        case Kind.TEXT:
            return _text(field, value)
        case Kind.DOCUMENT:
            return _document(value)
        case Kind.PERSON:
            return _account_id(store, field, value)
        case Kind.INSTANT:
            return _instant(value)
        case Kind.LABELS:
            return _labels(value)
        case Kind.FIXED:
            raise ValueError(f"Field '{field.id}' is written by Jira alone.")
        case _:
            assert_never(field.kind)


def _text(field: Field, value: Any) -> str | None:
    if field.id == "summary" and (not isinstance(value, str) or not value.strip()):
        raise ValueError("You must specify a summary of the issue.")
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError("Operation value must be a string")  # noqa: TRY004 - becomes a 400, not a programming error
    if "\n" in value or "\r" in value:
        raise ValueError("The text is invalid because it contains newline characters.")
    if len(value) > MAX_TEXT:
        raise ValueError(f"The entered text is too long. It exceeds the allowed limit of {MAX_TEXT} characters.")
    return value


def _document(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if (reason := adf.problem(value)) is not None:
        raise ValueError(reason)
    return dict(value)


def _account_id(store: Store, field: Field, value: Any) -> str | None:
    if value is None and field.id != "reporter":
        return None
    if not isinstance(value, dict):
        raise ValueError("data was not an object")  # noqa: TRY004 - becomes a 400, not a programming error
    account_id = value.get("accountId", value.get("id"))
    if account_id is None and field.id != "reporter":
        return None
    person = find_person(store, account_id) if isinstance(account_id, str) else None
    if person is None or not person.active:
        raise ValueError(f"Specify a valid '{field.name}': there is no active user with this account id.")
    return person.account_id


def _instant(value: Any) -> str | None:
    if value is None:
        return None
    try:
        return printed(parsed_ms(value))
    except (TypeError, ValueError) as error:
        raise ValueError(
            "The date must be of the format \"yyyy-MM-dd'T'HH:mm:ss.SSSZ\", with an offset from UTC"
        ) from error


def _labels(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
        raise ValueError("data was not an array of strings")
    if any(" " in label or not label for label in value):
        raise ValueError("The label can't contain spaces, and can't be empty.")
    return list(dict.fromkeys(value))
