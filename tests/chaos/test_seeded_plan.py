"""The plan of a seeded run, and the bounds that are formed from what befell the house. Pure."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.chaos.seeded import hands, plan
from tests.chaos.seeded.bounds import HEARD, PROMPTLY, PROVIDER, SERVER, STALL, WORKER, Happening, Way, bound, relieved
from tests.chaos.seeded.plan import APPROVERS, LAST_BEGIN_SECONDS, Act, Fault, make_plan
from tests.chaos.seeded.proxy import Network

DUE = datetime(2026, 1, 1, 12, tzinfo=UTC)
EVERY = timedelta(seconds=60)


def happening(what: str, begins: float, ends: float, where: str = "w1") -> Happening:
    return Happening(what, where, "", DUE + timedelta(seconds=begins), DUE + timedelta(seconds=ends))


def allowed(*happened: Happening, way: Way = Way.CLOCK) -> timedelta:
    return bound(DUE, way, happened, EVERY).at - DUE


def test_same_seed_gives_the_same_plan() -> None:
    """A failing run is played again by its number."""
    assert make_plan(7, 50, 5) == make_plan(7, 50, 5)
    assert make_plan(7, 50, 5) != make_plan(8, 50, 5)


def test_leases_stay_the_same_when_other_faults_are_chosen() -> None:
    """A failure can be narrowed down to one kind of fault."""
    assert make_plan(7, 50, 5).leases == make_plan(7, 50, 5, (Fault.OKTA,)).leases
    assert {planned.fault for planned in make_plan(7, 50, 5, (Fault.OKTA,)).faults} == {Fault.OKTA}


@pytest.mark.parametrize("seed", range(20))
def test_plan_is_within_its_time_and_nobody_approves_for_themselves(seed: int) -> None:
    made = make_plan(seed, 60, 4)
    assert len(made.leases) == 60
    for lease in made.leases:
        assert 0 <= lease.begins <= made.seconds - LAST_BEGIN_SECONDS
        assert lease.approver != lease.subject
        assert lease.approver in APPROVERS
        assert lease.entitlement < len(made.entitlements)
    assert all(fault.begins > 0 and fault.begins + fault.lasts <= made.seconds for fault in made.faults)


def test_leases_share_subjects_and_targets_and_every_fault_and_act_comes() -> None:
    made = make_plan(1, 100, 10)
    assert len({(lease.subject, lease.entitlement) for lease in made.leases}) < len(made.leases)
    assert {fault.fault for fault in made.faults} == set(Fault)
    assert {lease.act for lease in made.leases} == {*Act, None}
    assert any(lease.wish for lease in made.leases)


def test_everything_that_is_planned_can_be_done() -> None:
    """The hands know each way in which a vendor or a network is planned to fail."""
    assert set(plan.ANSWERS) == set(hands.ANSWERS)
    assert set(plan.NETWORK) == set(Network) - {Network.SOUND}
    assert set(plan.SECONDS) == set(Fault)


def test_bound_without_a_fault_is_prompt() -> None:
    assert allowed() == PROMPTLY


def test_bound_of_one_fault_is_its_row() -> None:
    """From its end, or from when the removal was due, whichever is later."""
    assert allowed(happening(Fault.SERVER_KILLED, -1, 3, "server")) == timedelta(seconds=3) + SERVER
    assert allowed(happening(Fault.SERVER_KILLED, -8, -2, "server")) == SERVER
    assert allowed(happening(Fault.WORKER_KILLED, -1, 4, "both")) == timedelta(seconds=4) + WORKER
    assert allowed(happening(Fault.OKTA, -1, 9, "okta")) == timedelta(seconds=9) + PROVIDER
    assert allowed(happening(STALL, -1, 2)) == timedelta(seconds=2) + PROVIDER


def test_bound_takes_no_fault_that_was_over_and_has_left_nothing() -> None:
    assert allowed(happening(Fault.SERVER_KILLED, -30, -11, "server")) == PROMPTLY


def test_bound_takes_no_fault_that_began_when_the_member_had_to_be_gone() -> None:
    assert allowed(happening(Fault.SERVER_KILLED, 6, 9, "server")) == PROMPTLY


def test_bound_of_an_overlap_ends_with_one_allowance() -> None:
    """What was under way begins anew with the next fault; allowances are not added up."""
    chain = (happening(Fault.OKTA, -1, 6, "okta"), happening(Fault.SERVER_KILLED, 10, 13, "server"))
    assert allowed(*chain) == timedelta(seconds=13) + SERVER
    assert allowed(chain[1]) == PROMPTLY
    assert allowed(happening(Fault.OKTA, -1, 6, "okta"), happening(Fault.OKTA, 2, 3, "okta")) == timedelta(seconds=11)


def test_outage_of_the_engine_suspends_what_a_dead_worker_has_left() -> None:
    """The engine's timeouts do not run while it is away: a task that waits for a dead worker waits its full time after that."""
    killed = happening(Fault.WORKER_KILLED, -4, -2, "both")
    frozen = happening(Fault.SERVER_FROZEN, -1.5, 3, "server")
    assert allowed(killed, frozen) == timedelta(seconds=3) + WORKER
    long_ago = happening(Fault.WORKER_KILLED, -30, -20, "both")
    assert allowed(long_ago, frozen) == timedelta(seconds=3) + SERVER


@pytest.mark.parametrize("fault", [Fault.JIRA, Fault.BRIDGE_KILLED, Fault.WEBHOOKS, Fault.CLOCK])
def test_bound_by_the_clock_allows_nothing_for_what_no_removal_needs(fault: Fault) -> None:
    """Jira, the bridge, webhooks and a worker's clock hold up no end that is due."""
    assert allowed(happening(fault, -5, 30)) == PROMPTLY


def test_bound_of_a_word_on_the_ticket_allows_for_a_deaf_bridge() -> None:
    assert allowed(happening(Fault.BRIDGE_FROZEN, -1, 6, "bridge"), way=Way.TICKET) == timedelta(seconds=6) + HEARD
    assert allowed(happening(Fault.CLOCK, -1, 6), way=Way.TICKET) == HEARD


def test_bound_of_the_net_is_the_interval_of_the_reconciler() -> None:
    assert allowed(way=Way.NET) == EVERY + timedelta(seconds=30)


def test_killed_worker_is_relieved_by_another_one_at_once() -> None:
    """The time that its own restart takes is nobody's excuse while another worker is there."""
    killed = happening(Fault.WORKER_KILLED, 0, 6, "w1")
    assert relieved(killed, [killed]).ended_at == DUE
    frozen = happening(Fault.WORKER_FROZEN, -1, 4, "w2")
    assert relieved(killed, [killed, frozen]).ended_at == DUE + timedelta(seconds=4)
    longer = happening(Fault.WORKER_FROZEN, -1, 40, "w2")
    assert relieved(killed, [killed, longer]).ended_at == DUE + timedelta(seconds=6)
    both = happening(Fault.WORKER_KILLED, 0, 6, "both")
    assert relieved(both, [both]).ended_at == both.ended_at
