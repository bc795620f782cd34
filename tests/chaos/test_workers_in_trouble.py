"""Workers that are frozen, blocked, starved or out of time, side by side on one stack. The oracle is the vendors' own log."""

import asyncio
import os
import re
import resource
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities.records import judge_writer
from domain.evidence import property_key
from domain.queues import Queue
from tests.chaos import wrong_clock
from tests.chaos.blocked_worker import stands_still
from tests.chaos.crew import Lags, Yard, open_yard, side_by_side
from tests.queues import all_but
from tests.real_stack import RealStack, instant

pytestmark = pytest.mark.timeout(480)

THAW_BOUND = timedelta(seconds=12)
"""As for a restart (DESIGN 3): the engine's 10 s task and sticky timeouts."""

RETRY_BOUND = timedelta(seconds=8)
"""Attempts of a removal are at most 4 s apart; the rest is for an attempt on a busy machine."""

END_BOUND = timedelta(seconds=5)


@pytest.fixture(scope="module")
async def yard(request: pytest.FixtureRequest, stack: RealStack) -> AsyncIterator[Yard]:
    async with open_yard(stack, request.session.items, request.module) as opened:
        yield opened


@side_by_side
async def test_frozen_with_calls_on_their_way_and_another_worker_takes_over(yard: Yard) -> None:
    """Frozen for longer than every timeout with each kind of call out: what lands late is removed before the lease closes."""
    held = {
        "bob": ("PUT", "before"),
        "dave": ("PUT", "after"),
        "alice": ("DELETE", "before"),
        "erin": ("DELETE", "after"),
    }
    tickets = {}
    async with yard.crew("frozen") as crew:
        first = await crew.worker("first")
        for person, (call, when) in held.items():
            await crew.hold_write(f"frozen {person}", call, person, when)
            tickets[person] = await crew.ask("1m", person)
        for person in ("alice", "erin"):
            await crew.added(person)
            await crew.end(tickets[person])
        for person in held:
            await crew.until_held(f"frozen {person}")
        os.kill(first.pid, signal.SIGSTOP)
        await crew.worker("second")
        nothing = await crew.until("membership.removed", **crew.pair("bob"), changed=False)
        await crew.stack.sandbox.release("frozen bob")  # within the fence: a vendor lets a call land no later than that
        await crew.added("bob", nothing["seq"])
        await crew.removed("dave")
        os.kill(first.pid, signal.SIGCONT)
        for person in held:
            await crew.stack.sandbox.release(f"frozen {person}")
        for person, ticket in tickets.items():
            assert [line["event"] for line in await crew.gone(person, ticket)] == [
                "membership.added",
                "membership.removed",
            ]
            assert {line.kind for line in await crew.told(ticket)} >= {"removed", "proved", "sessions_ended", "closed"}


@side_by_side
async def test_frozen_while_writing_evidence_and_nothing_is_lost_or_told_twice(yard: Yard) -> None:
    """Frozen between reading a ticket's evidence and writing it: what another worker has told since stands as it was told."""
    async with yard.crew("writing") as crew:
        jira = f"{crew.stack.stack.sandbox}/as/frozen-writer/jira"
        first = await crew.worker("first", more={"NIGHTLATCH_JIRA__URL": jira})
        ticket = await crew.ask("1m", "dave")
        await crew.until("issue.transitioned", issue_key=ticket.key, to="Access active")
        await crew.hold("evidence", "jira", "GET", f"/issue/{ticket.issue_id}$", "after", caller="frozen-writer")
        await crew.end(ticket)
        await crew.until_held("evidence")
        os.kill(first.pid, signal.SIGSTOP)
        await crew.stack.sandbox.release("evidence")
        await crew.worker("second")
        await crew.gone("dave", ticket)
        told, calls = await crew.told(ticket), await crew.stack.sandbox.requests("frozen-writer")
        os.kill(first.pid, signal.SIGCONT)
        await crew.went_on("first", "frozen-writer", len(calls))
        os.kill(first.pid, signal.SIGTERM)
        await crew.ended(first)  # which is when its attempt has
        assert await crew.told(ticket) == told


