"""Evidence on a ticket: each fact once and in order, read back, and never held up by its size."""

from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from domain.canonical import KeyRole
from domain.errors import OutcomeUnknownError, SignatureRefusedError
from domain.evidence import MAX_RECORD_BYTES, MAX_SEGMENT_BYTES, RecordKind, property_key
from domain.ids import TicketRef
from domain.paper import WRITTEN, EvidenceInput, Fact, TicketFields, what_is_written
from domain.signed import Signed
from domain.witness import Observation, Presence, Receipt
from tests.activities.office import LEASE, RUN, Office

LONG_ID = "x" * 128


def fact(office: Office, name: str, kind: RecordKind = RecordKind.ACTIVE, **facts: object) -> Fact:
    return Fact(fact_id=name, kind=kind, at=office.at, facts=facts)


async def record(office: Office, ticket: TicketRef, *facts: Fact, writer: str = LEASE) -> int:
    request = EvidenceInput(ticket=ticket, writer=writer, facts=facts)
    return (await office.call(office.scribe.record_evidence, request, writer)).records


async def ids(office: Office, ticket: TicketRef, writer: str = LEASE) -> list[str]:
    return [found.record_id for found in await office.chain(ticket, writer)]


def sight(office: Office, lease: str = LEASE, presence: Presence = Presence.ABSENT, request_id: str = "") -> Signed:
    look = Observation(
        lease_id=lease,
        run_id="0198f3a2-1111-7222-8333-123456789abc",
        presence=presence,
        observed_at=office.at,
        vendor_request_id=request_id,
        note="n" * 120,
    )
    return Signed.seal(look, office.witness_key)


async def test_facts_are_written_once_and_in_order(office: Office) -> None:
    """Writing the same facts again, or a longer list that begins with them, doubles nothing."""
    ticket = office.ask()
    first, second = fact(office, "one"), fact(office, "two")
    assert await record(office, ticket, first) == 1
    assert await record(office, ticket, first) == 1
    assert await record(office, ticket, first, second) == 2
    assert await ids(office, ticket) == ["one", "two"]


async def test_write_whose_reply_was_lost_is_found_again(office: Office) -> None:
    """A retry after a lost reply finds what it wrote."""
    ticket = office.ask()
    office.tickets.fail("write_property", OutcomeUnknownError("lost"), when="after")
    with pytest.raises(ApplicationError):
        await record(office, ticket, fact(office, "one"))
    assert await record(office, ticket, fact(office, "one")) == 1


async def test_chain_grows_over_segments(office: Office) -> None:
    """Beyond 28 KB a chain goes on in a further property, and earlier ones stay as they were, byte for byte."""
    ticket = office.ask()
    facts = tuple(fact(office, f"fact-{number}", text="x" * 500) for number in range(60))
    await record(office, ticket, *facts[:30])
    before = dict(office.tickets.properties(ticket))
    await record(office, ticket, *facts)
    after = office.tickets.properties(ticket)
    assert len(after) > 1
    assert after[property_key(LEASE, 0)].startswith(before[property_key(LEASE, 0)].removesuffix("]}"))
    assert all(len(text.encode()) <= MAX_SEGMENT_BYTES for text in after.values())
    assert await ids(office, ticket) == [f"fact-{number}" for number in range(60)]


async def test_missing_segment_breaks_the_chain(office: Office) -> None:
    """A deleted segment in the middle is not overlooked: the chain goes on under a new name, and keeps every fact."""
    ticket = office.ask()
    facts = tuple(fact(office, f"fact-{number}", text="x" * 500) for number in range(60))
    await record(office, ticket, *facts)
    del office.tickets.properties(ticket)[property_key(LEASE, 0)]
    await record(office, ticket, *facts, fact(office, "last"))
    assert (await ids(office, ticket, f"{LEASE}~2"))[-1] == "last"


async def test_broken_chain_is_left_alone_and_begun_anew(office: Office) -> None:
    """Edited evidence stays for all to see; the facts are told again under `~2`, then `~3`, each whole."""
    ticket = office.ask()
    await record(office, ticket, fact(office, "one"))
    for generation in (2, 3):
        properties = office.tickets.properties(ticket)
        spoilt = {key: text.replace("active", "proved") for key, text in properties.items()}
        properties.update(spoilt)
        await record(office, ticket, fact(office, "one"), fact(office, "two"))
        assert await ids(office, ticket, f"{LEASE}~{generation}") == ["one", "two"]
        assert spoilt.items() <= office.tickets.properties(ticket).items()


async def test_oversize_facts_are_shortened(office: Office) -> None:
    """A fact that is too long for a record is cut and says so: it must not hold up an end for ever."""
    ticket = office.ask()
    await record(office, ticket, fact(office, "long", note="n" * 5_000))
    (found,) = await office.chain(ticket, LEASE)
    assert found.facts["cut"] is True
    assert len(found.facts["note"]) < MAX_RECORD_BYTES


@pytest.mark.parametrize("lease", [LEASE, f"lease:entra/prod/group/{LONG_ID}/{LONG_ID}"], ids=["usual", "longest"])
@pytest.mark.parametrize("request_id", ["", "r" * 2_000], ids=["no request id", "long request id"])
async def test_witnessed_fact_fits_whatever_the_vendor_said(office: Office, lease: str, request_id: str) -> None:
    """The longest ids and the longest words of a vendor still make a record of a removal."""
    ticket = office.ask()
    removed = Fact(
        fact_id="removed-1/0198f3a2-1111-7222-8333-123456789abc",
        kind=RecordKind.REMOVED,
        at=office.at,
        facts={"run": "0198f3a2-1111-7222-8333-123456789abc"},
        witness=(sight(office, lease, request_id=request_id),),
    )
    await record(office, ticket, removed, writer=lease)
    (found,) = await office.chain(ticket, lease)
    assert found.facts["witness"]


