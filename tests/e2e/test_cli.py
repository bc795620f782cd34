"""Commands of people and about files, as people run them: a process of its own, against the sandbox's Jira."""

import asyncio
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from activities.registry import load_keys
from activities.settings import KeySettings
from domain.canonical import KeyRole
from domain.ids import TicketRef
from tests.e2e.cli_process import as_bot, asked, login, nightlatch
from tests.sandbox_process import REPOSITORY, SandboxProcess, running_sandbox
from tests.specs_gate import SPECS_AT_HAND, assert_official

ALICE = "712020:alice-0000-0000-0000-000000000001"
DAVE = "712020:dave-0000-0000-0000-000000000004"
ACCESS_UNTIL = "customfield_10107"


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProcess]:
    async with running_sandbox(tmp_path_factory.mktemp("sandbox")) as process:
        yield process
        if SPECS_AT_HAND:
            await assert_official(process.base_url)


async def fields_of(sandbox: SandboxProcess, ticket: TicketRef) -> dict[str, Any]:
    return dict((await as_bot(sandbox, "GET", f"/issue/{ticket.key}"))["fields"])


async def texts_of(sandbox: SandboxProcess, ticket: TicketRef) -> list[str]:
    comments = (await as_bot(sandbox, "GET", f"/issue/{ticket.key}/comment"))["comments"]
    return [comment["body"]["content"][0]["content"][0]["text"] for comment in comments]


async def test_request_creates_the_ticket_in_the_persons_name(sandbox: SandboxProcess) -> None:
    """The ticket bears what was asked for, with the person as creator and reporter."""
    ticket = await asked(sandbox)
    fields = await fields_of(sandbox, ticket)
    assert (fields["creator"]["accountId"], fields["reporter"]["accountId"]) == (ALICE, ALICE)
    assert [fields[f"customfield_1010{number}"] for number in (1, 2, 4)] == ["aws-prod-admin", "2h", "rotate keys"]
    assert (fields["project"]["key"], fields["issuetype"]["name"]) == ("SEC", "Access request")


async def test_request_for_another_person_names_their_account(sandbox: SandboxProcess) -> None:
    """`--for` takes a person of the catalogue or an accountId."""
    for person in ("dave", DAVE):
        ticket = await asked(sandbox, "--for", person)
        assert (await fields_of(sandbox, ticket))["customfield_10103"]["accountId"] == DAVE


async def test_approve_and_deny_move_the_ticket_as_the_person(sandbox: SandboxProcess) -> None:
    """The change log names the person who ran the command, as the judge will read it."""
    for command, status in (("approve", "Approved"), ("deny", "Declined")):
        ticket = await asked(sandbox)
        said = await nightlatch(command, ticket.key, "--json", env=login(sandbox, "bob"))
        assert (said.code, said.document["moved_to"], said.err) == (0, status, "")
        (change,) = (await as_bot(sandbox, "GET", f"/issue/{ticket.key}/changelog"))["values"]
        assert change["author"]["accountId"].startswith("712020:bob")
        assert change["items"][0]["toString"] == status


async def test_deny_tells_the_reason_on_the_ticket(sandbox: SandboxProcess) -> None:
    """A reason is words for people: it cannot begin with a command to Nightlatch."""
    ticket = await asked(sandbox)
    await nightlatch("deny", ticket.key, "--reason", "/extend 9h", env=login(sandbox, "bob"))
    assert await texts_of(sandbox, ticket) == ["Declined: /extend 9h"]


async def test_approve_twice_is_refused_and_changes_nothing(sandbox: SandboxProcess) -> None:
    """Whoever approves what stands approved already is told so."""
    ticket = await asked(sandbox)
    assert (await nightlatch("approve", ticket.key, env=login(sandbox, "bob"))).code == 0
    said = await nightlatch("approve", ticket.key, env=login(sandbox, "carol"))
    assert said.code == 1
    assert f"{ticket.key} already stands in 'Approved'; nothing was changed" in said.err
    assert "move it back to 'Waiting for approval' in Jira, and answer again" in said.err
    said = await nightlatch("deny", ticket.key, env=login(sandbox, "carol"))
    assert said.code == 1
    assert (
        "from where you cannot move it to 'Declined'; possible now: 'Access active', 'Waiting for approval', 'Closed'"
        in said.err
    )


async def test_revoke_writes_the_wish_on_the_ticket(sandbox: SandboxProcess) -> None:
    """`/revoke` stands at the very beginning of the comment, where Nightlatch looks for it."""
    ticket = await asked(sandbox)
    said = await nightlatch("revoke", ticket.key.lower(), "--reason", "not\nneeded", env=login(sandbox, "alice"))
    assert (said.code, await texts_of(sandbox, ticket)) == (0, ["/revoke not needed"])


