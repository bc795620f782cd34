#!/usr/bin/env python3
"""The part of requirements.lock that running Nightlatch needs: what only tests and linters need stays out of the image.

Reads the "via" notes that the lock tool writes under each package. Standard library only: it runs before anything is installed.
"""

import re
import sys
import tomllib
from pathlib import Path

_PACKAGE = re.compile(r"^([a-z0-9][a-z0-9._-]*)==")
_VIA = re.compile(r"^ +# {1,3}(?:via )?([a-z0-9][a-z0-9._-]*)")


def normal(name: str) -> str:
    """A requirement's name as the lock writes it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", name.strip(), maxsplit=1)[0]).lower()


def entries(lock: str) -> dict[str, tuple[str, set[str]]]:
    """Package -> (its lines in the lock, the packages that need it)."""
    found: dict[str, tuple[str, set[str]]] = {}
    name = ""
    for line in lock.splitlines(keepends=True):
        if package := _PACKAGE.match(line):
            name = package.group(1)
            found[name] = ("", set())
        if name:
            text, needed_by = found[name]
            if via := _VIA.match(line):
                needed_by.add(via.group(1))
            found[name] = (text + line, needed_by)
    return found


def runtime_part(lock: str, declared: list[str]) -> str:
    """The lines of every package in `declared`, and of what those need, in the order of the lock.

    Raises:
        LookupError: a declared package is not locked.
    """
    packages = entries(lock)
    kept = {normal(requirement) for requirement in declared}
    if missing := kept - packages.keys():
        raise LookupError(f"not in requirements.lock: {', '.join(sorted(missing))}; run `make lock`")
    grown = True
    while grown:
        more = {name for name, (_, needed_by) in packages.items() if needed_by & kept} - kept
        kept |= more
        grown = bool(more)
    return "".join(text for name, (text, _) in packages.items() if name in kept)


def main() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    sys.stdout.write(runtime_part(Path("requirements.lock").read_text(), project["dependencies"]))


if __name__ == "__main__":
    main()
