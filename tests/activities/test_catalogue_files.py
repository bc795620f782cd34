"""The catalogue loader: each fault at its file and line, all at once; and a folder that is read again when it changed."""

import os
from pathlib import Path

import pytest

from activities.catalogue_files import CatalogueError, CatalogueFolder, catalogue_digest, load_catalogue
from activities.catalogue_yaml import MAX_BYTES
from domain.canonical import digest
from domain.errors import InvalidInputError
from sandbox.jira.people import SEEDS as JIRA_SEEDS
from sandbox.okta.seeds import PEOPLE as OKTA_PEOPLE
from sandbox.okta.seeds import person_id

EXAMPLE = Path(__file__).parent.parent.parent / "catalog"

SOUND = """\
site: acme
targets:
  admins:
    kind: okta-group
    instance: okta/prod
    container_id: 00gADMINS
    name: Admins
entitlements:
  admin:
    title: Administer
    application: Production
    targets: [admins]
    requesters: [ada]
    approval: {approvers: [ben]}
    max_duration: 4h
"""
PEOPLE = """\
people:
  ada: {name: Ada, jira: [acc-ada], accounts: {okta/prod: 00uADA}}
  ben: {name: Ben, jira: [acc-ben]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "catalogue.yaml").write_text(SOUND)
    (tmp_path / "people.yaml").write_text(PEOPLE)
    return tmp_path


def faults_of(folder: Path) -> list[str]:
    """The faults, without the folder's own path."""
    with pytest.raises(CatalogueError) as refused:
        load_catalogue(folder)
    return [fault.removeprefix(f"{folder}{os.sep}") for fault in refused.value.faults]


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "catalogue.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_files_of_a_folder_are_one_catalogue(folder: Path) -> None:
    """Maps at the top are merged over files, in whatever way they are divided."""
    catalogue = load_catalogue(folder)
    assert (catalogue.site, list(catalogue.people.people)) == ("acme", ["ada", "ben"])
    (folder / "more.yaml").write_text("people:\n  cleo: {name: Cleo, jira: [acc-cleo]}\n")
    assert set(load_catalogue(folder).people.people) == {"ada", "ben", "cleo"}


def test_digest_ignores_comments_order_and_files(folder: Path) -> None:
    """The digest is of what the catalogue says, so that a comment moves no pin and a changed approver does."""
    before = catalogue_digest(load_catalogue(folder))
    (folder / "people.yaml").rename(folder / "a.yaml")
    edit(folder, "site: acme\n", "# a comment\nsite: acme # another\n")
    assert catalogue_digest(load_catalogue(folder)) == before
    edit(folder, "approvers: [ben]", "approvers: [ben, ada]")
    assert catalogue_digest(load_catalogue(folder)) != before


def test_digest_tells_of_operators_only_where_there_are_any(folder: Path) -> None:
    """A pin from before anybody could be named goes on fitting, and who may lift a freeze is pinned with the rest."""
    catalogue = load_catalogue(folder)
    before = catalogue_digest(catalogue)
    assert before == digest(catalogue.model_dump(mode="json", exclude={"operators"}))
    edit(folder, "site: acme", "site: acme\noperators: [ada, ben]")
    assert catalogue_digest(load_catalogue(folder)) != before


