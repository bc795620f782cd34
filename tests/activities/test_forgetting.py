"""Whether a lease may be forgotten: what the witness takes for "gone", and whose words the judge counts."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from activities.callers import REQUEST_TYPE
from activities.gone import LOOKS
from activities.records import judge_writer
from domain.canonical import KeyRole, SigningKey
from domain.errors import (
    AuthFailedError,
    ForbiddenError,
    MalformedError,
    RetryableError,
)
from domain.evidence import property_key
from domain.forgetting import ForgetWord, GoneWord
from domain.ids import TicketRef
from domain.lease_messages import ForgetInput, ForgetResult, GoneResult, LeaseOrder, PairInput
from domain.messages import ArmedInput
from domain.signed import Signed
from tests.activities.office import LEASE, OURS, RUN, Office

A_MINUTE, APART = timedelta(minutes=1), timedelta(seconds=2)
WORDS = f"/forget {LEASE} the group was merged"


class Leaving(Office):
    """An office whose group is gone. Bob, carol, alice and dave are operators; the removal began an hour after the run."""

    def __init__(self) -> None:
        super().__init__()
        self.catalogue = self.catalogue.model_copy(update={"operators": ("bob", "carol", "alice", "dave")})
        for name in ("left", "right"):
            self.provider.make_group(f"00g{name}")
        self.group = self.catalogue.targets["admin"].ref
        self.ended_at = self.at

    async def begin(self) -> LeaseOrder:
        self.order_: LeaseOrder = (await self.armed()).order
        self.ended_at = self.at
        self.at += A_MINUTE
        return self.order_

    async def look(self) -> GoneResult:
        return await self.call(self.gone_looks.confirm_gone, PairInput(order=self.order_))

    async def seen_gone(self) -> tuple[Signed, Signed]:
        """The word of two looks, apart."""
        words = []
        for _ in range(2):
            result = await self.look()
            assert result.word is not None, result.why_not
            words.append(result.word)
            self.at += APART
        return words[0], words[1]

    async def verdict(self, ticket: TicketRef | None = None, **changes: object) -> ForgetResult:
        first, second = await self.seen_gone()
        asked = ForgetInput(
            order=self.order_, ticket=ticket or self.order_.ticket, ended_at=self.ended_at, first=first, second=second
        )
        return await self.call(self.forgetting.judge_forgetting, asked.model_copy(update=changes))

    def say(self, *people: str, words: str = WORDS) -> list[str]:
        return [self.tickets.comment_as(self.order_.ticket, words, person) for person in people]


@pytest.fixture
async def office() -> Leaving:
    """Its lease was armed, and its group is gone since."""
    made = Leaving()
    await made.begin()
    made.provider.delete_group(made.group)
    return made


async def test_group_that_is_gone_beside_one_that_stands_is_signed_for(office: Leaving) -> None:
    """With what stood beside it, by the witness, for the lease that asks."""
    found = await office.look()
    assert found.word is not None
    word = found.word.open(GoneWord, office.keys.trusted)
    assert (word.lease_id, word.run_id, word.beside.container_id) == (LEASE, RUN, "00gleft")
    with pytest.raises(ApplicationError, match="spoke for"):
        await office.call(office.gone_looks.confirm_gone, PairInput(order=office.order_), lease="lease:of/another")


async def test_nothing_is_gone_where_nothing_is_seen_at_all(office: Leaving) -> None:
    """A wrong tenant, an app without its rights: 404 for everything. Nor where the catalogue names no other target to ask for."""
    for name in ("left", "right"):
        office.provider.delete_group(office.catalogue.targets[name].ref)
    assert "our sight of it" in (await office.look()).why_not
    office.provider.make_group("00gleft")
    assert (await office.look()).word is not None
    alone = {"targets": {"admin": office.catalogue.targets["admin"]}}
    office.catalogue = office.catalogue.model_copy(update=alone)
    assert "name one that stands in the catalogue" in (await office.look()).why_not


@pytest.mark.parametrize("member", [True, False])
async def test_group_that_is_there_is_not_gone(office: Leaving, *, member: bool) -> None:
    """Whether or not the account is in it: what can be proved is not forgotten."""
    office.provider.restore_group(office.group)
    if member:
        office.provider.add_by_hand(office.group, office.order_.grantee.subject)
    state = "present" if member else "absent"
    assert (await office.look()).why_not == f"admin is there, and the account is {state} in it"


async def test_group_that_comes_back_between_two_questions_is_not_gone(office: Leaving) -> None:
    """The look at the pair could not tell, and the look at the target finds it."""
    gate = office.provider.hold("find_target")
    task = asyncio.create_task(office.look())
    await gate.reached()
    office.provider.restore_group(office.group)
    gate.release()
    assert (await task).why_not == "admin is there"


@pytest.mark.parametrize("call", ["verify", "find_target"])
@pytest.mark.parametrize(
    "error", [RetryableError("503"), ForbiddenError("403"), AuthFailedError("401"), MalformedError("html")], ids=str
)
async def test_vendor_that_does_not_answer_says_nothing_of_the_group(
    office: Leaving, call: str, error: Exception
) -> None:
    """Whichever question fails, and however: nobody signs that anything is gone."""
    office.provider.fail(call, error)
    with pytest.raises(ApplicationError, match=str(error)):
        await office.look()


async def test_two_operators_are_enough_and_stand_in_the_judges_record(office: Leaving) -> None:
    """By whom, why, on which ticket and when the target was seen gone; the word that the lease gets says the same."""
    office.say("bob", "carol")
    result = await office.verdict()
    assert result.word is not None, result.refused
    word = result.word.open(ForgetWord, office.keys.trusted)
    (armed, record) = await office.chain(office.order_.ticket, judge_writer(LEASE))
    assert (armed.kind, record.kind, word.record) == ("armed", "forgotten", record.hash)
    assert (word.by, word.reason, word.ticket) == ("bob and carol", "the group was merged", office.order_.ticket)
    assert record.facts["asked_on"] == office.order_.ticket.key
    again = await office.verdict()
    assert again.word is not None
    assert again.word.open(ForgetWord, office.keys.trusted).record == record.hash


def nothing(_: Leaving) -> None:
    """Nobody has said anything."""


def one_person_twice(office: Leaving) -> None:
    office.say("bob", "bob")


def one_person_under_two_accounts(office: Leaving) -> None:
    bob = office.catalogue.people.people["bob"].model_copy(update={"jira": ("bob", "bob-alt")})
    people = office.catalogue.people.model_copy(update={"people": {**office.catalogue.people.people, "bob": bob}})
    office.catalogue = office.catalogue.model_copy(update={"people": people})
    office.say("bob", "bob-alt")


def an_account_of_two_people(office: Leaving) -> None:
    carol = office.catalogue.people.people["carol"].model_copy(update={"jira": ("carol", "bob")})
    people = office.catalogue.people.model_copy(update={"people": {**office.catalogue.people.people, "carol": carol}})
    office.catalogue = office.catalogue.model_copy(update={"people": people})
    office.say("bob", "carol")


def whose_access_it_is(office: Leaving) -> None:
    office.say("bob", "alice-alt")


def somebody_who_is_no_operator(office: Leaving) -> None:
    office.say("bob", "mallory")


def our_own_account(office: Leaving) -> None:
    office.say("bob", office.tickets.rules.own_account)


def an_edit_after_the_fact(office: Leaving) -> None:
    first, _ = office.say("bob", "carol", words="/forget me not")
    office.tickets.edit_comment(office.order_.ticket, first, WORDS)


def another_lease(office: Leaving) -> None:
    office.say("bob", words=WORDS)
    office.say("carol", words=WORDS.replace("00ualice", "00ubob"))


def another_letter_case(office: Leaving) -> None:
    office.say("bob")
    office.say("carol", words=WORDS.replace("00ualice", "00uAlice"))


def no_reason(office: Leaving) -> None:
    office.say("bob")
    office.say("carol", words=f"/forget {LEASE}")


def a_stale_word(office: Leaving) -> None:
    office.say("bob")
    office.at += timedelta(days=1)
    office.say("carol")


def a_word_from_before_the_removal(office: Leaving) -> None:
    office.say("bob", "carol")
    office.at += A_MINUTE
    office.ended_at = office.at
    office.at += A_MINUTE


def a_word_from_before_the_run(office: Leaving) -> None:
    """What was said about an earlier lease of the same pair, and a caller that dates its own removal back."""
    office.say("bob", "carol")
    office.at += A_MINUTE
    office.runs.told[RUN] = OURS.model_copy(update={"began_at": office.at})
    office.at += A_MINUTE


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (nothing, "nobody has"),
        (one_person_twice, "; bob has"),
        (one_person_under_two_accounts, "; bob has"),
        (an_account_of_two_people, "is not linked with exactly one person"),
        (whose_access_it_is, "alice: the access is theirs"),
        (somebody_who_is_no_operator, "mallory is no operator"),
        (our_own_account, "which is nobody"),
        (an_edit_after_the_fact, "edited after it was written"),
        (another_lease, "; bob has"),
        (another_letter_case, "; bob has"),
        (no_reason, "it gives no reason"),
        (a_stale_word, "older than a day"),
        (a_word_from_before_the_removal, "nobody has"),
        (a_word_from_before_the_run, "nobody has"),
    ],
)
async def test_anything_less_than_two_operators_forgets_nothing(
    office: Leaving, said: Callable[[Leaving], None], why: str
) -> None:
    """The refusal says who counts, and why others do not; no record is written."""
    said(office)
    result = await office.verdict()
    assert (result.word, why in result.refused) == (None, True), result.refused
    assert f"2 operators have to write `/forget {LEASE}`" in result.refused
    assert len(await office.chain(office.order_.ticket, judge_writer(LEASE))) == 1


async def test_edit_after_the_verdict_changes_nothing(office: Leaving) -> None:
    """The judge's record stands with the reasons that were given."""
    first, _ = office.say("bob", "carol")
    await office.verdict()
    office.tickets.edit_comment(office.order_.ticket, first, "I never said so")
    (_, record) = await office.chain(office.order_.ticket, judge_writer(LEASE))
    assert (record.kind, record.facts["reason"]) == ("forgotten", "the group was merged")


