"""Commands about the catalogue: is it sound, and what does it offer. They read files and nothing else."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain.durations import render_duration
from starter.cli_output import EXIT_CODES, CommandError, ExitCode, Json, answer, answering

if TYPE_CHECKING:
    from domain.catalogue import Catalogue

app = typer.Typer(help="The catalogue: what can be asked for.", no_args_is_help=True)

Folder = Annotated[
    Path,
    typer.Argument(metavar="FOLDER", envvar="NIGHTLATCH_CATALOGUE", help="Folder of the catalogue's *.yaml files."),
]
DEFAULT_FOLDER = Path("catalog")


@app.command(epilog=EXIT_CODES)
def check(folder: Folder = DEFAULT_FOLDER, as_json: Json = False) -> None:
    """Tell every fault as file:line: path: problem; remedy (exit code 1), or the digest of a sound catalogue."""
    with answering(as_json):
        from activities.catalogue_files import catalogue_digest  # noqa: PLC0415 - slow

        catalogue = _sound(folder)
        counts = {name: len(getattr(catalogue, name)) for name in ("entitlements", "targets")}
        counts["people"] = len(catalogue.people.people)
        digest = catalogue_digest(catalogue)
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        answer({"folder": str(folder), "digest": digest, **counts}, as_json, lambda: f"{folder}: {told}\n{digest}")


@app.command(epilog=EXIT_CODES)
def show(folder: Folder = DEFAULT_FOLDER, as_json: Json = False) -> None:
    """What can be asked for, by whom, for how long, and who decides."""
    with answering(as_json):
        from activities.catalogue_files import catalogue_digest  # noqa: PLC0415 - slow

        catalogue = _sound(folder)
        document = {"digest": catalogue_digest(catalogue), "catalogue": catalogue.model_dump(mode="json")}
        answer(document, as_json, lambda: _words(catalogue))


def _sound(folder: Path) -> "Catalogue":
    """Raises `CommandError` with every fault."""
    from activities.catalogue_files import CatalogueError, load_catalogue  # noqa: PLC0415 - slow

    try:
        return load_catalogue(folder)
    except CatalogueError as error:
        raise CommandError(str(error), ExitCode.REFUSED, faults=error.faults) from error


def _words(catalogue: "Catalogue") -> str:
    blocks = []
    for key, entry in sorted(catalogue.entitlements.items()):
        terms = entry.extension
        more = "no extension"
        if terms.each is not None and terms.total is not None:
            each, total = render_duration(terms.each), render_duration(terms.total)
            more = f"extension {terms.count} times, {each} each, {total} in all"
        lines = (
            f"{key}: {entry.title} ({entry.application})",
            f"  targets     {'; '.join(target.name for target in catalogue.targets_of(entry))}",
            f"  limits      at most {render_duration(entry.max_duration)}, {more}",
            f"  requesters  {', '.join(entry.requesters)}",
            f"  approvers   {', '.join(entry.approval.approvers)}",
        )
        blocks.append("\n".join(lines))
    blocks += [f"a freeze is lifted by two of {', '.join(catalogue.operators)}"] if catalogue.operators else []
    return "\n\n".join(blocks)