def test_faults_of_operators_hide_no_other_and_invent_none(folder: Path) -> None:
    """A list that is none, and an operator whose own entry is wrong, are told once, beside what else is wrong."""
    edit(folder, "[admins]", "[nobodys]")
    edit(folder, "site: acme", "site: acme\noperators: {}")
    assert ["operators" in told for told in faults_of(folder)] == [True, False]
    edit(folder, "operators: {}", "operators: [ada, cleo]")
    (folder / "more.yaml").write_text("people:\n  cleo: {name: Cleo}\n")
    assert [told.split(": ")[1] for told in faults_of(folder)] == ["entitlements.admin.targets", "people.cleo.jira"]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (
            "    name: Admins",
            "    colour: red\n    name: Admins",
            "7: targets.admins.colour: there is no such key here;",
        ),
        ("    name: Admins\n", "", "3: targets.admins.name: is missing; add it"),
        (
            "00gADMINS",
            "123",
            "6: targets.admins.container_id: input should be a valid string, and it is 123; put it in",
        ),
        ("okta-group", "okta-gruop", "4: targets.admins.kind: input should be 'okta-group', and it is 'okta-gruop'"),
        ("[admins]", "admins", "12: entitlements.admin.targets: input should be a valid tuple, and it is 'admins'"),
        (
            "[admins]",
            "\n      - admins\n      - {}",
            "14: entitlements.admin.targets.1: input should be a valid string;",
        ),
        ("4h", "soon", "15: entitlements.admin.max_duration: 'soon' is not a duration: write for example"),
        ("4h", "4h\n    extension: {count: 2}", "16: entitlements.admin.extension: extension terms need each, total"),
        ("4h", "", "15: entitlements.admin.max_duration: 'None' is not a duration"),
        ("site: acme", "site: Acme Corp", "1: site: string should match pattern"),
        ("site: acme", "sight: acme", "1: sight: there is no such key here"),
        ("  admin:\n", "  Bad Admin:\n", "9: entitlements.Bad Admin: string should match pattern"),
        ("[admins]", "[nobodys]", "12: entitlements.admin.targets: target 'nobodys' is not defined; add it under"),
        ("[ada]", "[zoe]", "13: entitlements.admin.requesters: person 'zoe' is not in people; add the link or"),
        ("[ben]", "[ada]", "14: entitlements.admin.approval.approvers: its one requester is its one approver"),
        ("site: acme", "site: acme\noperators: ada", "2: operators: input should be a valid tuple, and it is 'ada'"),
        ("site: acme", "site: acme\noperators: [ada, zoe]", "2: operators: person 'zoe' is not in people"),
        ("site: acme", "site: acme\noperators: [ada]", "2: operators: one operator cannot lift a freeze"),
    ],
)
def test_fault_is_told_with_file_line_path_and_remedy(folder: Path, old: str, new: str, fault: str) -> None:
    """Whoever wrote it finds the line and knows what to do."""
    edit(folder, old, new)
    assert any(told.startswith(f"catalogue.yaml:{fault}") for told in faults_of(folder)), faults_of(folder)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("site: acme\nsite: other\n", "x.yaml:2: site: is already defined in line 1; remove one of the two"),
        ("targets: &all\n  a: 1\n", "x.yaml:1: anchors and aliases are not allowed; write the value out"),
        ("site: acme\ntargets: *all\n", "x.yaml:2: anchors and aliases are not allowed; write the value out"),
        ("site: !!python/object/apply:os.getcwd []\n", "x.yaml:1: tags are not allowed; remove the part"),
        ("site: !secret acme\n", "x.yaml:1: tags are not allowed; remove the part"),
        ("site: acme\n  targets: {}\n", "x.yaml:2: mapping values are not allowed here"),
        ("site: [acme\n", "x.yaml:2: expected ',' or ']'"),
        ("site: acme\n---\nsite: acme\n", "x.yaml:2: but found another document"),
        ("site: a\x07cme\n", "x.yaml:1: holds a character that YAML does not allow"),
        ("? [a]\n: 1\n", "x.yaml:1: a key is a list or a map; write a plain word"),
        ("- a\n", "x.yaml:1: holds no map; write entitlements, people, targets or site at its top"),
        ("site: " + "[" * 100_000, "x.yaml:1: this is nested too deeply"),
        ("#" * (MAX_BYTES + 1), f"x.yaml:1: is larger than {MAX_BYTES} bytes; split it"),
    ],
)
def test_yaml_that_a_catalogue_may_not_use_is_refused(folder: Path, text: str, fault: str) -> None:
    """No tag, anchor, repeated key, deep or large document is ever interpreted."""
    (folder / "x.yaml").write_text(text)
    assert any(told.startswith(fault) for told in faults_of(folder)), faults_of(folder)


def test_text_that_is_not_utf8_is_told_with_its_line(folder: Path) -> None:
    """A file of another encoding is refused, not guessed at."""
    (folder / "x.yaml").write_bytes(b"people:\n  zo\xeb: {}\n")
    assert faults_of(folder) == ["x.yaml:2: is not UTF-8; save it as UTF-8"]


def test_words_that_older_yaml_turns_into_something_else_stay_words(folder: Path) -> None:
    """`no`, a date and 1:30 are words here, so that nobody's name becomes False."""
    edit(folder, "title: Administer", "title: no")
    edit(folder, "application: Production", "application: 2026-01-01")
    entry = load_catalogue(folder).entitlements["admin"]
    assert (entry.title, entry.application) == ("no", "2026-01-01")


def test_key_of_two_files_is_told_at_the_second_with_the_first(folder: Path) -> None:
    """No file quietly overrides another."""
    (folder / "zz.yaml").write_text("site: acme\npeople:\n  ben: {name: Other, jira: [x]}\n")
    assert faults_of(folder) == [
        f"zz.yaml:1: site: is already defined at {folder}/catalogue.yaml:1; remove one of the two",
        f"zz.yaml:3: people.ben: is already defined at {folder}/people.yaml:3; remove one of the two",
    ]