@side_by_side
async def test_grant_that_lay_unread_in_a_frozen_worker_adds_nothing(yard: Yard) -> None:
    """However late it is read, and also where the ticket could not yet be told that the lease has ended."""
    async with yard.crew("unread") as crew:
        sandbox, lease_id = crew.stack.sandbox, crew.lease_id("erin")
        await crew.worker("rest", queues=all_but(Queue.GRANTS))
        granter = await crew.worker("granter", queues=[Queue.GRANTS])
        await crew.hold("arming", "jira", "PUT", re.escape(property_key(judge_writer(lease_id), 0)), "before")
        ticket = await crew.ask("1m", "erin")
        await crew.until_held("arming")
        os.kill(granter.pid, signal.SIGSTOP)
        down = {"kind": "status", "status": 503}
        mute = await sandbox.arm("jira", down, method="PUT", path=re.escape(property_key(lease_id, 0)))
        await sandbox.release("arming")
        await crew.until_recording("erin")
        os.kill(granter.pid, signal.SIGCONT)
        await crew.said("granter", "Completing activity as failed", "grant_access")
        os.kill(granter.pid, signal.SIGTERM)
        await crew.ended(granter)
        await sandbox.clear(mute)
        assert await crew.gone("erin", ticket) == []


@side_by_side
async def test_only_worker_is_frozen_over_the_end_and_removes_when_it_thaws(yard: Yard) -> Lags:
    """Nothing but the freeze itself, and the engine's own timeouts, keeps access on."""
    async with yard.crew("alone") as crew:
        worker = await crew.worker("only")
        ticket = await crew.ask("10s", "bob")
        added = await crew.added("bob")
        os.kill(worker.pid, signal.SIGSTOP)
        await crew.stack.wait_till(instant(added) + timedelta(seconds=10) + THAW_BOUND)
        assert await crew.stack.audit("membership.removed", **crew.pair("bob")) == []
        os.kill(worker.pid, signal.SIGCONT)
        thawed_at = datetime.now(UTC)
        removed_at = instant(await crew.removed("bob"))
        assert removed_at <= thawed_at + THAW_BOUND
        await crew.gone("bob", ticket)
        await crew.told(ticket)
        return {"the only worker was frozen over the end, and thaws": removed_at - thawed_at}


@side_by_side
async def test_clock_that_is_ten_minutes_off_moves_no_end(yard: Yard) -> None:
    """Ahead, behind, and jumping from one to the other mid-lease: access begins and ends in the engine's time, not this host's."""
    offset = yard.stack.home.folder / "offset"
    offset.write_text("+600")
    variables = wrong_clock.environment(offset)
    if variables is None:
        pytest.skip("no libfaketime here: install the package `libfaketime` from PyPI or `faketime` from Debian")
    tickets = {}
    async with yard.crew("clock") as crew:
        await crew.worker("only", more=variables)
        for person, before, after in (("alice", "+600", "-600"), ("bob", "-600", "+600")):
            offset.write_text(before)
            ticket = await crew.ask("10s", person)
            added = instant(await crew.added(person))
            offset.write_text(after)
            assert instant(await crew.removed(person)) - added <= timedelta(seconds=10) + END_BOUND
            tickets[person] = ticket
        for person, ticket in tickets.items():
            await crew.gone(person, ticket)
            await crew.told(ticket)


