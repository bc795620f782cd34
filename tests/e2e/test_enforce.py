"""Which word of the catalogue `catalog enforce` writes, and that it writes no other."""

import difflib
import shutil
from pathlib import Path

import pytest

from activities.catalogue_files import load_catalogue
from domain.catalogue import TargetMode
from domain.errors import InvalidInputError
from starter.enforcing import enforce
from tests.sandbox_process import REPOSITORY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / "catalog", tmp_path / "catalog")
    return tmp_path / "catalog"


def rewrite(folder: Path, before: str, after: str) -> None:
    file = folder / "catalogue.yaml"
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))


@pytest.mark.parametrize("mode", ["", "    mode: observe  # for now\n"])
def test_one_line_is_written_or_changed(folder: Path, mode: str) -> None:
    """Comments, order and every other target stay as they were."""
    rewrite(folder, "    name: GCP production, viewer\n", f"    name: GCP production, viewer\n{mode}")
    before = (folder / "catalogue.yaml").read_text().splitlines()
    file = enforce(folder, "okta-gcp-prod-viewer")
    after = file.read_text().splitlines()
    changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert [line[1:].split("#")[0].strip() for line in changed if line[0] == "+"] == ["mode: enforce"]
    assert [line[1:].strip() for line in changed if line[0] == "-"] == ([mode.strip()] if mode else [])
    modes = {name: target.mode for name, target in load_catalogue(folder).targets.items()}
    assert [name for name, said in modes.items() if said is TargetMode.ENFORCE] == [
        "okta-aws-prod-admin",
        "okta-gcp-prod-viewer",
    ]


def test_target_that_is_written_in_one_line_is_left_to_a_person(folder: Path) -> None:
    """The file is as it was, and the place is named."""
    block = (folder / "catalogue.yaml").read_text().split("  okta-gcp-prod-viewer:\n")[1].split("  okta-db")[0]
    entries = ", ".join(
        f'{key}: "{value}"' for key, value in (line.strip().split(": ", 1) for line in block.splitlines())
    )
    rewrite(folder, f"  okta-gcp-prod-viewer:\n{block}", f"  okta-gcp-prod-viewer: {{{entries}}}\n")
    before = (folder / "catalogue.yaml").read_text()
    with pytest.raises(InvalidInputError, match=r"catalogue.yaml:\d+: .* write `mode: enforce` there yourself"):
        enforce(folder, "okta-gcp-prod-viewer")
    assert (folder / "catalogue.yaml").read_text() == before