async def test_ticket_of_another_project_is_refused(office: Leaving) -> None:
    """Who may write elsewhere nobody here knows."""
    office.say("bob", "carol")
    office.tickets.move(office.order_.ticket, "FUN")
    assert "is no ticket of project" in (await office.verdict()).refused


async def test_ticket_system_with_a_clock_of_its_own_is_refused(office: Leaving) -> None:
    """When something was said has to be known."""
    began = office.at
    office.at += A_MINUTE
    office.say("bob", "carol")
    office.at = began
    assert "the clock of the ticket system differs" in (await office.verdict()).refused


async def test_looks_that_do_not_fit_are_refused(office: Leaving) -> None:
    """One look twice, a look by a stranger's key, looks from before the removal: the judge writes nothing."""
    office.say("bob", "carol")
    first, second = await office.seen_gone()
    stranger = Signed.seal(first.open(GoneWord, office.keys.trusted), SigningKey.from_seed(b"s" * 32, KeyRole.WITNESS))
    for changes in (
        {"second": first, "first": first},
        {"first": second, "second": first},
        {"first": stranger},
        {"second": stranger},
        {"ended_at": office.at + timedelta(hours=1)},
    ):
        with pytest.raises(ApplicationError) as refused:
            await office.verdict(**changes)
        assert refused.value.type == "SignatureRefused"
    other = await office.call(office.gone_looks.confirm_gone, PairInput(order=office.order_), run="another-run")
    assert other.word is not None
    assert len(await office.chain(office.order_.ticket, judge_writer(LEASE))) == 1


