"""The part of Okta's SCIM filters that is understood here: `name eq "value"`, joined by `and`."""

import re
from collections.abc import Iterable
from typing import Any

from sandbox.okta.answers import OktaError
from sandbox.store import Document

TERM = re.compile(r'\s*([A-Za-z.]+)\s+eq\s+"((?:[^"\\]|\\.)*)"\s*')
AND = re.compile(r"and\b", re.IGNORECASE)


def parse(expression: str) -> list[tuple[str, str]]:
    """The (name, value) pairs that must all hold; raises E0000031 for anything outside this grammar."""
    terms = []
    position = 0
    while True:
        term = TERM.match(expression, position)
        if term is None:
            raise OktaError("E0000031")
        terms.append((term[1], re.sub(r"\\(.)", r"\1", term[2])))
        if term.end() == len(expression):
            return terms
        joint = AND.match(expression, term.end())
        if joint is None:
            raise OktaError("E0000031")
        position = joint.end()


def select(documents: Iterable[Document], expression: str) -> list[Document]:
    """The documents for which every term holds; letters compare without case, lists match by any of their items."""
    terms = parse(expression)
    return [d for d in documents if all(value.lower() in _values(d, name.split(".")) for name, value in terms)]


def _values(node: Any, path: list[str]) -> list[str]:
    if isinstance(node, list):
        return [value for item in node for value in _values(item, path)]
    if path:
        return _values(node.get(path[0]), path[1:]) if isinstance(node, dict) else []
    return [] if node is None else [str(node).lower()]
