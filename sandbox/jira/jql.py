"""The part of JQL that the stand-in understands: AND, OR, NOT, brackets, comparisons, lists, ORDER BY.

Parsing gives a `Query`; what a clause means for an issue is in `clauses.py`.
"""

import re
from dataclasses import dataclass

from sandbox.jira.errors import JiraError

TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<sign>!=|!~|>=|<=|[()=<>~,])|(?P<word>[^\s()=<>~,!"']+))"""
)
COMPARISONS = {"=", "!=", ">", ">=", "<", "<=", "~", "!~"}
KEYWORDS = {"and", "or", "not", "order", "by", "in", "is", "empty", "asc", "desc"}


@dataclass(frozen=True)
class Clause:
    """`field operator values`; EMPTY is an operator here: `is empty`, `is not empty`."""

    field: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Not:
    part: "Condition"


@dataclass(frozen=True)
class Both:
    left: "Condition"
    right: "Condition"


@dataclass(frozen=True)
class Either:
    left: "Condition"
    right: "Condition"


Condition = Clause | Not | Both | Either


@dataclass(frozen=True)
class Order:
    field: str
    descending: bool


@dataclass(frozen=True)
class Query:
    condition: Condition
    order: tuple[Order, ...]


def parse(text: str) -> Query:
    """Read a query; raises a 400 for what is not understood, and for one without a restriction, as Jira does."""
    parser = _Parser(_tokens(text))
    if parser.done() or parser.sees("order"):
        raise JiraError(
            400, "Unbounded JQL queries are not allowed here. Please add a search restriction to your query."
        )
    condition = parser.alternatives()
    order = parser.order()
    if not parser.done():
        raise parser.unexpected()
    return Query(condition, order)


@dataclass(frozen=True)
class _Token:
    text: str
    quoted: bool = False


def _tokens(text: str) -> list[_Token]:
    tokens, position = [], 0
    while text[position:].strip():
        match = TOKEN.match(text, position)
        if match is None:
            raise JiraError(400, f"Error in the JQL Query: {text[position:].strip()[:20]!r} is not understood.")
        quoted = match["quoted"]
        tokens.append(_Token(re.sub(r"\\(.)", r"\1", quoted[1:-1]), True) if quoted else _Token(match[0].strip()))
        position = match.end()
    return tokens


class _Parser:
    """Recursive descent over the tokens; each method reads what it is named after."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._position = 0

    def done(self) -> bool:
        return self._position >= len(self._tokens)

    def sees(self, word: str) -> bool:
        if self.done():
            return False
        token = self._tokens[self._position]
        return not token.quoted and token.text.lower() == word

    def alternatives(self) -> Condition:
        condition = self._conjunction()
        while self._takes("or"):
            condition = Either(condition, self._conjunction())
        return condition

    def order(self) -> tuple[Order, ...]:
        if not self._takes("order"):
            return ()
        self._needs("by")
        orders = []
        while True:
            field = self._name()
            descending = self._takes("desc")
            if not descending:
                self._takes("asc")
            orders.append(Order(field, descending))
            if not self._takes(","):
                return tuple(orders)

    def unexpected(self) -> JiraError:
        if self.done():
            return JiraError(400, "Error in the JQL Query: the query ends too early.")
        return JiraError(400, f"Error in the JQL Query: {self._tokens[self._position].text!r} is not expected here.")

    def _conjunction(self) -> Condition:
        condition = self._term()
        while self._takes("and"):
            condition = Both(condition, self._term())
        return condition

    def _term(self) -> Condition:
        if self._takes("not"):
            return Not(self._term())
        if self._takes("("):
            condition = self.alternatives()
            self._needs(")")
            return condition
        return self._clause()

    def _clause(self) -> Clause:
        field = self._name()
        if self._takes("is"):
            negated = self._takes("not")
            self._needs("empty")
            return Clause(field, "is not" if negated else "is", ())
        if self._takes("not"):
            self._needs("in")
            return Clause(field, "not in", self._list())
        if self._takes("in"):
            return Clause(field, "in", self._list())
        for sign in COMPARISONS:
            if self._takes(sign):
                return Clause(field, sign, (self._value(),))
        raise self.unexpected()

    def _list(self) -> tuple[str, ...]:
        self._needs("(")
        values = [self._value()]
        while self._takes(","):
            values.append(self._value())
        self._needs(")")
        return tuple(values)

    def _name(self) -> str:
        return self._value().lower()

    def _value(self) -> str:
        if self.done():
            raise self.unexpected()
        token = self._tokens[self._position]
        if not token.quoted and (token.text.lower() in KEYWORDS or token.text in COMPARISONS | {"(", ")", ","}):
            raise self.unexpected()
        self._position += 1
        return token.text

    def _takes(self, word: str) -> bool:
        seen = self.sees(word)
        self._position += seen
        return seen

    def _needs(self, word: str) -> None:
        if not self._takes(word):
            raise self.unexpected()