@side_by_side
async def test_loop_that_stands_still_for_a_while_in_the_middle_of_grants_and_removals(yard: Yard) -> None:
    """For 15 s and for 5 s, longer than heartbeats may be missing: every pair ends absent, and nothing is told twice."""
    rounds = {signal.SIGUSR2: ("alice", "bob"), signal.SIGUSR1: ("dave", "erin")}
    tickets = {}
    async with yard.crew("blocked") as crew:
        worker = await crew.worker("only", "-m", "tests.chaos.blocked_worker")
        for trouble, (granted, removed) in rounds.items():
            await crew.hold_write(f"blocked {granted}", "PUT", granted, "before")
            await crew.hold_write(f"blocked {removed}", "DELETE", removed, "before")
            tickets[removed] = await crew.ask("1m", removed)
            await crew.added(removed)
            tickets[granted] = await crew.ask("1m", granted)
            await crew.end(tickets[removed])
            for person in (granted, removed):
                await crew.until_held(f"blocked {person}")
            os.kill(worker.pid, trouble)
            await crew.said("only", stands_still(trouble))
            for person in (granted, removed):
                await crew.stack.sandbox.release(f"blocked {person}")
            await crew.removed(removed)
            await crew.added(granted)
            await crew.end(tickets[granted])
        for person, ticket in tickets.items():
            assert len(await crew.gone(person, ticket)) == 2
            await crew.told(ticket)


@side_by_side
async def test_loop_that_stands_still_for_good_ends_its_worker_and_the_next_one_removes(yard: Yard) -> Lags:
    """The watchdog gives a hung worker up, which would swallow every task for ever, and says where it hung."""
    async with yard.crew("hung") as crew:
        worker = await crew.worker("first", "-m", "tests.chaos.blocked_worker")
        ticket = await crew.ask("10s", "bob")
        await crew.added("bob")
        os.kill(worker.pid, signal.SIGHUP)
        await crew.ended(worker)
        assert await crew.stack.audit("membership.removed", **crew.pair("bob")) == []
        await crew.said("first", "stood still for 30 s")
        await crew.said("first", "in block")
        await crew.worker("second")
        restarted_at = datetime.now(UTC)
        removed_at = instant(await crew.removed("bob"))
        assert removed_at <= restarted_at + THAW_BOUND
        await crew.gone("bob", ticket)
        return {"the loop stood still for good; a new worker starts": removed_at - restarted_at}


@side_by_side
async def test_disk_that_is_full_changes_nothing(yard: Yard) -> None:
    """A worker that can write no log line and no file grants, removes, proves, and stops when it is told to."""
    async with yard.crew("full") as crew:
        worker = await crew.worker("only", log=Path("/dev/full"))
        _forbid_files(worker.pid)
        ticket = await crew.ask("10s", "alice")
        added = instant(await crew.added("alice"))
        assert instant(await crew.removed("alice")) - added <= timedelta(seconds=10) + END_BOUND
        await crew.gone("alice", ticket)
        await crew.told(ticket)
        os.kill(worker.pid, signal.SIGTERM)
        await crew.ended(worker)


@side_by_side
async def test_descriptors_that_ran_out_grant_nothing_and_removals_go_on_when_they_are_back(yard: Yard) -> Lags:
    """No connection can be opened: nothing is granted, nothing reads as removed, and both go on within seconds of relief."""
    async with yard.crew("starved") as crew:
        worker = await crew.worker("only")
        held = await crew.ask("12s", "bob")
        await crew.added("bob")
        before = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        async with asyncio.TaskGroup() as asking:
            wanted = asking.create_task(crew.ask("1m", "erin"))
            await crew.said("only", "Completing activity as failed", "revoke_access")
            assert await crew.stack.audit("membership.removed", **crew.pair("bob")) == []
            assert await crew.stack.audit("membership.added", **crew.pair("erin")) == []
            resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, before)
            relieved_at = datetime.now(UTC)
            removed_at = instant(await crew.removed("bob"))
            assert removed_at <= relieved_at + RETRY_BOUND
        await crew.added("erin")
        await crew.end(wanted.result())
        for person, ticket in (("bob", held), ("erin", wanted.result())):
            assert len(await crew.gone(person, ticket)) == 2
            await crew.told(ticket)
        return {"file descriptors ran out, and are back": removed_at - relieved_at}


def _forbid_files(pid: int) -> None:
    """From now on every write of that process into a file fails."""
    most = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