async def test_only_a_lease_of_ours_is_judged(office: Leaving) -> None:
    """Another workflow under its id, or one that speaks for another lease, gets no word."""
    office.say("bob", "carol")
    first, second = await office.seen_gone()
    asked = ForgetInput(
        order=office.order_, ticket=office.order_.ticket, ended_at=office.ended_at, first=first, second=second
    )
    with pytest.raises(ApplicationError, match="spoke for"):
        await office.call(office.forgetting.judge_forgetting, asked, lease="lease:of/another")
    office.runs.told[RUN] = OURS.model_copy(update={"workflow_type": REQUEST_TYPE})
    with pytest.raises(ApplicationError, match="no lease of ours"):
        await office.call(office.forgetting.judge_forgetting, asked)


async def test_evidence_that_somebody_broke_holds_nothing_up(office: Leaving) -> None:
    """The judge begins a chain anew beside the broken one, and tells there."""
    office.say("bob", "carol")
    office.tickets.properties(office.order_.ticket)[property_key(judge_writer(LEASE), 0)] = '{"records":[{}]}'
    assert (await office.verdict()).word is not None
    (record,) = await office.chain(office.order_.ticket, f"{judge_writer(LEASE)}~2")
    assert record.kind == "forgotten"


async def test_ticket_that_is_gone_is_told_of_on_the_control_ticket(office: Leaving) -> None:
    """Once several attempts have not found it, while the control ticket stands."""
    first, second = await office.seen_gone()
    office.tickets.delete(office.order_.ticket)
    for person in ("bob", "carol"):
        office.tickets.comment_as(office.control, WORDS, person)
    asked = ForgetInput(
        order=office.order_, ticket=office.control, ended_at=office.ended_at, first=first, second=second
    )
    with pytest.raises(ApplicationError):
        await office.call(office.forgetting.judge_forgetting, asked)
    result = await office.caller(attempt=LOOKS).run(office.forgetting.judge_forgetting, asked)
    assert result.word is not None
    (record,) = await office.records.chain(office.order_.ticket, judge_writer(LEASE), office.control)
    assert record.kind == "forgotten"


async def test_lease_that_was_forgotten_is_not_found_armed(office: Leaving) -> None:
    """A request that was reset does not begin to end anew what two people have given up."""
    asked = ArmedInput(ticket=office.order_.ticket)
    before = await office.call(office.judge.find_armed, asked)
    office.say("bob", "carol")
    await office.verdict()
    after = await office.call(office.judge.find_armed, asked)
    assert ([lease.lease_id for lease in before.leases], after.leases) == ([LEASE], ())
