"""What the written word points at exists: tests named as proofs, files linked, settings listed."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from activities.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_every_proof_named_in_the_guarantees_exists() -> None:
    """A guarantee points at a test that is there under that name, and each row but figures has one or says what is not built."""
    text = (ROOT / "docs/guarantees.md").read_text()
    named = re.findall(r"`(\w+)/(test_\w+)\.py::(test_\w+)`", text)
    assert len(named) > 50
    missing = [
        f"{folder}/{module}.py::{name}"
        for folder, module, name in named
        if not re.search(rf"^(async )?def {name}\(", _source(folder, module), re.MULTILINE)
    ]
    assert missing == []
    promises = re.sub(r"^## Measured$.*?(?=^## )", "", text, flags=re.MULTILINE | re.DOTALL)
    rows = [
        line
        for line in promises.splitlines()
        if line.startswith("| ") and "---" not in line and "proved by |" not in line
    ]
    assert [row for row in rows if "::test_" not in row and "not yet built" not in row] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    """No page points at a file that is not there."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_setting_is_described() -> None:
    """The table of settings names each of them: an operator need not read the code."""
    text = (ROOT / "docs/operations.md").read_text()
    assert [name for name in _names(Settings) if not re.search(rf"[`.]{name}[`.]", text)] == []


def _names(model: type[BaseModel]) -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():
        found.add(name)
        parts = (field.annotation, *getattr(field.annotation, "__args__", ()))
        for part in parts:
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= _names(part)
    return found


def _source(folder: str, module: str) -> str:
    file = ROOT / "tests" / folder / f"{module}.py"
    return file.read_text() if file.exists() else ""
