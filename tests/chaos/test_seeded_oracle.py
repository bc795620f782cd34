"""The oracle of seeded runs sees each thing that must not be: a good story is told, and then one thing in it is made wrong."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.values import render_instant
from tests.chaos.seeded import oracle
from tests.chaos.seeded.account import Done, Pair
from tests.chaos.seeded.bounds import Way
from tests.chaos.seeded.oracle import FENCE, judge
from tests.chaos.seeded.plan import Act, Fault, Plan
from tests.chaos.seeded.report import write_report
from tests.chaos.seeded.summary import Summary
from tests.chaos.seeded_story import (
    ALICE,
    CAROL,
    END,
    JUDGE,
    LEASE,
    PAIR,
    Story,
    at,
    fault,
    record,
)


def test_nothing_is_found_in_a_good_story() -> None:
    verdict = Story().judged()
    assert verdict.findings == ()
    (exposure,) = verdict.exposures
    assert exposure.past_end == timedelta(seconds=0.1)
    assert exposure.allowed == timedelta(seconds=5)


def _stay_too_long(story: Story) -> None:
    story.left = END + 5.1
    story.replace("proved", record("proved", LEASE, END + 7))


def _stay_for_ever(story: Story) -> None:
    story.left = None
    story.lines = [line for line in story.lines if line.kind not in {"removed", "proved"}]


def _leave_early(story: Story) -> None:
    story.left = END - 2


def _extend_and_void(story: Story) -> None:
    """The end that was to be moved stays where it was."""
    story.lines.insert(4, record("extended", JUDGE, 10, until=render_instant(at(END + 30)), wish="7"))
    story.lines.insert(5, record("extension_void", JUDGE, 11, until=render_instant(at(END)), wish="7"))
    _stay_too_long(story)


def _ignore_a_cancel(story: Story) -> None:
    story.done = [Done(Act.CANCEL_REQUEST, at(5))]


def _come_unarmed(story: Story) -> None:
    story.leave_out("armed")


def _come_before_arming(story: Story) -> None:
    story.came = 1.9


def _come_after_the_end(story: Story) -> None:
    story.came, story.left = END + 8.1, END + 8.2


def _come_after_the_proof(story: Story) -> None:
    story.more = [("membership.added", END + 3, PAIR), ("membership.removed", END + 4, PAIR)]


def _come_unapproved(story: Story) -> None:
    story.answer = {"to": "Declined", "author": CAROL}


def _come_approved_by_a_stranger(story: Story) -> None:
    story.answer = {"to": "Approved", "author": "account-mallory"}


def _come_approved_by_themselves(story: Story) -> None:
    story.answer = {"to": "Approved", "author": ALICE}


def _come_by_hand(story: Story) -> None:
    stranger = Pair(PAIR.group_id, "00umallory")
    story.more = [("membership.added", 4, stranger), ("membership.removed", 5, stranger)]


def _prove_nothing(story: Story) -> None:
    story.leave_out("proved")


def _forget_in_place_of_proving(story: Story) -> None:
    """Two people gave it up, with every record that belongs to that."""
    at_last = [record("target_gone", LEASE, END + 0.9), record("target_gone", LEASE, END + 1.2)]
    story.leave_out("proved")
    story.lines += [record("forgotten", JUDGE, END + 1.1, by="bob and carol"), *at_last]


def _prove_too_early(story: Story) -> None:
    story.replace("proved", record("proved", LEASE, END - 1))


def _leave_out(kind: str) -> Callable[[Story], None]:
    return lambda story: story.leave_out(kind)


def _take_back(story: Story) -> None:
    story.torn = ("the lease's chain was shorter once more",)


def _tell_twice(story: Story) -> None:
    story.lines.append(story.lines[-3])


def _say_twice(story: Story) -> None:
    story.marks.append("nl-1")


def _arm_twice(story: Story) -> None:
    story.lines.insert(3, record("armed", JUDGE, 2.5, run="run-2", until=render_instant(at(END))))


def _break_the_chain(story: Story) -> None:
    story.lines[4] = story.lines[4].model_copy(update={"verified": False, "problem": "does not follow its predecessor"})


def _never_end(story: Story) -> None:
    story.trouble = "it did not come to its end in time"


WRONGS: list[tuple[Callable[[Story], None], str]] = [
    (_stay_too_long, oracle.LATE),
    (_stay_for_ever, oracle.LATE),
    (_extend_and_void, oracle.LATE),
    (_leave_early, oracle.EARLY),
    (_ignore_a_cancel, oracle.LATE),
    (_come_unarmed, oracle.UNAPPROVED),
    (_come_before_arming, oracle.UNAPPROVED),
    (_come_after_the_end, oracle.UNAPPROVED),
    (_come_after_the_proof, oracle.UNAPPROVED),
    (_come_unapproved, oracle.UNAPPROVED),
    (_come_approved_by_a_stranger, oracle.UNAPPROVED),
    (_come_approved_by_themselves, oracle.UNAPPROVED),
    (_come_by_hand, oracle.UNAPPROVED),
    (_prove_nothing, oracle.UNPROVED),
    (_forget_in_place_of_proving, oracle.UNPROVED),
    (_prove_too_early, oracle.UNPROVED),
    (_prove_too_early, oracle.FALSE_PROOF),
    (_leave_out("ending"), oracle.GAP),
    (_leave_out("removed"), oracle.GAP),
    (_leave_out("sessions_ended"), oracle.GAP),
    (_leave_out("answered"), oracle.GAP),
    (_take_back, oracle.GAP),
    (_tell_twice, oracle.DOUBLE),
    (_say_twice, oracle.DOUBLE),
    (_arm_twice, oracle.DOUBLE),
    (_break_the_chain, oracle.BROKEN),
    (_never_end, oracle.UNFINISHED),
]


@pytest.mark.parametrize(("make_wrong", "what"), WRONGS)
def test_sees(make_wrong: Callable[[Story], None], what: str) -> None:
    story = Story()
    make_wrong(story)
    assert what in {finding.what for finding in story.judged().findings}


def test_every_kind_of_finding_is_seen_by_a_test() -> None:
    assert {what for _, what in WRONGS} == set(oracle.KINDS)


def test_extension_in_force_moves_the_end() -> None:
    story = Story(left=END + 9.9)
    story.lines.insert(4, record("extended", JUDGE, 10, until=render_instant(at(END + 10)), wish="7"))
    story.replace("proved", record("proved", LEASE, END + 12))
    verdict = story.judged()
    assert verdict.findings == ()
    assert verdict.exposures[0].past_end == timedelta(0)


def test_sweep_proves_in_the_place_of_a_lease() -> None:
    """What it takes away when nobody else is left, it tells in a chain of its own."""
    story = Story(done=[Done(Act.TERMINATE_BOTH, at(END - 0.5))])
    for kind in ("ending", "removed", "proved", "sessions_ended"):
        story.leave_out(kind)
    story.lines += [
        record(kind, f"sweep/{LEASE}", END + 1 + number)
        for number, kind in enumerate(("removed", "proved", "sessions_ended"))
    ]
    assert story.judged().findings == ()


def test_fault_allows_its_bound_and_not_a_moment_more() -> None:
    story = Story(left=END + 12.9, happened=[fault(Fault.SERVER_KILLED, END - 1, END + 3)])
    story.replace("proved", record("proved", LEASE, END + 15))
    assert story.judged().findings == ()
    story.left = END + 13.1
    assert {finding.what for finding in story.judged().findings} == {oracle.LATE}


def test_act_of_an_operator_makes_the_removal_due() -> None:
    story = Story(left=9.0, done=[Done(Act.TERMINATE_LEASE, at(8), LEASE), Done(Act.CANCEL_LEASE, at(4), "another")])
    story.replace("ending", record("ending", LEASE, 8.5, reason="revoked"))
    verdict = story.judged()
    assert verdict.findings == ()
    assert (verdict.exposures[0].way, verdict.exposures[0].late) == (Way.ENGINE, timedelta(seconds=1))


def test_what_is_left_to_the_net_is_due_within_its_interval() -> None:
    story = Story(left=8 + 89.0, done=[Done(Act.TERMINATE_BOTH, at(8))])
    story.replace("proved", record("proved", LEASE, 120))
    assert story.judged().findings == ()
    story.left = 8 + 91.0
    assert {finding.what for finding in story.judged().findings} == {oracle.LATE}


def test_lease_that_was_terminated_with_its_request_after_the_removal_is_counted_apart() -> None:
    """Nobody is left to prove it; what was terminated before the member had gone has to be proved by the net."""
    story = Story(done=[Done(Act.TERMINATE_BOTH, at(END + 0.5))])
    story.leave_out("proved")
    verdict = story.judged()
    assert (verdict.findings, len(verdict.silenced)) == ((), 1)
    story.done = [Done(Act.TERMINATE_BOTH, at(END - 0.5))]
    assert oracle.UNPROVED in {finding.what for finding in story.judged().findings}


def test_grant_that_lands_after_a_removal_was_tried_is_due_behind_the_fence() -> None:
    landed = END - 0.5
    story = Story(came=landed, left=landed + FENCE.total_seconds() + 4)
    story.replace("proved", record("proved", LEASE, 60))
    assert {finding.what for finding in story.judged().findings} == {oracle.LATE}
    account = story.account()
    tried = {"event": "membership.removed", "group_id": PAIR.group_id, "user_id": PAIR.user_id, "changed": False}
    log = (*account.log, {**tried, "seq": 99, "at": at(END - 1).isoformat(timespec="microseconds")})
    assert judge(replace(account, log=log)).findings == ()


def test_grant_that_was_sent_before_the_end_may_land_after_it() -> None:
    """It is taken away like any other; how long it stayed past the end is counted from its coming."""
    story = Story(came=END + 0.1, left=END + 0.5)
    story.replace("ending", record("ending", LEASE, END, reason="grant_failed"))
    verdict = story.judged()
    assert verdict.findings == ()
    assert verdict.exposures[0].past_end == timedelta(seconds=0.4)


def test_report_shows_what_was_found_and_how_to_play_it_again(tmp_path: Any) -> None:
    """A page without anything from elsewhere, and the same as JSON."""
    story = Story(left=END + 8, happened=[fault(Fault.OKTA, 1, 3, "okta")], done=[Done(Act.RESET_REQUEST, at(9))])
    plan = Plan(7, 1, (1,), (), ())
    account = story.account()
    verdict = judge(account)
    summary = Summary.of(plan, account, verdict, "python -m tests.chaos.seeded --seed 7")
    write_report(tmp_path, summary, account, verdict)
    page = (tmp_path / "report.html").read_text()
    assert "--seed 7" in page
    assert oracle.LATE in page
    assert "Okta answers badly" in page
    assert "<svg" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in page
    assert '"late removal": 1' in (tmp_path / "report.json").read_text()
    assert "play it again: python -m tests.chaos.seeded --seed 7" in summary.text()
