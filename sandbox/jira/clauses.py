"""What a JQL condition means for an issue, and the order of the result."""

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, assert_never

from sandbox.jira.errors import JiraError
from sandbox.jira.fields import wording
from sandbox.jira.jql import Both, Clause, Condition, Either, Not, Order, Query
from sandbox.jira.projects import project, projects
from sandbox.jira.schema import EDITABLE, ISSUE_TYPE_ID, ISSUE_TYPE_NAME, STATUSES
from sandbox.jira.session import Session
from sandbox.jira.times import now_ms, parsed_ms
from sandbox.store import Document

RELATIVE = re.compile(r"([+-]?)(\d+)([mhdw])")
UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
DATE_FORMS = ("%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M", "%Y-%m-%d", "%Y/%m/%d")
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
INSTANTS = {"created", "updated"}
ALIASES = {"issuekey": "key", "issue": "key", "type": "issuetype"}


def matching(session: Session, query: Query) -> list[Document]:
    """The issues that this person may see and the condition holds for, in order (else the newest first)."""
    _check(session, query.condition)
    found = [issue for issue in session.issues() if _holds(session, query.condition, issue)]
    for order in reversed(query.order or (Order("created", descending=True),)):
        found.sort(key=_sort_key(order), reverse=order.descending)
    return found


def _sort_key(order: Order) -> Callable[[Document], Any]:
    if order.field in INSTANTS:
        return lambda issue: (issue[order.field], int(issue["id"]))
    if ALIASES.get(order.field, order.field) in {"key", "id"}:
        return lambda issue: int(issue["id"])
    raise JiraError(400, f"Not able to sort using field '{order.field}'.")


def _check(session: Session, condition: Condition) -> None:
    """Names that exist nowhere are refused before any issue is looked at, as Jira refuses them."""
    match condition:
        case Both(left, right) | Either(left, right):
            _check(session, left)
            _check(session, right)
        case Not(part):
            _check(session, part)
        case Clause(field, _, values):
            _check_values(session, ALIASES.get(field, field), values)
        case _:
            assert_never(condition)


def _check_values(session: Session, field: str, values: tuple[str, ...]) -> None:
    known: set[str] | None = None
    if field == "project":
        known = {name.lower() for key, names in projects(session.world.store).items() for name in (key, *names)}
    elif field == "status":
        known = {name.lower() for status in STATUSES.values() for name in (status.id, status.name)}
    elif field == "issuetype":
        known = {ISSUE_TYPE_ID, ISSUE_TYPE_NAME.lower()}
    elif field in {"key", "id"}:
        for value in values:
            _existing(session, field, value)
    for value in values:
        if known is not None and value.lower() not in known:
            raise JiraError(400, f"The value '{value}' does not exist for the field '{field}'.")


def _existing(session: Session, field: str, value: str) -> str:
    try:
        return str(session.issue(value)["id"])
    except JiraError:
        raise JiraError(400, f"An issue with key '{value}' does not exist for field '{field}'.") from None


def _holds(session: Session, condition: Condition, issue: Document) -> bool:
    match condition:
        case Both(left, right):
            return _holds(session, left, issue) and _holds(session, right, issue)
        case Either(left, right):
            return _holds(session, left, issue) or _holds(session, right, issue)
        case Not(part):
            return not _holds(session, part, issue)
        case Clause():
            return _clause_holds(session, condition, issue)
        case _:
            assert_never(condition)


def _clause_holds(session: Session, clause: Clause, issue: Document) -> bool:
    field = ALIASES.get(clause.field, clause.field)
    if field in INSTANTS:
        if clause.operator not in COMPARE:
            raise _unsupported(clause)
        return COMPARE[clause.operator](issue[field], _instant(clause.values[0]))
    words = _words(session, field, issue)
    if field in {"key", "id"}:
        wanted = {_existing(session, field, value) for value in clause.values}
    else:
        wanted = {value.lower() for value in clause.values}
    match clause.operator:
        case "=" | "in":
            return bool(words & wanted)
        case "!=" | "not in":
            return bool(words) and not words & wanted
        case "is":
            return not words
        case "is not":
            return bool(words)
        case "~":
            return any(part in word for part in wanted for word in words)
        case "!~":
            return bool(words) and not any(part in word for part in wanted for word in words)
        case _:
            raise _unsupported(clause)


def _words(session: Session, field: str, issue: Document) -> set[str]:
    """Everything by which the issue's value can be named, in lower case; empty when it has none."""
    match field:
        case "project":
            names: tuple[str, ...] = (issue["project"], *project(session.world.store, issue["project"]))
        case "key" | "id":
            names = (issue["id"],)
        case "status":
            names = (issue["status"], STATUSES[issue["status"]].name)
        case "statuscategory":
            category = STATUSES[issue["status"]].category
            names = (str(category.id), category.key, category.name)
        case "issuetype":
            names = (ISSUE_TYPE_ID, ISSUE_TYPE_NAME)
        case "creator":
            names = (issue["creator"],)
        case "labels":
            names = tuple(issue["fields"]["labels"])
        case _:
            names = _field_words(session, field, issue)
    return {name.lower() for name in names}


def _field_words(session: Session, name: str, issue: Document) -> tuple[str, ...]:
    for field in EDITABLE.values():
        number = field.id.removeprefix("customfield_")
        if name in {field.id.lower(), field.name.lower(), f"cf[{number}]"}:
            return tuple(each for each in wording(session.world.store, field, issue["fields"].get(field.id)) if each)
    raise JiraError(400, f"Field '{name}' does not exist or you do not have permission to view it.")


def _instant(text: str) -> int:
    """Minutes, hours, days or weeks from now, a date in UTC to the minute, or milliseconds since the epoch."""
    if relative := RELATIVE.fullmatch(text):
        sign, count, unit = relative.groups()
        return now_ms() + (-1 if sign == "-" else 1) * int(count) * UNIT_MS[unit]
    if text.isdecimal():
        return int(text)
    for form in DATE_FORMS:
        try:
            return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp() * 1000)
        except ValueError:
            continue
    try:
        return parsed_ms(text)
    except ValueError:
        forms = "'yyyy/MM/dd HH:mm', 'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period such as '-5d'"
        raise JiraError(400, f"Date value '{text}' is invalid. Valid formats include: {forms}.") from None


def _unsupported(clause: Clause) -> JiraError:
    return JiraError(400, f"The operator '{clause.operator}' is not supported by the '{clause.field}' field.")
