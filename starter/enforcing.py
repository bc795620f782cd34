"""Letting a target be enforced: who would lose access by it, and the one word in the catalogue's file that decides it."""

import re
import shutil
from datetime import timedelta
from pathlib import Path

from activities.catalogue_files import load_catalogue
from activities.catalogue_yaml import read_document
from activities.integrations.jira_tickets import JiraTickets
from activities.ledger import Ledger
from activities.records import TicketRecords
from activities.registry import Registry, load_keys
from activities.settings import Settings
from domain.catalogue import Catalogue, TargetMode
from domain.drift import Finding
from domain.errors import InvalidInputError
from domain.sweep import SweepMemory, SweepOrder
from starter.cli_output import CommandError, ExitCode
from starter.sweep_look import Lookout, host_now

PATIENCE = timedelta(seconds=20)


class _Enforced:
    """The catalogue as it would be with one target enforced."""

    def __init__(self, catalogue: Catalogue, name: str) -> None:
        target = catalogue.targets[name].model_copy(update={"mode": TargetMode.ENFORCE})
        self._catalogue = catalogue.model_copy(update={"targets": {**catalogue.targets, name: target}})

    def current(self) -> Catalogue:
        return self._catalogue


async def who_would_lose_access(settings: Settings, name: str) -> list[Finding]:
    """The members of a target, by now, whom the reconciler would remove if its mode were `enforce`.

    Raises:
        CommandError: there is no such target, or its members or the tickets cannot be read to the end.
        InvalidInputError: settings, keys or catalogue cannot be used.
    """
    catalogue = load_catalogue(settings.catalogue)
    if name not in catalogue.targets:
        raise CommandError(
            f"the catalogue has no target {name!r}; it has {', '.join(sorted(catalogue.targets))}", ExitCode.NOT_FOUND
        )
    target = catalogue.targets[name]
    tickets, registry, keys = JiraTickets(settings.jira), Registry(settings), load_keys(settings.keys).trusted
    try:
        lookout = Lookout(
            SweepOrder(instances=(target.instance,), dry_run=True),
            ledger=Ledger(tickets, TicketRecords(tickets, keys), settings.control_ticket, PATIENCE, remembered={}),
            providers=registry,
            catalogues=_Enforced(catalogue, name),
            clock=host_now,
            patience=PATIENCE,
            memory=SweepMemory(),
        )
        (watched,) = [each for each in lookout.targets() if each.ref == target.ref]
        seen = (await lookout.look_at([watched]))[watched]
    finally:
        await registry.close()
        await tickets.close()
    problems = [*lookout.problems, *([seen.problem] if seen.problem else [])]
    if problems:
        raise CommandError(f"who would lose access cannot be told: {'; '.join(problems)}", ExitCode.UNREACHABLE)
    now = host_now()
    return [found for found in seen.findings if found.was_ours or not watched.why_exempt(found.lease_id, now)]


def enforce(folder: Path, name: str) -> Path:
    """Write `mode: enforce` for a target, and nothing else, into the file that defines it. Returns that file.

    Raises:
        InvalidInputError: the target is written in a way that takes a person to change; the file is as it was.
    """
    documents = [read_document(path) for path in sorted(folder.glob("*.yaml"))]
    (document,) = [each for each in documents if ("targets", name) in each.places]
    file, head = Path(document.file), document.places["targets", name].line
    before = _text_of(file)
    lines = before.splitlines(keepends=True)
    said = document.places.get(("targets", name, "mode"))
    if said is not None:
        lines[said.line - 1] = re.sub(r"(\bmode:\s*)[\w\"']+", r"\g<1>enforce", lines[said.line - 1], count=1)
    else:
        first = min(place.line for path, place in document.places.items() if path[:2] == ("targets", name) and path[2:])
        if first == head:
            raise _by_hand(file, head)
        indent = re.match(r"\s*", lines[first - 1])
        end = "\r\n" if lines[first - 1].endswith("\r\n") else "\n"
        lines.insert(first - 1, f"{indent[0] if indent else ''}mode: enforce{end}")
    _write(file, "".join(lines))
    try:
        catalogue = load_catalogue(folder)
    except InvalidInputError:
        catalogue = None
    if catalogue is None or catalogue.targets[name].mode is not TargetMode.ENFORCE:
        _write(file, before)
        raise _by_hand(file, head)
    return file


def _text_of(file: Path) -> str:
    with file.open(encoding="utf-8", newline="") as source:
        return source.read()


def _write(file: Path, text: str) -> None:
    """In one step: workers read the folder meanwhile."""
    beside = file.with_suffix(".new")
    with beside.open("w", encoding="utf-8", newline="") as sink:
        sink.write(text)
    shutil.copymode(file, beside)
    beside.replace(file)


def _by_hand(file: Path, line: int) -> InvalidInputError:
    return InvalidInputError(f"{file}:{line}: this is not changed by a command; write `mode: enforce` there yourself")
