"""The contract of the ticket port, one suite for both: the double in memory, and the Jira adapter over HTTP."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from activities.ports import TicketSystem
from domain.errors import InvalidError, NotFoundError, OutcomeUnknownError
from domain.ids import TicketRef
from domain.values import render_instant
from tests.contract.jira_fixtures import ACCOUNTS, OWN, SITE, JiraSite
from tests.fakes.tickets import FakeTickets
from tests.sandbox_process import SandboxProcess, running_sandbox
from tests.specs_gate import SPECS_AT_HAND, assert_official

ALICE, BOB, CAROL, MALLORY = (ACCOUNTS[name] for name in ("alice", "bob", "carol", "mallory"))
PAGE_AND_SOME = 105
DATE_RESOLUTION = timedelta(seconds=2.5)
"""A `Date` header counts whole seconds, and a server may make a new one only once a second."""


class Site(Protocol):
    """A ticket system under test, and people who use it without Nightlatch."""

    @property
    def tickets(self) -> TicketSystem: ...

    async def create(
        self,
        *,
        creator: str,
        entitlement: str = ...,
        duration: str = ...,
        reason: str = ...,
        reporter: str | None = ...,
        subject: str = ...,
    ) -> TicketRef: ...
    async def edit(self, ref: TicketRef, field: str, value: str, author: str) -> None: ...
    async def transition_as(self, ref: TicketRef, status: str, author: str) -> None: ...
    async def comment_as(self, ref: TicketRef, text: str, author: str) -> str: ...
    async def edit_comment(self, ref: TicketRef, comment_id: str, text: str, author: str) -> None: ...
    async def move(self, ref: TicketRef, project: str) -> TicketRef: ...
    async def delete(self, ref: TicketRef) -> None: ...
    async def field(self, ref: TicketRef, name: str) -> str: ...
    async def lose_comment_reply(self) -> None: ...


class FakeSite:
    """The double behind the same, waiting hands as the real site."""

    def __init__(self) -> None:
        self.tickets = FakeTickets(lambda: datetime.now(UTC), site=SITE)

    async def create(
        self,
        *,
        creator: str,
        entitlement: str = "aws-prod-admin",
        duration: str = "2h",
        reason: str = "incident 4711",
        reporter: str | None = None,
        subject: str = "",
    ) -> TicketRef:
        return self.tickets.create(
            creator=creator,
            entitlement=entitlement,
            duration=duration,
            reason=reason,
            reporter=reporter,
            subject=subject,
        )

    async def edit(self, ref: TicketRef, field: str, value: str, author: str) -> None:
        self.tickets.edit(ref, field, value, author)

    async def transition_as(self, ref: TicketRef, status: str, author: str) -> None:
        self.tickets.transition_as(ref, status, author)

    async def comment_as(self, ref: TicketRef, text: str, author: str) -> str:
        return self.tickets.comment_as(ref, text, author)

    async def edit_comment(self, ref: TicketRef, comment_id: str, text: str, author: str) -> None:
        assert author
        self.tickets.edit_comment(ref, comment_id, text)

    async def move(self, ref: TicketRef, project: str) -> TicketRef:
        return self.tickets.move(ref, project)

    async def delete(self, ref: TicketRef) -> None:
        self.tickets.delete(ref)

    async def field(self, ref: TicketRef, name: str) -> str:
        return self.tickets.field(ref, name)

    async def lose_comment_reply(self) -> None:
        self.tickets.fail("comment", OutcomeUnknownError("the reply was lost"), when="after")


@pytest.fixture(scope="module")
async def process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProcess]:
    """All calls of this module are judged against Jira's official description, where that is at hand."""
    async with running_sandbox(tmp_path_factory.mktemp("jira")) as process:
        yield process
        if SPECS_AT_HAND:
            await assert_official(process.base_url)


@pytest.fixture(params=["double", "jira"])
async def site(request: pytest.FixtureRequest, process: SandboxProcess) -> AsyncIterator[Site]:
    if request.param == "double":
        yield FakeSite()
        return
    async with JiraSite.open(process.base_url) as jira_site:
        yield jira_site