async def test_extend_of_what_is_over_is_refused_at_once_and_revoke_is_written_all_the_same(
    sandbox: SandboxProcess,
) -> None:
    """Nobody waits for an answer that cannot come; a wish to take away is never held back."""
    ticket = await asked(sandbox)
    assert (await nightlatch("deny", ticket.key, env=login(sandbox, "bob"))).code == 0
    said = await nightlatch("extend", ticket.key, "1h", env=login(sandbox, "alice"))
    assert (said.code, "stands in 'Declined': there is no access to extend" in said.err) == (1, True)
    said = await nightlatch("revoke", ticket.key, env=login(sandbox, "alice"))
    assert (said.code, "stands in 'Declined', so none should be left" in said.out) == (0, True)
    assert await texts_of(sandbox, ticket) == ["/revoke"]


async def test_extend_without_an_answer_says_that_it_comes_on_the_ticket(sandbox: SandboxProcess) -> None:
    """Asking is done when the wish is on the ticket; the verdict is Nightlatch's."""
    ticket = await asked(sandbox)
    said = await nightlatch("extend", ticket.key, "30 m", "--wait", "0", "--json", env=login(sandbox, "alice"))
    assert (said.code, said.document["until"], said.document["answer"]) == (0, None, "")
    assert await texts_of(sandbox, ticket) == ["/extend 30m"]


async def test_extend_tells_the_new_end_or_the_refusal(sandbox: SandboxProcess) -> None:
    """Yes is the later end in the ticket's field; no is Nightlatch's comment without one, and exit code 1."""
    ticket = await asked(sandbox)
    for later, code in ((True, 0), (False, 1)):
        await as_bot(sandbox, "PUT", f"/issue/{ticket.key}", {"fields": {ACCESS_UNTIL: "2199-01-01T00:00:00.000+0000"}})
        seen = len(await texts_of(sandbox, ticket))
        run = asyncio.create_task(nightlatch("extend", ticket.key, "1h", "--json", env=login(sandbox, "alice")))
        async with asyncio.timeout(20):
            while len(await texts_of(sandbox, ticket)) == seen:
                await asyncio.sleep(0.05)
        if later:
            await as_bot(
                sandbox, "PUT", f"/issue/{ticket.key}", {"fields": {ACCESS_UNTIL: "2199-01-01T01:00:00.000+0000"}}
            )
        else:
            lines = [[{"type": "text", "text": text}] for text in ("Not extended: over the cap.", "nl-0123456789ab")]
            content = [{"type": "paragraph", "content": line} for line in lines]
            body = {"body": {"type": "doc", "version": 1, "content": content}}
            await as_bot(sandbox, "POST", f"/issue/{ticket.key}/comment", body)
        said = await run
        assert said.code == code, said
        if later:
            assert said.document["until"] == "2199-01-01T01:00:00.000Z"
        else:
            assert said.document["answer"] == "Not extended: over the cap."


@pytest.mark.parametrize(
    ("arguments", "name", "token", "code", "words"),
    [
        (("approve", "SEC-99999"), "bob", "", 4, "it was deleted, or the account may not see it"),
        (("approve", "hello"), "bob", "", 2, "'hello' is no ticket key; write for example SEC-42"),
        (("approve", "SEC-1"), "bob", "wrong-token", 1, "check the account's e-mail address and API token"),
        (("request", "a", "soon", "--reason", "r"), "alice", "", 2, "'soon' is not a duration: write for example"),
        (("request", "a", "1h", "--reason", "  "), "alice", "", 2, "the reason is empty"),
        (
            ("request", "a", "1h", "--reason", "r", "--for", "zoe"),
            "alice",
            "",
            2,
            "'zoe' is no person of the catalogue",
        ),
        (("extend", "SEC-1", "-1h"), "alice", "", 2, "No such option"),
        (("request", "a", "1h"), "alice", "", 2, "Missing option '--reason'"),
    ],
)
async def test_expected_failure_is_one_message_and_an_exit_code(
    sandbox: SandboxProcess, arguments: tuple[str, ...], name: str, token: str, code: int, words: str
) -> None:
    """Thing, cause and remedy on standard error, no traceback, nothing on standard output."""
    said = await nightlatch(*arguments, env=login(sandbox, name, token))
    assert (said.code, said.out) == (code, "")
    assert words in said.err


async def test_failure_with_json_is_one_document_too(sandbox: SandboxProcess) -> None:
    """A script reads the same shape whether or not it went well."""
    said = await nightlatch("approve", "SEC-99999", "--json", env=login(sandbox, "bob"))
    assert (said.document["ok"], said.document["exit_code"]) == (False, 4)
    assert said.document["error"] in said.err


async def test_jira_that_is_not_there_is_told_as_such() -> None:
    """Exit code 3 means try again, or mend the address."""
    nowhere = {"NIGHTLATCH_JIRA_URL": "http://127.0.0.1:1/jira"}
    nowhere |= {"NIGHTLATCH_JIRA_EMAIL": "a@example.com", "NIGHTLATCH_JIRA_TOKEN": "wrong-token"}
    said = await nightlatch("approve", "SEC-1", env=nowhere)
    assert (said.code, "is Jira reachable?" in said.err) == (3, True)


