"""YAML as a catalogue may use it: plain maps, lists and words, each with its place. Tags, anchors and repeated keys are refused."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 12
"""A catalogue nests five levels; deeper than this is an attempt to exhaust the stack."""

YamlPath = tuple[str, ...]


@dataclass(frozen=True, order=True)
class Place:
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, order=True)
class PlacedFault:
    """One fault as people read it: `file:line: path.to.key: problem; remedy`."""

    place: Place
    path: YamlPath
    problem: str

    def __str__(self) -> str:
        where = f"{'.'.join(self.path)}: " if self.path else ""
        return f"{self.place}: {where}{self.problem}"


@dataclass
class Document:
    """What one file holds, where each key and list item stands in it, and what kept parts of it from being read."""

    file: str
    plain: Any = None
    places: dict[YamlPath, Place] = field(default_factory=dict)
    faults: list[PlacedFault] = field(default_factory=list)
    is_whole: bool = True


class _Loader(yaml.SafeLoader):
    """Words stay words: only whole numbers, true, false and null mean something else (not `yes`, `no`, 1:30 or dates)."""

    yaml_implicit_resolvers: dict[Any, Any] = {}
    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _refused("anchors and aliases are not allowed; write the value out", event.start_mark)
        if getattr(event, "tag", None):
            raise _refused("tags are not allowed; remove the part that begins with '!'", event.start_mark)
        if self._depth >= MAX_DEPTH:
            raise _refused("this is nested too deeply; a catalogue has five levels", event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


_INTEGER, _BOOLEAN, _NULL = (f"tag:yaml.org,2002:{name}" for name in ("int", "bool", "null"))
for _tag, _pattern, _first in (
    (_INTEGER, r"^(?:0|-?[1-9][0-9]{0,17})$", "-0123456789"),
    (_BOOLEAN, r"^(?:true|false)$", "tf"),
    (_NULL, r"^(?:~|null|)$", ["~", "n", ""]),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), list(_first))


def read_document(path: Path) -> Document:
    """Read one file. What is wrong with it is in `faults`, and nothing is raised."""
    document = Document(file=str(path))
    try:
        raw = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError as error:
        return _unreadable(
            document, 1, f"cannot be read ({error.strerror}); check that it is a file and its permissions"
        )
    if raw is None:
        return _unreadable(document, 1, f"is larger than {MAX_BYTES} bytes; split it into several files")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return _unreadable(document, raw.count(b"\n", 0, error.start) + 1, "is not UTF-8; save it as UTF-8")
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        context = f" ({error.context})" if error.context else ""
        return _unreadable(document, mark.line + 1 if mark else 1, f"{error.problem}{context}")
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return _unreadable(document, line, f"holds a character that YAML does not allow ({error.reason}); remove it")
    finally:
        if loader is not None:
            loader.dispose()
    document.plain = {} if node is None else _plain(node, (), document)
    return document


def _refused(problem: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _unreadable(document: Document, line: int, problem: str) -> Document:
    document.faults.append(PlacedFault(Place(document.file, line), (), problem))
    document.is_whole = False
    return document


def _plain(node: yaml.Node, path: YamlPath, document: Document) -> Any:
    """The value of `node`, with the place of each part below `path` written down."""
    if isinstance(node, yaml.MappingNode):
        return {key: _plain(value, (*path, key), document) for key, value in _entries(node, path, document)}
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            document.places[(*path, str(number))] = _place(item, document)
        return [_plain(item, (*path, str(number)), document) for number, item in enumerate(node.value)]
    match node.tag:
        case tag if tag == _INTEGER:
            return int(node.value)
        case tag if tag == _BOOLEAN:
            return node.value == "true"
        case tag if tag == _NULL:
            return None
        case _:
            return node.value


def _entries(node: yaml.MappingNode, path: YamlPath, document: Document) -> Iterator[tuple[str, yaml.Node]]:
    """Each key once; a second one of the same name is a fault, and so is a key that is no word."""
    seen: set[str] = set()
    for key, value in node.value:
        place = _place(key, document)
        if not isinstance(key, yaml.ScalarNode):
            document.faults.append(PlacedFault(place, path, "a key is a list or a map; write a plain word"))
            continue
        name = str(key.value)
        if name in seen:
            first = document.places[(*path, name)]
            problem = f"is already defined in line {first.line}; remove one of the two"
            document.faults.append(PlacedFault(place, (*path, name), problem))
            continue
        seen.add(name)
        document.places[(*path, name)] = place
        yield name, value


def _place(node: yaml.Node, document: Document) -> Place:
    return Place(document.file, node.start_mark.line + 1)