async def test_read_tells_what_was_asked_and_by_whom(site: Site) -> None:
    """Every field that a decision rests on is read back as it was written."""
    ref = await site.create(creator=ALICE, reporter=BOB, subject=CAROL, duration="90m", reason="on call: übung")
    view = await site.tickets.read(ref)
    assert view.ref == ref
    assert (view.project, view.request_type) == (site.tickets.rules.project, site.tickets.rules.request_type)
    assert view.status == site.tickets.rules.waiting_status
    assert (view.creator, view.reporter, view.subject_account) == (ALICE, BOB, CAROL)
    assert (view.entitlement, view.duration, view.reason) == ("aws-prod-admin", "90m", "on call: übung")
    assert view.created_at - view.read_at < DATE_RESOLUTION
    assert (view.changes, view.comments) == ((), ())


async def test_read_leaves_an_unnamed_subject_empty(site: Site) -> None:
    """Whom an empty subject means is not for the ticket system to say."""
    ref = await site.create(creator=ALICE)
    view = await site.tickets.read(ref)
    assert (view.reporter, view.subject_account) == (ALICE, "")


async def test_read_tells_each_change_with_author_and_order(site: Site) -> None:
    """An edit of a bound field is known as one, and a status change bears the names of both statuses."""
    ref = await site.create(creator=ALICE)
    await site.edit(ref, "Duration", "8h", MALLORY)
    await site.edit(ref, "Subject", MALLORY, MALLORY)
    await site.transition_as(ref, "Approved", BOB)
    view = await site.tickets.read(ref)
    duration, subject, status = view.changes
    rules = site.tickets.rules
    assert {duration.field, subject.field} <= rules.bound_fields
    assert (duration.author, duration.old, duration.new) == (MALLORY, "2h", "8h")
    assert (subject.author, subject.old, subject.new) == (MALLORY, "", MALLORY)
    assert (status.field, status.author) == (rules.status_field, BOB)
    assert (status.old, status.new) == (rules.waiting_status, rules.approved_status)
    assert view.created_at <= duration.at <= subject.at <= status.at
    assert len({change.change_id for change in view.changes}) == len(view.changes)
    assert (view.status, view.duration, view.subject_account) == ("Approved", "8h", MALLORY)


async def test_read_goes_to_the_last_page_of_changes_and_comments(site: Site) -> None:
    """What lies beyond the first hundred is read too, in the order in which it happened."""
    ref = await site.create(creator=ALICE)
    for number in range(PAGE_AND_SOME):
        await site.edit(ref, "Reason", f"reason {number}", ALICE)
        await site.comment_as(ref, f"comment {number}", BOB)
    view = await site.tickets.read(ref)
    assert [change.new for change in view.changes] == [f"reason {number}" for number in range(PAGE_AND_SOME)]
    assert [comment.text for comment in view.comments] == [f"comment {number}" for number in range(PAGE_AND_SOME)]


async def test_read_marks_a_comment_that_was_edited(site: Site) -> None:
    """Words that were changed after they were posted are not passed off as the first ones."""
    ref = await site.create(creator=ALICE)
    kept = await site.comment_as(ref, "/revoke", BOB)
    changed = await site.comment_as(ref, "hello", BOB)
    await site.edit_comment(ref, changed, "/extend 30m", BOB)
    comments = (await site.tickets.read(ref)).comments
    assert [(comment.comment_id, comment.text, comment.author, comment.edited) for comment in comments] == [
        (kept, "/revoke", BOB, False),
        (changed, "/extend 30m", BOB, True),
    ]


async def test_read_finds_a_moved_ticket_by_its_id(site: Site) -> None:
    """A move keeps the id, changes the key, and counts as a change of what was asked."""
    ref = await site.create(creator=ALICE)
    moved = await site.move(ref, "OPS")
    view = await site.tickets.read(ref)
    assert view.ref == moved != ref
    assert view.project == "OPS"
    assert {change.field for change in view.changes} & site.tickets.rules.bound_fields


