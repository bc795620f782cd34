"""The catalogue from a folder of YAML files: merged, validated whole, with every fault at its line, and read again when it changed."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from activities.catalogue_yaml import Document, Place, PlacedFault, YamlPath, read_document
from domain.canonical import digest
from domain.catalogue import Catalogue, find_faults
from domain.errors import InvalidInputError

SECTIONS = frozenset({"targets", "entitlements", "people"})
"""Maps that several files may add to. Everything else at the top is said once."""

_SHOWN_CHARACTERS = 60


class CatalogueError(InvalidInputError):
    """The catalogue is not usable. `faults` has one line for each reason, in the order of the files."""

    def __init__(self, folder: Path, faults: Iterable[str]) -> None:
        self.faults = list(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__("\n".join([f"the catalogue in {folder} has {count}:", *self.faults]))


class CatalogueFolder:
    """The `Catalogues` port on a folder. What cannot be read or is not the pinned catalogue is refused at each asking."""

    def __init__(self, folder: Path, *, expect_digest: str = "") -> None:
        """Raises `InvalidInputError` as `current` does: a process does not start on a catalogue that it could not use."""
        self._folder = folder
        self._expect_digest = expect_digest
        self._seen: object = None
        self._catalogue: Catalogue | None = None
        self.current()

    def current(self) -> Catalogue:
        """The catalogue as the files say it now; they are read when a name, size or time of change differs.

        Raises:
            InvalidInputError: it has faults, or its digest is not the expected one.
        """
        seen = _fingerprint(self._folder)
        if self._catalogue is None or seen != self._seen:
            self._catalogue = None
            self._catalogue = self._checked(load_catalogue(self._folder))
            self._seen = seen
        return self._catalogue

    def _checked(self, catalogue: Catalogue) -> Catalogue:
        found = catalogue_digest(catalogue)
        if self._expect_digest and found != self._expect_digest:
            raise InvalidInputError(
                f"the catalogue in {self._folder} has digest {found}, and {self._expect_digest} is expected:"
                " put the reviewed files back, or review these and set expect_digest to their digest"
            )
        return catalogue


def catalogue_digest(catalogue: Catalogue) -> str:
    """`sha256:<hex>` of everything the catalogue says; comments, order of keys and division into files do not count.

    A catalogue without operators has the digest that it had before there were any: what pins it goes on fitting.
    """
    unsaid = set() if catalogue.operators else {"operators"}
    return digest(catalogue.model_dump(mode="json", exclude=unsaid))


def load_catalogue(folder: Path) -> Catalogue:
    """The catalogue of every `*.yaml` file in `folder`.

    Raises:
        CatalogueError: it has faults, all of which are told at once.
    """
    documents = [read_document(path) for path in sorted(folder.glob("*.yaml"))]
    faults = [fault for document in documents for fault in document.faults]
    faults += [
        PlacedFault(Place(str(path), 1), (), "is not read; rename it to end in .yaml") for path in folder.glob("*.yml")
    ]
    if not documents:
        problem = "there is no *.yaml file here" if folder.is_dir() else "there is no such folder"
        faults.append(PlacedFault(Place(str(folder), 0), (), f"{problem}; name the catalogue's folder"))
        raise CatalogueError(folder, map(str, faults))
    merged, places = _merge(documents, faults)
    is_whole = all(document.is_whole for document in documents)
    catalogue, wrong = _validate(merged)
    faults += [_placed(fault, places, documents) for fault in wrong if is_whole or not _may_be_elsewhere(fault)]
    if is_whole:
        sound = catalogue or _validate(_sound_part(merged, [path for path, _ in wrong]))[0]
        faults += (
            [_placed((fault.path, fault.problem), places, documents) for fault in find_faults(sound)] if sound else []
        )
    if faults or catalogue is None:
        raise CatalogueError(folder, map(str, sorted(set(faults))))
    return catalogue


def _merge(documents: list[Document], faults: list[PlacedFault]) -> tuple[dict[str, Any], dict[YamlPath, Place]]:
    """One map of all files, and where each key stands. What is said twice is added to `faults`, and the first one counts."""
    merged: dict[str, Any] = {}
    places: dict[YamlPath, Place] = {}
    for document in documents:
        if document.is_whole and not isinstance(document.plain, dict):
            problem = f"holds no map; write {', '.join(sorted(SECTIONS))} or site at its top"
            faults.append(PlacedFault(Place(document.file, 1), (), problem))
            continue
        for key, value in (document.plain or {}).items():
            into: dict[str, Any] = merged
            parts: dict[YamlPath, Any] = {(key,): value}
            if key in SECTIONS and isinstance(value, dict) and isinstance(merged.setdefault(key, {}), dict):
                into, parts = merged[key], {(key, name): entry for name, entry in value.items()}
            for path, entry in parts.items():
                if path in places and path[-1] in into:
                    problem = f"is already defined at {places[path]}; remove one of the two"
                    faults.append(PlacedFault(document.places[path], path, problem))
                    continue
                into[path[-1]] = entry
                places |= {where: at for where, at in document.places.items() if where[: len(path)] == path}
            places.setdefault((key,), document.places[(key,)])
    return merged, places


def _validate(merged: Mapping[str, Any]) -> tuple[Catalogue | None, list[tuple[YamlPath, str]]]:
    """The catalogue, or every field that is wrong. In the files `people` is the directory itself."""
    plain = dict(merged)
    if "people" in plain:
        plain["people"] = {"people": plain["people"]}
    try:
        return Catalogue.model_validate(plain), []
    except ValidationError as error:
        return None, [(_path_of(detail), _problem_of(detail)) for detail in error.errors(include_url=False)]


def _path_of(detail: ErrorDetails) -> YamlPath:
    path = tuple(str(part) for part in detail["loc"] if part != "[key]")
    return ("people", *path[2:]) if path[:2] == ("people", "people") else path


def _problem_of(detail: ErrorDetails) -> str:
    """What is wrong and what to do. Messages of our own validators bring their remedy along."""
    kind = detail["type"]
    if kind == "missing":
        return _MISSING
    if kind == "extra_forbidden":
        return "there is no such key here; mend its spelling or remove it"
    if kind == "value_error":
        return detail["msg"].removeprefix("Value error, ")
    message, given = detail["msg"], detail["input"]
    message = message[:1].lower() + message[1:]
    if isinstance(given, (dict, list, tuple)):
        return f"{message}; write that instead of a {'map' if isinstance(given, dict) else 'list'}"
    remedy = "put it in quotes" if kind == "string_type" and given is not None else "correct it"
    shown = "nothing" if given is None else repr(given)[:_SHOWN_CHARACTERS]
    return f"{message}, and it is {shown}; {remedy}"


_MISSING = "is missing; add it"


def _may_be_elsewhere(fault: tuple[YamlPath, str]) -> bool:
    """Whether a missing part of the top may stand in a file that could not be read."""
    path, problem = fault
    return len(path) == 1 and problem == _MISSING


def _placed(fault: tuple[YamlPath, str], places: Mapping[YamlPath, Place], documents: list[Document]) -> PlacedFault:
    """`fault` at the line of its key, or of the nearest key above it."""
    path, problem = fault
    known = next((path[:length] for length in range(len(path), 0, -1) if path[:length] in places), None)
    return PlacedFault(places[known] if known else Place(documents[0].file, 1), path, problem)


def _sound_part(merged: Mapping[str, Any], wrong: list[YamlPath]) -> dict[str, Any]:
    """`merged` without the entries that have faults and the entitlements that speak of them, so that the rest can be judged."""
    broken = {path[:2] for path in wrong}
    names = {path[1] for path in broken if len(path) > 1 and path[0] != "entitlements"}
    tops = {path[:1] for path in broken}
    sound: dict[str, Any] = {
        key: merged[key] for key in merged.keys() - SECTIONS if (key,) not in tops and not names & _words(merged[key])
    }
    sound.setdefault("site", "unknown")
    for section in SECTIONS:
        entries = merged.get(section)
        kept = entries if isinstance(entries, dict) else {}
        sound[section] = {name: entry for name, entry in kept.items() if (section, name) not in broken}
    entitlements = sound["entitlements"].items()
    sound["entitlements"] = {name: entry for name, entry in entitlements if not names & _words(entry)}
    return sound


def _words(entry: Any) -> set[str]:
    if isinstance(entry, dict):
        return {word for value in entry.values() for word in _words(value)}
    if isinstance(entry, list):
        return {word for value in entry for word in _words(value)}
    return {str(entry)}


def _fingerprint(folder: Path) -> object:
    """Names, sizes and times of change; a file that vanishes meanwhile is for the reading to report."""
    marks = []
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            found = path.stat()
        except OSError:
            marks.append((path.name, 0, 0, 0))
            continue
        marks.append((path.name, found.st_mtime_ns, found.st_size, found.st_ino))
    return marks
