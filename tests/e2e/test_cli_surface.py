"""The whole surface as somebody meets it who has just cloned the project: wrong words, wrong settings, pipes, completion."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.e2e.cli_process import nightlatch
from tests.sandbox_process import REPOSITORY


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("bogus",), "No such command 'bogus'; `nightlatch --help`"),
        (("list", "--bogus"), "No such option: --bogus; `nightlatch list --help`"),
        (("request", "aws-prod-admin"), "Missing argument 'DURATION'; `nightlatch request --help`"),
        (("catalog", "show", "x", "y"), "unexpected extra argument(s) (y); `nightlatch catalog show --help`"),
        (("why", "no key"), "the configuration is not usable: site: Field required"),
    ],
)
async def test_wrong_words_are_told_in_one_line_and_as_json_where_asked_for(
    arguments: tuple[str, ...], words: str
) -> None:
    """Exit code 2, the thing that is wrong, and where the right words stand; with `--json` the same as a document."""
    said = await nightlatch(*arguments, "--json")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert words in said.err
    assert (said.document["ok"], said.document["exit_code"]) == (False, 2)


@pytest.mark.parametrize(
    ("setting", "value", "code", "words"),
    [
        ("TEMPORAL_PROFILE", "nowhere", 2, "Profile 'nowhere' not found; see TEMPORAL_PROFILE"),
        ("TEMPORAL_ADDRESS", "not an address", 2, "is no address: write <host>:<port>"),
        ("TEMPORAL_ADDRESS", "127.0.0.1:1", 3, "127.0.0.1:1 cannot be used: Connection refused; is it running there?"),
    ],
)
async def test_wrong_way_to_temporal_is_told_in_plain_words(setting: str, value: str, code: int, words: str) -> None:
    """What is wrong in the settings is 2, who does not answer is 3, and no structure of the SDK's core is quoted."""
    said = await nightlatch("list", env={setting: value})
    assert (said.code, said.out) == (code, "")
    assert words in said.err
    assert "tonic" not in said.err


async def test_defect_is_told_in_one_line_and_shown_whole_to_who_asks_for_it() -> None:
    """Exit code 5: no reader is shown a traceback, and whoever reports the defect can have it."""
    script = "import sys; from starter import cli; cli.app.command('broken')(lambda: 1 // 0); cli.main()"
    for variable, is_whole in (({}, False), ({"NIGHTLATCH_TRACEBACK": "1"}, True)):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", script, "broken"),
            cwd=REPOSITORY,
            env=variable,
            stderr=asyncio.subprocess.PIPE,
        )
        told = (await process.communicate())[1].decode()
        assert (process.returncode, "Traceback" in told) == (5, is_whole)
        assert "a defect of nightlatch itself: ZeroDivisionError" in told.splitlines()[-1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
async def test_output_that_cannot_be_written_is_no_success() -> None:
    """A report that is cut off by a full disk does not end as if it were whole."""
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", 'exec "$0" -m starter.cli catalog show >/dev/full', sys.executable),
        cwd=REPOSITORY,
        stderr=asyncio.subprocess.PIPE,
    )
    told = (await process.communicate())[1].decode()
    assert (process.returncode, told.count("\n")) == (1, 1), told
    assert "No space left on device" in told


async def test_version_and_help_name_themselves() -> None:
    """Every command says what it is for; groups of readers are told apart."""
    assert (await nightlatch("--version")).out == "nightlatch 0.1.0\n"
    said = await nightlatch("--help", env={"COLUMNS": "60", "NO_COLOR": "1"})
    assert all(words in said.out for words in ("For people, in Jira", "For operators", "For an installation"))
    assert max(map(len, said.out.splitlines())) <= 60
    assert "\x1b" not in said.out


@pytest.mark.parametrize(
    ("line", "catalogue", "words"),
    [
        ("nightlatch request a", "catalog", ["aws-prod-admin"]),
        ("nightlatch request a", "/nonexistent", []),
        ("nightlatch list --state st", "catalog", ["stuck"]),
    ],
)
async def test_completion_offers_what_is_at_hand_and_never_fails(line: str, catalogue: str, words: list[str]) -> None:
    """Without a catalogue it offers nothing, and says nothing into the line that somebody types."""
    said = await nightlatch(
        env={
            "_NIGHTLATCH_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(line.count(" ")),
            "NIGHTLATCH_CATALOGUE": catalogue,
        }
    )
    assert (said.code, said.out.split(), said.err) == (0, words, "")


async def test_catalogue_that_is_not_there_or_wrong_is_told_fault_by_fault(tmp_path: Path) -> None:
    """`check` and `show` refuse alike, and `faults` is a list for scripts."""
    said = await nightlatch("catalog", "check", str(tmp_path / "none"))
    assert (said.code, "there is no such folder; name the catalogue's folder" in said.err) == (1, True)
    (tmp_path / "bad.yaml").write_text("site: Demo\ntargets: {}\npeople: {}\nentitlements: {}\ncolour: red\n")
    said = await nightlatch("catalog", "show", str(tmp_path), "--json")
    assert (said.code, len(said.document["faults"]), said.document["ok"]) == (1, 2, False)
    assert json.loads(said.out)["faults"][1].startswith(f"{tmp_path}/bad.yaml:5: colour")
