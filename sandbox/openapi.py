"""One vendor's published OpenAPI description: finding a request's operation, and judging values against its schemas.

Knows OpenAPI 3.0 and 3.1 as the descriptions use them (parameters of style form; JSON and form bodies) and no vendor's
habits: those are in specs.py. A finding names places and rules, never values: bodies carry assertions and people.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from referencing import Registry, Resource

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_KINDS = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_COMPOSITIONS = ("allOf", "oneOf", "anyOf")
# OpenAPI 3.0, "Parameter Object": definitions of header parameters by these names are to be ignored.
_HEADERS_DESCRIBED_ELSEWHERE = frozenset({"accept", "content-type", "authorization"})


@dataclass(frozen=True)
class Finding:
    """One rule that a value breaks: its place, and the rule in words; `value` is to be compared, never printed."""

    where: str
    what: str
    value: Any = None


@dataclass(frozen=True)
class Parameter:
    name: str
    place: str
    required: bool
    schema: str
    exploded: bool


@dataclass(frozen=True)
class Operation:
    """The described operation that a request asks for, with its decoded path values; pointers are JSON pointers."""

    method: str
    template: str
    pointer: str
    path_values: Mapping[str, str]
    parameters: Sequence[Parameter]

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"


class Description:
    """One description file, held in memory; schemas are compiled when first asked for."""

    def __init__(self, file: Path) -> None:
        # A dependency of the tests only, and 0.2 s of import that a sandbox without requests need not pay.
        import openapi_schema_validator as dialects  # noqa: PLC0415

        self._document: dict[str, Any] = json.loads(file.read_bytes())
        old = str(self._document["openapi"]).startswith("3.0")
        self._reading = dialects.OAS30ReadValidator if old else dialects.OAS31Validator
        self._writing = dialects.OAS30WriteValidator if old else dialects.OAS31Validator
        self._uri = f"urn:openapi:{file.stem}"
        self._registry: Registry[Any] = Registry().with_resource(self._uri, Resource.opaque(self._document))
        self._base = "".join(urlsplit(server["url"]).path for server in self._document.get("servers", ())[:1])
        # Concrete segments before templates: /groups/rules is not the group named "rules" (OpenAPI, "Path Templating").
        self._templates = sorted(self._document["paths"], key=lambda path: [_is_template(s) for s in path.split("/")])
        self._validator = cache(self._compile)
        self._parameters = cache(self._read_parameters)

    def find(self, method: str, path: str) -> Operation | None:
        """The operation of `method` and `path` (as sent, percent-encoded), or None when none is described."""
        if not path.startswith(self._base):
            return None
        segments = path.removeprefix(self._base).split("/")
        for template in self._templates:
            values = _match(template.split("/"), segments)
            if values is not None and method.lower() in self._document["paths"][template].keys() & _METHODS:
                pointer = _pointer("", "paths", template)
                found = self._parameters(pointer, method.lower())
                return Operation(method.upper(), template, _pointer(pointer, method.lower()), values, found)
        return None

    def check_parameters(self, operation: Operation, query: str, headers: Mapping[str, str]) -> Iterator[Finding]:
        """Judge the parameters; a query name that is not listed is a finding. `headers` has lower-case names."""
        asked = parse_qs(query, keep_blank_values=True)
        given = {
            "path": {name: [value] for name, value in operation.path_values.items()},
            "query": asked,
            "header": {name: [value] for name, value in headers.items()},
        }
        for parameter in operation.parameters:
            where = f"{parameter.place} parameter {parameter.name}"
            name = parameter.name.lower() if parameter.place == "header" else parameter.name
            raw = given.get(parameter.place, {}).get(name)
            if raw is not None:
                value = self._read(parameter.schema, raw, exploded=parameter.exploded)
                yield from self.check(parameter.schema, value, where, writing=True)
            elif parameter.required:
                yield Finding(where, "is required and missing")
        listed = {parameter.name for parameter in operation.parameters if parameter.place == "query"}
        for name in sorted(asked.keys() - listed):
            yield Finding("query", f"the operation lists no parameter {name!r}")

    def request_contents(self, operation: Operation) -> tuple[dict[str, str], bool] | None:
        """Schema pointer by media type, and whether a body is required; None when the operation takes no body."""
        if "requestBody" not in self._at(operation.pointer):
            return None
        pointer = self._follow(_pointer(operation.pointer, "requestBody"))
        return self._contents(pointer), bool(self._at(pointer).get("required"))

    def answer_contents(self, operation: Operation, status: int) -> dict[str, str] | None:
        """Schema pointer by media type, empty for a status described without a body; None for one not described."""
        for key in (str(status), f"{status // 100}XX", "default"):
            if key in self.statuses(operation):
                return self._contents(self._follow(_pointer(operation.pointer, "responses", key)))
        return None

    def statuses(self, operation: Operation) -> list[str]:
        return sorted(self._at(operation.pointer)["responses"])

    def says_nothing(self, pointer: str) -> bool:
        """Whether the schema is the empty one, which any value fits."""
        return not self._at(self._follow(pointer))

    def parse(self, pointer: str, media: str, body: bytes) -> Any:
        """The value of a body. Raises ValueError when it is not of its media type."""
        if media != "application/x-www-form-urlencoded":
            return parse_json(body)
        fields = parse_qs(body.decode(), keep_blank_values=True, strict_parsing=True)
        flat = {name: values[0] for name, values in fields.items()}
        known = self._properties(self._narrow(pointer, flat))
        return {name: self._read(known.get(name), values, exploded=True) for name, values in fields.items()}

    def check(self, pointer: str, value: Any, where: str, *, writing: bool) -> Iterator[Finding]:
        """Judge `value` by the schema at `pointer`; `writing` is for requests, which may carry no read-only field."""
        for error in self._validator(self._narrow(pointer, value), writing).iter_errors(value):
            cause = error
            while cause.context:
                cause = max(cause.context, key=lambda inner: len(inner.absolute_path))
            yield Finding(where + cause.json_path[1:], _words(cause), cause.instance)

    def schema(self, name: str) -> str:
        """The pointer of a named schema."""
        return _pointer("", "components", "schemas", name)

    def _compile(self, pointer: str, writing: bool) -> Any:
        reference = {"$ref": f"{self._uri}#{quote(pointer)}"}
        dialect = self._writing if writing else self._reading
        return dialect(reference, registry=self._registry, format_checker=dialect.FORMAT_CHECKER)

    def _read_parameters(self, path: str, method: str) -> Sequence[Parameter]:
        found: dict[tuple[str, str], Parameter] = {}
        for holder in (path, _pointer(path, method)):
            for index in range(len(self._at(holder).get("parameters", ()))):
                pointer = self._follow(_pointer(holder, "parameters", str(index)))
                entry = self._at(pointer)
                name, place = entry["name"], entry["in"]
                if place == "header" and name.lower() in _HEADERS_DESCRIBED_ELSEWHERE:
                    continue
                schema = _pointer(pointer, "schema")
                exploded = bool(entry.get("explode", place == "query"))
                found[place, name] = Parameter(name, place, bool(entry.get("required")), schema, exploded)
        return tuple(found.values())

    def _contents(self, pointer: str) -> dict[str, str]:
        return {media: _pointer(pointer, "content", media, "schema") for media in self._at(pointer).get("content", {})}

    def _read(self, pointer: str | None, raw: Sequence[str], *, exploded: bool) -> Any:
        """The typed value of form or parameter text; what does not read as its type stays text, which its schema refuses."""
        kind = self._type(pointer) if pointer else "string"
        if kind == "array" and pointer:
            items = self._type(_pointer(self._follow(pointer), "items"))
            parts = raw if exploded else [part for text in raw for part in text.split(",")]
            return [_cast(part, items) for part in parts]
        return _cast(raw[0], kind) if len(raw) == 1 else list(raw)

    def _type(self, pointer: str) -> str:
        pointer = self._follow(pointer)
        schema = self._at(pointer)
        if "type" in schema:
            kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            return next((str(kind) for kind in kinds if kind != "null"), "null")
        branches = (_pointer(pointer, key, str(i)) for key in _COMPOSITIONS for i in range(len(schema.get(key, ()))))
        return next((self._type(branch) for branch in branches), "string")

    def _properties(self, pointer: str) -> dict[str, str]:
        pointer = self._follow(pointer)
        schema = self._at(pointer)
        found = {name: _pointer(pointer, "properties", name) for name in schema.get("properties", {})}
        for key in _COMPOSITIONS:
            for index in range(len(schema.get(key, ()))):
                found = self._properties(_pointer(pointer, key, str(index))) | found
        return found

    def _narrow(self, pointer: str, value: Any) -> str:
        """The subtype that a discriminator without composition names: validators follow only those beside a oneOf."""
        schema = self._at(self._follow(pointer))
        if not isinstance(value, dict) or any(key in schema for key in _COMPOSITIONS):
            return pointer
        rule = schema.get("discriminator", {})
        target = rule.get("mapping", {}).get(str(value.get(rule.get("propertyName"))))
        return target.removeprefix("#") if target else pointer

    def _at(self, pointer: str) -> Any:
        found: Any = self._document
        for part in pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            found = found[int(key)] if isinstance(found, list) else found[key]
        return found

    def _follow(self, pointer: str) -> str:
        while "$ref" in (node := self._at(pointer)):
            pointer = node["$ref"].removeprefix("#")
        return pointer


def parse_json(body: bytes) -> Any:
    """The JSON value of `body`. Raises ValueError for anything else, the non-JSON numbers NaN and Infinity included."""
    return json.loads(body, parse_constant=_refuse)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON value; send a number or null")


def _pointer(base: str, *parts: str) -> str:
    return "/".join((base, *(part.replace("~", "~0").replace("/", "~1") for part in parts)))


def _is_template(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}")


def _match(template: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    if len(template) != len(segments):
        return None
    values: dict[str, str] = {}
    for wanted, given in zip(template, segments, strict=True):
        if _is_template(wanted) and given:
            values[wanted[1:-1]] = unquote(given)
        elif wanted != unquote(given):
            return None
    return values


def _cast(text: str, kind: str) -> Any:
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind == "integer" and re.fullmatch(r"-?[0-9]{1,40}", text):
        return int(text)
    if kind == "number" and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        return float(text)
    return text


def _words(error: Any) -> str:
    rule, wanted = error.validator, error.validator_value
    words = {
        "type": f"must be {wanted}, is {_KINDS.get(type(error.instance), 'unknown')}",
        "format": f"must have the format {wanted}",
        "readOnly": "is read-only: a request may not carry it",
        "writeOnly": "is write-only: an answer may not carry it",
    }
    if rule == "enum":
        return f"must be one of {', '.join(map(str, wanted))}"
    if rule in {"required", "additionalProperties"}:
        return str(error.message)  # these two messages hold names only
    limit = f" {wanted}" if isinstance(wanted, int | float | str) else ""
    return words.get(rule, f"breaks {rule}{limit}")