async def test_person_who_is_not_known_is_told_what_to_set(tmp_path: Path, sandbox: SandboxProcess) -> None:
    """Each way of not saying who one is has its own message, without the value of anything."""
    said = await nightlatch("approve", "SEC-1")
    assert (said.code, "NIGHTLATCH_JIRA_URL, NIGHTLATCH_JIRA_EMAIL" in said.err) == (2, True)
    plain_http = login(sandbox, "bob") | {"NIGHTLATCH_JIRA_URL": "http://jira.example.com"}
    said = await nightlatch("approve", "SEC-1", env=plain_http)
    assert (said.code, "the API token would travel readable" in said.err) == (2, True)
    said = await nightlatch("approve", "SEC-1", "--as", "bob", "--profile-file", str(tmp_path / "none.toml"))
    assert (said.code, "write a table [bob] with url, email and token" in said.err) == (2, True)


async def test_profile_is_read_from_a_file_that_only_its_owner_can_read(
    tmp_path: Path, sandbox: SandboxProcess
) -> None:
    """Several people fit in one file; a file that others can read is refused, as a token in it is no secret."""
    file = tmp_path / "people.toml"
    tables = "".join(
        f'[{name}]\nurl = "{sandbox.base_url}/jira"\nemail = "{name}@example.com"\ntoken = "{name}-token"\n'
        for name in ("alice", "bob")
    )
    file.write_text(tables)
    file.chmod(0o644)
    ticket = await asked(sandbox)
    arguments = ("approve", ticket.key, "--profile-file", str(file), "--as")
    said = await nightlatch(*arguments, "bob")
    assert (said.code, f"others may read the tokens in {file}: chmod 600 it" in said.err) == (2, True)
    file.chmod(0o600)
    said = await nightlatch(*arguments, "carol")
    assert (said.code, "has no profile 'carol'; it has alice, bob" in said.err) == (2, True)
    assert (await nightlatch(*arguments, "bob")).code == 0


async def test_catalog_check_passes_the_example_and_tells_its_digest() -> None:
    """The digest is what `expect_digest` pins."""
    said = await nightlatch("catalog", "check", "--json")
    assert (said.code, said.document["entitlements"]) == (0, 3)
    assert said.document["digest"].startswith("sha256:")
    shown = await nightlatch("catalog", "show")
    assert (shown.code, "prod-incident-access" in shown.out) == (0, True)


async def test_catalog_check_tells_every_fault_with_file_and_line(tmp_path: Path) -> None:
    """Exit code 1, so that a pipeline stops; `faults` holds a line each."""
    (tmp_path / "bad.yaml").write_text("site: Demo\ntargets: {}\npeople: {}\nentitlements: {}\ncolour: red\n")
    said = await nightlatch("catalog", "check", str(tmp_path))
    assert (said.code, said.out) == (1, "")
    assert f"{tmp_path}/bad.yaml:5: colour: there is no such key here" in said.err
    faults = (await nightlatch("catalog", "check", str(tmp_path), "--json")).document["faults"]
    assert [fault.partition(": ")[0] for fault in faults] == [f"{tmp_path}/bad.yaml:1", f"{tmp_path}/bad.yaml:5"]


async def test_keys_new_makes_private_files_and_overwrites_none(tmp_path: Path) -> None:
    """Three seeds that only their owner can read, one list of public keys, and no private half in any output."""
    folder = tmp_path / "keys"
    said = await nightlatch("keys", "new", str(folder), "--json")
    assert said.code == 0
    seeds = {path.name: path.read_text().strip() for path in folder.glob("*.seed")}
    assert set(seeds) == {"judge.seed", "witness.seed", "scribe.seed"}
    assert not any(seed in said.out + said.err for seed in seeds.values())
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.glob("*.seed")} == {0o600}
    keys = load_keys(
        KeySettings(trusted=folder / "trusted.json", **{role: folder / f"{role}.seed" for role in KeyRole})
    )
    assert {key.public for key in (keys.judge, keys.witness, keys.scribe) if key} == set(keys.trusted.keys)
    again = await nightlatch("keys", "new", str(folder))
    assert (again.code, "an existing key is never overwritten" in again.err) == (2, True)
    assert {path.name: path.read_text().strip() for path in folder.glob("*.seed")} == seeds


async def test_help_is_quick_and_tells_the_exit_codes() -> None:
    """Nothing heavy is imported for it: neither Temporal nor an SDK nor rich's consoles of our own."""
    said = await nightlatch("--help")
    assert (said.code, "4 not found" in said.out) == (0, True)
    check = "import sys, starter.cli; print([m for m in ('temporalio', 'jira', 'okta', 'yaml', 'httpx') if m in sys.modules])"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", check, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
    )
    assert (await process.communicate())[0] == b"[]\n"