async def test_every_call_on_a_deleted_ticket_says_not_found(site: Site) -> None:
    """Absence is never read as an empty ticket."""
    ref = await site.create(creator=ALICE)
    await site.delete(ref)
    tickets = site.tickets
    for call in (
        tickets.read(ref),
        tickets.read_properties(ref, ""),
        tickets.write_property(ref, "nightlatch.x.0", "{}"),
        tickets.comment(ref, "text", "marker"),
        tickets.set_fields(ref, state="active", active_from=None, active_until=None),
        tickets.transition(ref, "Closed"),
    ):
        with pytest.raises(NotFoundError) as caught:
            await call
        assert caught.value.thing == "ticket"


async def test_missing_among_names_the_deleted_and_keeps_the_moved(site: Site) -> None:
    """One call tells which of many tickets are not shown any more; one that was moved is still the same ticket."""
    kept, deleted, moved = [await site.create(creator=ALICE) for _ in range(3)]
    await site.delete(deleted)
    await site.move(moved, "OPS")
    never = kept.model_copy(update={"issue_id": "987654321"})
    assert list(await site.tickets.missing_among([kept, deleted, moved, never])) == [deleted, never]
    assert list(await site.tickets.missing_among([kept])) == []


async def test_properties_come_back_as_canonical_text(site: Site) -> None:
    """What was written is read by prefix, replaced as a whole, and always in the one canonical form."""
    ref = await site.create(creator=ALICE)
    await site.tickets.write_property(ref, "nightlatch.a.0", '{"records": [{"b": 1, "a": "ü/ "}]}')
    await site.tickets.write_property(ref, "nightlatch.a.1", '{"records":[]}')
    await site.tickets.write_property(ref, "other.app", "true")
    assert await site.tickets.read_properties(ref, "nightlatch.") == {
        "nightlatch.a.0": '{"records":[{"a":"ü/ ","b":1}]}',
        "nightlatch.a.1": '{"records":[]}',
    }
    await site.tickets.write_property(ref, "nightlatch.a.0", '{"records":[2]}')
    assert (await site.tickets.read_properties(ref, "nightlatch.a.0"))["nightlatch.a.0"] == '{"records":[2]}'
    assert await site.tickets.read_properties(ref, "nothing.") == {}


async def test_a_property_as_large_as_a_segment_fits_and_a_larger_one_is_invalid(site: Site) -> None:
    """Letters beyond ASCII travel as they are, not three times as long; what cannot fit says so instead of being cut."""
    ref = await site.create(creator=ALICE)
    fits = json.dumps({"records": ["ü" * 14_000]}, ensure_ascii=False, separators=(",", ":"))
    await site.tickets.write_property(ref, "nightlatch.a.0", fits)
    assert await site.tickets.read_properties(ref, "nightlatch.a.0") == {"nightlatch.a.0": fits}
    with pytest.raises(InvalidError):
        await site.tickets.write_property(ref, "nightlatch.a.0", json.dumps("ü" * 16_384, ensure_ascii=False))
    assert await site.tickets.read_properties(ref, "nightlatch.a.0") == {"nightlatch.a.0": fits}


async def test_comment_keeps_paragraphs_and_shows_its_marker(site: Site) -> None:
    """The comment on the ticket is the one that was returned: paragraphs, lines, and the marker at its end."""
    ref = await site.create(creator=ALICE)
    posted = await site.tickets.comment(ref, "First *line*\nsecond {line}\n\nSecond paragraph", "rec-1")
    assert posted.text == "First *line*\nsecond {line}\n\nSecond paragraph\n\nrec-1"
    assert (posted.author, posted.edited) == (OWN, False)
    assert (await site.tickets.read(ref)).comments == (posted,)