def test_target_shared_by_two_entitlements_is_refused_with_the_remedy(folder: Path) -> None:
    """One target and subject have one lease, so that two entitlements cannot act on one container."""
    (folder / "more.yaml").write_text(
        "entitlements:\n  second:\n    title: t\n    application: a\n    targets: [admins]\n"
        "    requesters: [ada]\n    approval: {approvers: [ben]}\n    max_duration: 1h\n"
    )
    (told,) = faults_of(folder)
    assert told.startswith("more.yaml:5: entitlements.second.targets: okta/prod/group/00gADMINS is also a target of")


def test_account_of_two_persons_is_refused(folder: Path) -> None:
    """An account that two people claim belongs to neither."""
    (folder / "more.yaml").write_text("people:\n  eve: {name: Eve, jira: [acc-ada]}\n")
    (told,) = faults_of(folder)
    assert "Jira account acc-ada is linked with eve and ada" in told


def test_faults_of_all_kinds_and_files_are_told_at_once_in_order(folder: Path) -> None:
    """One run shows everything: fields, repeated keys and dangling names, file by file and line by line."""
    edit(folder, "4h", "soon")
    (folder / "more.yaml").write_text(
        "entitlements:\n  second:\n    title: t\n    application: a\n    targets: [gone]\n"
        "    requesters: [zoe]\n    approval: {approvers: [ben]}\n    max_duration: 1h\nsite: acme\n"
    )
    assert [told.partition(": ")[0] for told in faults_of(folder)] == [
        "catalogue.yaml:15",
        "more.yaml:5",
        "more.yaml:6",
        "more.yaml:9",
    ]


def test_file_that_cannot_be_read_hides_no_other_fault_and_invents_none(folder: Path) -> None:
    """With people.yaml broken, nobody is told that every person is missing."""
    edit(folder, "4h", "soon")
    (folder / "people.yaml").write_text("people: [\n")
    told = faults_of(folder)
    assert [line.split(":")[:2] for line in told] == [["catalogue.yaml", "15"], ["people.yaml", "2"]], told


def test_folder_without_catalogue_is_refused(tmp_path: Path) -> None:
    """An empty or missing folder offers nothing, and says so."""
    for folder, problem in (
        (tmp_path, "there is no *.yaml file here"),
        (tmp_path / "missing", "there is no such folder"),
    ):
        assert faults_of(folder) == [f"{folder}: {problem}; name the catalogue's folder"]


def test_yml_file_is_not_passed_over_in_silence(folder: Path) -> None:
    """A file that looks like part of the catalogue and is not read is a fault."""
    (folder / "extra.yml").write_text(PEOPLE)
    assert faults_of(folder) == ["extra.yml:1: is not read; rename it to end in .yaml"]


def test_folder_is_read_again_when_a_file_changed_and_only_then(folder: Path) -> None:
    """A change takes effect at the next asking, without a restart."""
    catalogues = CatalogueFolder(folder)
    first = catalogues.current()
    assert catalogues.current() is first
    edit(folder, "4h", "90m")
    assert catalogues.current() != first


def test_change_that_breaks_the_catalogue_is_refused_until_it_is_mended(folder: Path) -> None:
    """The last good reading is not used in place of one that cannot be read: unknown is closed."""
    catalogues = CatalogueFolder(folder)
    edit(folder, "4h", "soon")
    for _ in range(2):
        with pytest.raises(CatalogueError):
            catalogues.current()
    edit(folder, "soon", "4h")
    assert catalogues.current().site == "acme"


def test_only_the_pinned_catalogue_is_loaded(folder: Path) -> None:
    """With `expect_digest`, a catalogue that nobody reviewed is refused at start and later."""
    digest = catalogue_digest(load_catalogue(folder))
    catalogues = CatalogueFolder(folder, expect_digest=digest)
    edit(folder, "4h", "5h")
    with pytest.raises(InvalidInputError, match="put the reviewed files back"):
        catalogues.current()
    with pytest.raises(InvalidInputError, match=digest):
        CatalogueFolder(folder, expect_digest=digest)


def test_example_names_the_people_that_the_sandbox_seeds() -> None:
    """The catalogue in this repository works as it is with the embedded stack."""
    people = load_catalogue(EXAMPLE).people.people
    accounts = {
        f"712020:{name}-0000-0000-0000-{number:012d}": name for number, (name, _) in enumerate(JIRA_SEEDS, start=1)
    }
    for key, person in people.items():
        assert person.accounts["okta/prod"] == person_id(key)
        assert {accounts[account].removesuffix("-alt") for account in person.jira} == {key}
    assert set(people) == set(OKTA_PEOPLE)