@pytest.mark.parametrize("kind", [RecordKind.GRANTED, RecordKind.REMOVED, RecordKind.PROVED, RecordKind.SESSIONS_ENDED])
async def test_fact_without_its_witness_is_not_signed(office: Office, kind: RecordKind) -> None:
    """What a vendor did or showed is recorded only with the signed word of whoever saw it."""
    with pytest.raises(ApplicationError, match="needs the signed word"):
        await record(office, office.ask(), fact(office, "it", kind))


@pytest.mark.parametrize("kind", [RecordKind.ASKED, RecordKind.ARMED, RecordKind.EXTENDED, RecordKind.EXTENSION_VOID])
async def test_scribe_signs_nothing_of_the_judges(office: Office, kind: RecordKind) -> None:
    """Authority to add time is the judge's alone to write down."""
    with pytest.raises(ApplicationError, match="for the judge to write"):
        await record(office, office.ask(), fact(office, "it", kind))


async def test_witness_of_another_lease_or_of_presence_proves_nothing(office: Office) -> None:
    """A genuine observation serves its own lease only, and a removal needs one that says absent."""
    for witness in (
        sight(office, LEASE.replace("alice", "bob")),
        sight(office, presence=Presence.PRESENT),
        sight(office).model_copy(update={"payload": "{}"}),
    ):
        removed = fact(office, "it", RecordKind.REMOVED).model_copy(update={"witness": (witness,)})
        with pytest.raises(ApplicationError) as caught:
            await record(office, office.ask(), removed)
        assert caught.value.type == "SignatureRefused"


async def test_receipt_is_no_observation(office: Office) -> None:
    """A vendor's acknowledgement cannot stand in for a look."""
    receipt = Receipt(lease_id=LEASE, run_id=RUN, action="revoke", acknowledged_at=office.at)
    sealed = Signed.seal(receipt, office.witness_key)
    proved = fact(office, "it", RecordKind.PROVED).model_copy(update={"witness": (sealed,)})
    with pytest.raises(ApplicationError):
        await record(office, office.ask(), proved)


async def test_comment_and_fields_are_written_once(office: Office) -> None:
    """People read each milestone once, however often the activity is repeated."""
    ticket = office.ask()
    told = fact(office, "one").model_copy(update={"comment": "Access is active."})
    fields = TicketFields(state="Active", active_from=office.at, active_until=office.at + timedelta(hours=1))
    request = EvidenceInput(ticket=ticket, writer=LEASE, facts=(told,), fields=fields)
    for _ in range(3):
        await office.call(office.scribe.record_evidence, request)
    assert len(office.tickets.comments(ticket)) == 1
    assert office.tickets.field(ticket, "Access state") == "Active"


async def test_status_that_cannot_be_reached_is_no_failure(office: Office) -> None:
    """A ticket that somebody moved elsewhere keeps its status; the evidence is written all the same."""
    ticket = office.ask()
    fields = TicketFields(transition_to="active")
    request = EvidenceInput(ticket=ticket, writer=LEASE, facts=(fact(office, "one"),), fields=fields)
    assert (await office.call(office.scribe.record_evidence, request)).records == 1
    assert office.tickets.field(ticket, "status") == "Waiting for approval"


async def test_scribe_signs_what_it_has_written_and_nothing_else(office: Office) -> None:
    """Somebody may complete the activity from outside: its caller takes nothing for written without this word."""
    ticket, writer = office.ask(), LEASE
    request = EvidenceInput(ticket=ticket, writer=writer, facts=(fact(office, "one"),))
    told = await office.call(office.scribe.record_evidence, request)
    assert told.written is not None
    keys = office.keys.trusted
    keys.verify(KeyRole.SCRIBE, WRITTEN, what_is_written(request), told.written)
    other = [
        request.model_copy(update={"facts": (*request.facts, fact(office, "two"))}),
        request.model_copy(update={"final": True}),
        request.model_copy(update={"ticket": office.ask()}),
        request.model_copy(update={"writer": f"{LEASE}-else"}),
    ]
    for claimed in other:
        with pytest.raises(SignatureRefusedError):
            keys.verify(KeyRole.SCRIBE, WRITTEN, what_is_written(claimed), told.written)


async def test_nothing_is_written_while_a_wish_is_unanswered(office: Office) -> None:
    """The end goes on the ticket after the answers; a wish that came in the last moment is told of instead."""
    ticket = office.ask()
    request = EvidenceInput(ticket=ticket, writer=LEASE, facts=(fact(office, "one"),), final=True, judged_wishes=())
    wish = office.tickets.comment_as(ticket, "/extend 30m", "alice")
    told = await office.call(office.scribe.record_evidence, request)
    assert (told.unanswered, told.written, await ids(office, ticket)) == (1, None, [])
    answered = request.model_copy(update={"judged_wishes": (wish,)})
    told = await office.call(office.scribe.record_evidence, answered)
    assert (told.unanswered, await ids(office, ticket)) == (0, ["one"])


async def test_active_record_with_a_forged_receipt_is_not_signed(office: Office) -> None:
    """It may be without a witness; with one, it is the witness's own word."""
    receipt = Receipt(lease_id=LEASE, run_id=RUN, action="grant", acknowledged_at=office.at)
    genuine = Signed.seal(receipt, office.witness_key)
    forged = genuine.model_copy(update={"payload": genuine.payload.replace("grant", "grunt")})
    active = fact(office, "active").model_copy(update={"witness": (genuine,)})
    assert await record(office, office.ask(), active) == 1
    with pytest.raises(ApplicationError):
        await record(office, office.ask(), active.model_copy(update={"witness": (forged,)}))
