"""Commands of operators: list, show and watch over a Temporal dev server; setup and why over the sandbox's Jira."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client

from activities.evidence import GONE, marker_of
from activities.key_files import write_new_keys
from activities.records import TicketRecords, judge_writer
from activities.registry import load_keys
from activities.settings import KeySettings
from domain.evidence import RecordKind, property_key
from domain.ids import TicketRef, request_workflow_id
from domain.messages import RequestInput
from domain.paper import Fact
from sandbox.client import SandboxClient
from tests.e2e.cli_process import as_bot, asked, nightlatch
from tests.e2e.installation import control_of, installed, tickets_of
from tests.e2e.telling import ENDS_AT, TellingRequest, telling_request, to
from tests.engine import start_server
from tests.sandbox_process import SandboxProcess, running_sandbox
from tests.specs_gate import SPECS_AT_HAND, assert_official


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProcess]:
    async with running_sandbox(tmp_path_factory.mktemp("sandbox")) as process:
        yield process
        if SPECS_AT_HAND:
            await assert_official(process.base_url)


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[Client]:
    async with await start_server() as environment:
        yield environment.client


@pytest.fixture
async def running(temporal: Client) -> AsyncIterator[TicketRef]:
    async with telling_request(temporal, "SEC-77") as ticket:
        yield ticket


async def test_list_shows_who_has_what_until_when(temporal: Client, running: TicketRef) -> None:
    """Every filter narrows by a search attribute; what does not match is not shown."""
    said = await nightlatch(
        "list", "--ticket", running.key, "--state", "active", "--subject", "alice", env=to(temporal)
    )
    assert said.code == 0
    assert all(word in said.out for word in (running.key, "alice", "active", "2199-01-01 00:00:00Z"))
    (row,) = (await nightlatch("list", "--ticket", running.key, "--json", env=to(temporal))).document["rows"]
    assert (row["workflow_id"], row["state"], row["running"]) == (request_workflow_id(running), "active", True)
    none = await nightlatch("list", "--subject", "mallory", "--json", env=to(temporal))
    assert none.document == {"ok": True, "rows": [], "complete": True}


async def test_show_tells_status_and_timeline_as_plain_text(temporal: Client, running: TicketRef) -> None:
    """What strangers wrote reaches the terminal as words: no control sequence, no markup."""
    said = await nightlatch("show", running.key, env=to(temporal))
    assert said.code == 0, said.err
    assert all(word in said.out for word in ("alice", "active", "by [b]hand"))
    assert "\x1b" not in said.out
    document = (await nightlatch("show", running.key, "--json", env=to(temporal))).document
    assert (document["status"]["state"], len(document["timeline"]["entries"])) == ("active", 1)


async def test_watch_ends_when_the_request_is_closed(temporal: Client, running: TicketRef) -> None:
    """It follows the request and prints how it ended."""
    run = asyncio.create_task(nightlatch("watch", running.key, "--interval", "0.2", "--json", env=to(temporal)))
    seen = TellingRequest.looks
    async with asyncio.timeout(20):
        while TellingRequest.looks < seen + 2:
            await asyncio.sleep(0.05)
    assert not run.done()
    await temporal.get_workflow_handle(request_workflow_id(running)).signal("revoke")
    said = await run
    assert (said.code, said.document["status"]["state"], said.document["status"]["outcome"]) == (0, "closed", "ended")


async def test_reading_temporal_fails_with_an_exit_code_of_its_own(temporal: Client) -> None:
    """Not there is 3, unknown is 4, a filter that cannot be asked for and a namespace that is not there are 2."""
    said = await nightlatch("show", "SEC-404", env=to(temporal))
    assert (said.code, "Temporal knows no request of ticket SEC-404" in said.err) == (4, True)
    said = await nightlatch("list", "--subject", "x' OR 1=1 --", env=to(temporal))
    assert (said.code, "cannot be searched for" in said.err) == (2, True)
    said = await nightlatch("list", env=to(temporal) | {"TEMPORAL_NAMESPACE": "nowhere"})
    assert (said.code, "has no namespace 'nowhere'" in said.err) == (2, True)
    said = await nightlatch("list", env=to(temporal) | {"TEMPORAL_TLS": "true"})
    assert (said.code, "the encryption of the connection does not fit" in said.err) == (3, True)


async def test_list_filters_by_what_the_example_catalogue_calls_its_targets(
    temporal: Client, running: TicketRef
) -> None:
    """A target's name may hold a comma; a state is one that is ever shown, in any case; over means over."""
    named = ("list", "--ticket", running.key, "--json", "--target", "Production databases, administrator")
    assert (await nightlatch(*named, env=to(temporal))).document["rows"] == []
    said = await nightlatch("list", "--state", "ACTIVE", "--ticket", running.key.lower(), env=to(temporal))
    assert (said.code, running.key in said.out) == (0, True)
    said = await nightlatch("list", "--state", "broken", env=to(temporal))
    assert (said.code, "name one of opening, pending" in said.err) == (2, True)


@pytest.mark.usefixtures("running")
async def test_stuck_says_when_no_removal_is_late(temporal: Client) -> None:
    """An active request is none; exit code 0, so that a script can watch it."""
    said = await nightlatch("stuck", env=to(temporal))
    assert (said.code, said.out) == (0, "no removal is late\n"), said


async def test_request_without_a_worker_is_told_as_not_reachable(temporal: Client) -> None:
    """A request that nobody works on cannot answer; that is no statement about its access."""
    ticket = TicketRef(site="demo", issue_id="4711", key="SEC-78")
    handle = await temporal.start_workflow(
        TellingRequest.run, RequestInput(ticket=ticket), id=request_workflow_id(ticket), task_queue="nobody"
    )
    said = await nightlatch("show", handle.id, env=to(temporal))
    assert (said.code, "has no worker that answers" in said.err) == (3, True), said
    await handle.terminate()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "keys"
    write_new_keys(folder)
    return folder


