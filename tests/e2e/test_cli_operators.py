"""Commands of operators: list, show and watch over a Temporal dev server; setup and why over the sandbox's Jira."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.data_converter import data_converter
from activities.integrations.jira_settings import JiraSettings
from activities.integrations.jira_tickets import JiraTickets
from activities.key_files import write_new_keys
from activities.records import TicketRecords, judge_writer
from activities.registry import load_keys
from activities.settings import KeySettings
from domain import search
from domain.evidence import RecordKind, property_key
from domain.ids import TicketRef, request_workflow_id
from domain.messages import Fact, RequestInput, StatusView, TimelineEntry, TimelineView
from domain.request import RequestOutcome, RequestState
from sandbox.client import SandboxClient
from starter.connection import ensure_search_attributes
from tests.e2e.cli_process import as_bot, asked, nightlatch
from tests.sandbox_process import SandboxProcess, running_sandbox
from tests.specs_gate import SPECS_AT_HAND, assert_official

BOT = "712020:nightlatch-bot-0000-0000-0000-000000000008"
ENDS_AT = datetime(2199, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProcess]:
    async with running_sandbox(tmp_path_factory.mktemp("sandbox")) as process:
        yield process
        if SPECS_AT_HAND:
            await assert_official(process.base_url)


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[Client]:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sys.executable).with_name("temporal")), data_converter=data_converter()
    )
    async with environment:
        await ensure_search_attributes(environment.client)
        yield environment.client


@workflow.defn(name="AccessRequestWorkflow")
class TellingRequest:
    """A request that is active until it is told otherwise, with the queries of the real one. `looks` counts them."""

    looks = 0

    def __init__(self) -> None:
        self._over = False

    @workflow.run
    async def run(self, request: RequestInput) -> None:
        self._ticket = request.ticket
        await workflow.wait_condition(lambda: self._over)

    @workflow.signal
    def revoke(self) -> None:
        self._over = True

    @workflow.query
    def status(self) -> StatusView:
        TellingRequest.looks += 1
        state, outcome = (RequestState.CLOSED, RequestOutcome.ENDED) if self._over else (RequestState.ACTIVE, None)
        return StatusView(ticket=self._ticket, state=state, outcome=outcome, subject="alice", expires_at=ENDS_AT)

    @workflow.query
    def timeline(self) -> TimelineView:
        return TimelineView(
            entries=(TimelineEntry(at=ENDS_AT - timedelta(hours=1), what="granted \x1b[31m by [b]hand"),)
        )


@pytest.fixture
async def running(temporal: Client) -> AsyncIterator[TicketRef]:
    """One request of SEC-77 in state active, with a worker that answers for it."""
    ticket = TicketRef(site="demo", issue_id=str(datetime.now(UTC).microsecond + 1), key="SEC-77")
    attributes = TypedSearchAttributes(
        [
            SearchAttributePair(SearchAttributeKey.for_keyword(search.TICKET), ticket.key),
            SearchAttributePair(SearchAttributeKey.for_keyword(search.SUBJECT), "alice"),
            SearchAttributePair(SearchAttributeKey.for_keyword(search.STATE), "active"),
            SearchAttributePair(SearchAttributeKey.for_datetime(search.EXPIRES_AT), ENDS_AT),
        ]
    )
    runner = UnsandboxedWorkflowRunner()
    async with Worker(temporal, task_queue="cli-tests", workflows=[TellingRequest], workflow_runner=runner):
        handle = await temporal.start_workflow(
            TellingRequest.run,
            RequestInput(ticket=ticket),
            id=request_workflow_id(ticket),
            task_queue="cli-tests",
            search_attributes=attributes,
        )
        async with asyncio.timeout(20):
            while not [found async for found in temporal.list_workflows(f"WorkflowId = '{handle.id}'")]:
                await asyncio.sleep(0.05)
        yield ticket
        with suppress(RPCError):
            await handle.terminate()


def to(temporal: Client) -> dict[str, str]:
    return {"TEMPORAL_ADDRESS": temporal.service_client.config.target_host}


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
    """Not there is 3, unknown is 4, a filter that is no plain word is 2."""
    said = await nightlatch("show", "SEC-404", env=to(temporal))
    assert (said.code, "Temporal knows no request of ticket SEC-404" in said.err) == (4, True)
    said = await nightlatch("list", "--subject", "x' OR 1=1 --", env=to(temporal))
    assert (said.code, "cannot be searched for" in said.err) == (2, True)
    said = await nightlatch("list", env={"TEMPORAL_ADDRESS": "127.0.0.1:1"})
    assert (said.code, "127.0.0.1:1" in said.err) == (3, True)


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


async def installed(sandbox: SandboxProcess, keys: Path) -> dict[str, str]:
    """The environment of an installation that signs with `keys`; its control ticket is the sandbox's own."""
    control = await as_bot(sandbox, "GET", "/issue/SEC-1")
    jira = {"URL": f"{sandbox.base_url}/jira", "EMAIL": "nightlatch-bot@example.com", "TOKEN": "nightlatch-bot-token"}
    jira |= {"SITE": "demo", "OWN_ACCOUNT": BOT, "PROJECT": "SEC"}
    return {
        **{f"NIGHTLATCH_JIRA__{name}": value for name, value in jira.items()},
        "NIGHTLATCH_SITE": "demo",
        "NIGHTLATCH_CATALOGUE": "catalog",
        "NIGHTLATCH_CONTROL_ISSUE_ID": control["id"],
        "NIGHTLATCH_CONTROL_ISSUE_KEY": control["key"],
        "NIGHTLATCH_KEYS__TRUSTED": str(keys / "trusted.json"),
        "NIGHTLATCH_KEYS__JUDGE": str(keys / "judge.seed"),
    }


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
    prefix = "NIGHTLATCH_JIRA__"
    settings = {name.removeprefix(prefix).lower(): value for name, value in env.items() if name.startswith(prefix)}
    tickets = JiraTickets(JiraSettings.model_validate(settings))
    signing = load_keys(KeySettings(trusted=keys / "trusted.json", judge=keys / "judge.seed"))
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


async def test_command_without_settings_names_what_is_missing() -> None:
    """An operator's command on an unprepared machine says which settings to write, and where."""
    said = await nightlatch("why", "SEC-1", env={"NIGHTLATCH_CONFIG": "/nonexistent.toml"})
    assert (said.code, "site: Field required" in said.err) == (2, True)