async def test_comment_is_posted_once_a_marker(site: Site) -> None:
    """Repeating a call adds nothing; a marker that begins alike is another one."""
    ref = await site.create(creator=ALICE)
    long = await site.tickets.comment(ref, "text", "rec-10")
    first = await site.tickets.comment(ref, "text", "rec-1")
    assert await site.tickets.comment(ref, "text", "rec-1") == first != long
    assert (await site.tickets.read(ref)).comments == (long, first)


async def test_comment_is_not_silenced_by_a_marker_in_other_words(site: Site) -> None:
    """Neither a stranger who posts the marker nor a quotation in our own text keeps our word off the ticket."""
    ref = await site.create(creator=ALICE)
    await site.comment_as(ref, "rec-1", MALLORY)
    await site.tickets.comment(ref, "the reason given was:\n\nrec-1", "rec-0")
    posted = await site.tickets.comment(ref, "text", "rec-1")
    assert posted.author == OWN
    assert posted.text == "text\n\nrec-1"


async def test_comment_whose_reply_was_lost_is_found_by_the_retry(site: Site) -> None:
    """An unknown outcome does not become two comments."""
    ref = await site.create(creator=ALICE)
    await site.lose_comment_reply()
    with pytest.raises(OutcomeUnknownError):
        await site.tickets.comment(ref, "text", "rec-1")
    posted = await site.tickets.comment(ref, "text", "rec-1")
    assert (await site.tickets.read(ref)).comments == (posted,)


async def test_set_fields_writes_only_what_differs(site: Site) -> None:
    """The fields say state and instants; saying the same again, or nothing, leaves no trace in the change log."""
    ref = await site.create(creator=ALICE)
    begin = datetime(2026, 11, 22, 10, 0, 0, 123_456, tzinfo=UTC)
    end = begin + timedelta(hours=2)
    await site.tickets.set_fields(ref, state="active", active_from=begin, active_until=end)
    await site.tickets.set_fields(ref, state="active", active_from=begin, active_until=end)
    await site.tickets.set_fields(ref, state="", active_from=None, active_until=None)
    assert await site.field(ref, "Access state") == "active"
    for name, at in (("Access from", begin), ("Access until", end)):
        assert render_instant(datetime.fromisoformat(await site.field(ref, name))) == render_instant(at)
    assert len((await site.tickets.read(ref)).changes) == 3
    await site.tickets.set_fields(ref, state="ended", active_from=None, active_until=None)
    last = (await site.tickets.read(ref)).changes[-1]
    assert (last.author, last.old, last.new) == (OWN, "active", "ended")
    assert last.field not in site.tickets.rules.bound_fields


async def test_transition_moves_once(site: Site) -> None:
    """A ticket that stands there already is left alone."""
    ref = await site.create(creator=ALICE)
    await site.tickets.transition(ref, "Closed")
    await site.tickets.transition(ref, "Closed")
    view = await site.tickets.read(ref)
    assert view.status == "Closed"
    assert [(change.author, change.new) for change in view.changes] == [(OWN, "Closed")]


async def test_transition_that_the_workflow_lacks_is_invalid(site: Site) -> None:
    """The message says where the ticket stands and where it should have gone."""
    ref = await site.create(creator=ALICE)
    with pytest.raises(InvalidError, match=r"'Waiting for approval'.*'Access active'"):
        await site.tickets.transition(ref, "Access active")


async def test_changed_since_lists_ours_oldest_change_first(site: Site) -> None:
    """Exactly the tickets of the project changed at or after the instant: to the last page, and none twice."""
    early = await site.create(creator=ALICE)
    refs = [await site.create(creator=ALICE) for _ in range(PAGE_AND_SOME)]
    foreign = await site.create(creator=ALICE)
    await site.move(foreign, "OPS")
    await site.comment_as(refs[0], "again", BOB)
    since = (await site.tickets.read(refs[1])).created_at
    found = await site.tickets.changed_since(since)
    assert set(found) == set(refs)
    assert len(found) == len(refs)
    assert found[-1] == refs[0]
    assert early not in found