async def test_setup_writes_the_first_word_once_and_lifts_no_freeze(
    sandbox: SandboxProcess, temporal: Client, keys: Path
) -> None:
    """The first run says that grants are allowed, the second changes nothing, and a word that does not verify stays."""
    env = await installed(sandbox, keys) | to(temporal)
    said = await nightlatch("setup", env=env)
    assert (said.code, "wrote the first freeze word (not frozen) on SEC-1" in said.out) == (0, True), said.err
    again = await nightlatch("setup", "--json", env=env)
    assert again.document["did"][1] == "SEC-1 already says that grants are allowed"
    async with SandboxClient(sandbox.base_url) as control:
        await control.put_jira_property("SEC-1", "nightlatch.freeze", {"payload": "{}", "key": "x", "sig": "y"})
    said = await nightlatch("setup", env=env)
    assert (said.code, "does not verify. Set-up lifts no freeze" in said.err) == (1, True)


async def test_drift_names_the_setup_that_is_missing_and_the_run_that_never_was(
    sandbox: SandboxProcess, temporal: Client, keys: Path
) -> None:
    """Without its schedule there is nothing to read; with it and no worker, nobody is told that all is well.

    Set up by a process that holds no provider's credential: what is to be watched stands in the catalogue.
    """
    env = await installed(sandbox, keys) | to(temporal) | {"NIGHTLATCH_QUEUE_PREFIX": "never-"}
    said = await nightlatch("drift", env=env)
    assert (said.code, "run `nightlatch setup`" in said.err) == (4, True), said
    await nightlatch(
        "setup", env=env
    )  # whatever it says of the freeze word: the schedules stand before that is looked at
    said = await nightlatch("drift", env=env)
    assert (said.code, "no run of the reconciler has finished" in said.err) == (1, True), said


async def test_why_checks_each_record_against_the_trusted_keys(sandbox: SandboxProcess, keys: Path) -> None:
    """Records tell what happened; from the first that was tampered with, they are NOT OK and the exit code is 1."""
    ticket = await asked(sandbox)
    env = await installed(sandbox, keys)
    said = await nightlatch("why", ticket.key, env=env)
    assert (said.code, "bears no records" in said.err) == (4, True)
    writer = judge_writer(request_workflow_id(ticket))
    facts = tuple(
        Fact(fact_id=f"{kind}/1", kind=kind, at=ENDS_AT, facts={"approver": "bob"})
        for kind in (RecordKind.ASKED, RecordKind.ARMED)
    )
    tickets, signing = tickets_of(env), load_keys(KeySettings(trusted=keys / "trusted.json", judge=keys / "judge.seed"))
    assert signing.judge
    records = TicketRecords(tickets, signing.trusted)
    await records.append(ticket, writer, facts, signing.judge, ())
    said = await nightlatch("why", ticket.key, env=env)
    assert (said.code, said.out.count(" ok "), "approver bob" in said.out) == (0, 2, True), said
    name = property_key(writer, 0)
    segment = json.loads((await tickets.read_properties(ticket, name))[name])
    await tickets.close()
    segment["records"][1]["facts"]["approver"] = "mallory"
    async with SandboxClient(sandbox.base_url) as control:
        await control.put_jira_property(ticket.key, name, segment)
    said = await nightlatch("why", ticket.key, env=env)
    assert (said.code, said.out.count(" ok "), said.out.count("NOT OK")) == (1, 1, 1), said
    document = (await nightlatch("why", ticket.key, "--json", env=env)).document
    assert [record["verified"] for record in document["records"]] == [True, False]


async def test_why_finds_what_is_kept_of_a_deleted_ticket(sandbox: SandboxProcess, keys: Path) -> None:
    """By the key that nothing bears any more; records that no comment of the scribe announces are not taken for that ticket's."""
    env = await installed(sandbox, keys)
    gone, other = await asked(sandbox), await asked(sandbox)
    tickets = tickets_of(env)
    signing = load_keys(KeySettings(trusted=keys / "trusted.json", scribe=keys / "scribe.seed"))
    assert signing.scribe
    control = control_of(env)
    records = TicketRecords(tickets, signing.trusted)
    fact = Fact(fact_id="ending", kind=RecordKind.ENDING, at=ENDS_AT, facts={"reason": "it was revoked"})
    for ticket in (gone, other):
        await records.append(ticket, f"lease:{ticket.key}", (fact,), signing.scribe, (), control)
        await as_bot(sandbox, "DELETE", f"/issue/{ticket.key}")
    await tickets.comment(control, GONE.format(key=gone.key), marker_of(f"lease:{gone.key}", f"gone/{gone.issue_id}"))
    await tickets.close()
    said = await nightlatch("why", gone.key, env=env)
    assert (said.code, said.out.count(" ok "), "it ends: it was revoked" in said.out) == (0, 1, True), said
    document = (await nightlatch("why", gone.key, "--json", env=env)).document
    assert (document["kept_on"], document["verified"], len(document["records"])) == ("SEC-1", True, 1)
    said = await nightlatch("why", other.key, env=env)
    assert (said.code, "SEC-1 keeps no records of it" in said.err) == (4, True)
    said = await nightlatch("why", "SEC-1", env=env)
    assert (said.code, "is the control ticket" in said.err) == (2, True)


async def test_command_without_settings_names_what_is_missing() -> None:
    """An operator's command on an unprepared machine says which settings to write, and where."""
    said = await nightlatch("why", "SEC-1", env={"NIGHTLATCH_CONFIG": "/nonexistent.toml"})
    assert (said.code, "site: Field required" in said.err) == (2, True)
