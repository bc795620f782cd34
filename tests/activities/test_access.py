"""What the activities with the vendor credential promise, one attempt at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.access import AccessActivities
from domain.errors import ForbiddenError, OutcomeUnknownError, RateLimitedError, RetryableError
from domain.lease_messages import GrantInput, LookResult, ObserveInput, ObserveResult, PairInput
from domain.warrant import WarrantKind
from domain.witness import Observation, Presence, Receipt, SessionsEnded, sessions_action
from tests.activities.office import LEASE, OURS, RUN, Office
from tests.fakes.providers import SMALL_CAPABILITIES, FakeAccessProvider
from workflows.options import HEARTBEAT_TIMEOUT, START_TO_CLOSE

CALLS = {
    "look_before_grant": "preflight",
    "grant_access": "grant",
    "prolong_access": "verify",
    "revoke_access": "revoke",
    "observe_access": "verify",
    "end_sessions": "end_sessions",
}
"""For each activity a call of the port at which a test can hold it."""


def activity_of(access: AccessActivities, name: str) -> Callable[[Any], Awaitable[Any]]:
    return getattr(access, name)  # type: ignore[no-any-return]


def seen(result: LookResult | ObserveResult, office: Office) -> Observation:
    return result.observation.open(Observation, office.keys.trusted)


async def request_for(office: Office, name: str) -> PairInput | GrantInput:
    if name == "grant_access":
        return await office.armed()
    if name == "prolong_access":
        return await prolonging(office)
    pair = await office.pair()
    return ObserveInput(order=pair.order) if name == "observe_access" else pair


async def prolonging(office: Office) -> GrantInput:
    armed = await office.armed()
    office.provider.add_by_hand(armed.order.grantee.target, armed.order.grantee.subject)
    return office.forge(armed, office.judge_key, kind=WarrantKind.PROLONG)


@pytest.mark.parametrize("name", sorted(CALLS))
async def test_provider_activity_beats_while_the_vendor_is_slow(office: Office, name: str) -> None:
    """Every provider activity heartbeats well within its timeout, so that a dead worker is noticed within seconds."""
    request = await request_for(office, name)
    gate = office.provider.hold(CALLS[name])
    environment, beats = office.caller(), 0

    def count(*_details: object) -> None:
        nonlocal beats
        beats += 1

    environment.on_heartbeat = count
    running = asyncio.ensure_future(environment.run(activity_of(office.access, name), request))
    await gate.reached()
    async with asyncio.timeout(HEARTBEAT_TIMEOUT.total_seconds()):
        while beats < 2:
            await asyncio.sleep(0.02)
    gate.release()
    await running


async def test_observation_bears_the_engines_time_whatever_this_host_believes(office: Office) -> None:
    """A wrong worker clock moves no instant: what is signed comes from the server's start of the attempt."""
    request = ObserveInput(order=(await office.pair()).order)
    office.at = datetime(2044, 1, 1, tzinfo=UTC)
    look = seen(await office.call(office.access.observe_access, request), office)
    assert timedelta(0) <= look.observed_at - office.at < timedelta(seconds=5)


async def test_vendor_clock_far_off_refuses_the_grant(office: Office) -> None:
    """When the vendor's clock and the engine's differ by more than 30 s, the look says that grants stop."""
    request = await office.pair()
    began, office.at = office.at, office.at + timedelta(seconds=40)
    environment = office.caller()
    environment.info = replace(environment.info, started_time=began)
    result = await environment.run(office.access.look_before_grant, request)
    assert any("clock" in reason for reason in result.refusals)


async def test_rate_limit_sets_the_delay_of_the_next_attempt(office: Office) -> None:
    """A 429's own delay becomes the engine's next retry delay, and the failure stays retryable."""
    request = await office.pair()
    office.provider.fail("revoke", RateLimitedError("slow down", delay=timedelta(seconds=17)))
    with pytest.raises(ApplicationError) as caught:
        await office.call(office.access.revoke_access, request)
    assert caught.value.next_retry_delay == timedelta(seconds=17)
    assert (caught.value.type, caught.value.non_retryable) == ("RateLimited", False)


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (ForbiddenError("no"), True),
        (RetryableError("later"), False),
        (OutcomeUnknownError("lost"), False),
        (RateLimitedError("slow", delay=None), False),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_grant_gives_up_only_on_what_a_second_attempt_cannot_mend(
    office: Office, error: Exception, *, final: bool
) -> None:
    """A refusal ends the granting at once; whatever may pass by itself is tried again."""
    request = await office.armed()
    office.provider.fail("grant", error)
    with pytest.raises(ApplicationError) as caught:
        await office.call(office.access.grant_access, request)
    assert caught.value.non_retryable is final


async def test_vendor_request_id_travels_with_the_failure(office: Office) -> None:
    """The vendor's own id of a failed call stands in the history, for the vendor's support."""
    request = ObserveInput(order=(await office.pair()).order)
    office.provider.fail("verify", RetryableError("later", vendor_request_id="req-77"))
    with pytest.raises(ApplicationError) as caught:
        await office.call(office.access.observe_access, request)
    assert caught.value.details == ("req-77",)


@pytest.mark.parametrize("name", ["grant_access", "revoke_access"])
async def test_attempt_past_its_send_window_sends_nothing(office: Office, name: str) -> None:
    """An attempt that could outlive its timeout does not send: no write lands behind its fence."""
    request = await request_for(office, name)
    environment = office.caller()
    environment.info = replace(environment.info, start_to_close_timeout=SMALL_CAPABILITIES.client_timeout)
    with pytest.raises(ApplicationError, match="not sent") as caught:
        await environment.run(activity_of(office.access, name), request)
    assert not caught.value.non_retryable
    assert not [entry for entry in office.provider.ledger if entry.action in {"added", "removed"}]


async def test_attempt_that_an_operator_gave_an_hour_sends_no_longer_than_before(office: Office) -> None:
    """The fence is built on the kernel's own start-to-close: options that were changed from outside widen no window."""
    request = await office.pair()
    environment = office.caller()
    environment.info = replace(environment.info, start_to_close_timeout=timedelta(hours=1))
    office.provider.capabilities = SMALL_CAPABILITIES.model_copy(update={"client_timeout": START_TO_CLOSE})
    with pytest.raises(ApplicationError, match="not sent"):
        await environment.run(office.access.revoke_access, request)
    assert not [entry for entry in office.provider.ledger if entry.action == "removed"]


async def test_revoke_that_reads_back_present_is_no_success(office: Office) -> None:
    """The vendor's acknowledgement is not believed: while the read-back says present, the attempt has failed."""
    request = await office.pair()
    pair = request.order.grantee.target, request.order.grantee.subject

    class Deaf(FakeAccessProvider):
        def _remove(self, *_pair: object) -> None:
            return

    deaf = Deaf(clock=office.now)
    deaf.make_group("00gadmin")
    deaf.make_user("00ualice", "alice@example.com")
    deaf.add_by_hand(*pair)
    with pytest.raises(ApplicationError, match="read back present"):
        await office.call(office.access_over(deaf).revoke_access, request)


async def test_unknown_read_back_is_no_proof_of_removal(office: Office) -> None:
    """A look that can tell neither way never ends a removal."""
    request = await office.pair()
    gate = office.provider.hold("revoke", "after")
    running = asyncio.ensure_future(office.call(office.access.revoke_access, request))
    await gate.reached()
    office.provider.delete_group(request.order.grantee.target)
    gate.release()
    with pytest.raises(ApplicationError, match="read back unknown"):
        await running


async def test_grant_that_reads_back_absent_is_no_success(office: Office) -> None:
    """A grant counts when the pair is read back present, not when the vendor says thanks."""
    request = await office.armed()
    gate = office.provider.hold("grant", "after")
    running = asyncio.ensure_future(office.call(office.access.grant_access, request))
    await gate.reached()
    office.provider.remove_by_hand(request.order.grantee.target, request.order.grantee.subject)
    gate.release()
    with pytest.raises(ApplicationError, match="read back absent"):
        await running


async def test_failed_session_end_does_not_hold_up_the_removal(office: Office) -> None:
    """Sessions are ended beside the removal: when that fails, the removal is proved all the same and says so."""
    request = await office.pair()
    office.provider.fail("end_sessions", ForbiddenError("no scope"))
    result = await office.call(office.access.revoke_access, request)
    assert result.sessions is SessionsEnded.FAILED
    assert "no scope" in result.sessions_note
    assert result.observation.open(Observation, office.keys.trusted).presence is Presence.ABSENT


async def test_failed_session_end_alone_is_tried_again(office: Office) -> None:
    """The second ending of sessions has no such excuse: a failure stays a failure, and is retried."""
    request = await office.pair()
    office.provider.fail("end_sessions", ForbiddenError("no scope"))
    with pytest.raises(ApplicationError) as caught:
        await office.call(office.access.end_sessions, request)
    assert not caught.value.non_retryable


async def test_second_look_ends_sessions_once_the_pair_is_seen_absent(office: Office) -> None:
    """What was issued in the meantime ends with the look, by a witness's word; not while the pair is there, and unasked never."""
    order = (await office.pair()).order
    last_look = ObserveInput(order=order, then_end_sessions=True)
    looked = await office.call(office.access.observe_access, last_look)
    assert looked.sessions is not None
    assert looked.sessions.receipt is not None
    receipt = looked.sessions.receipt.open(Receipt, office.keys.trusted)
    assert (looked.sessions.sessions, receipt.action) == (SessionsEnded.ENDED, sessions_action(SessionsEnded.ENDED))
    assert [entry.action for entry in office.provider.ledger][-2:] == ["looked", "sessions_ended"]
    office.provider.ledger.clear()
    assert (await office.call(office.access.observe_access, ObserveInput(order=order))).sessions is None
    office.provider.add_by_hand(order.grantee.target, order.grantee.subject)
    looked = await office.call(office.access.observe_access, last_look)
    assert (looked.sessions, seen(looked, office).presence) == (None, Presence.PRESENT)
    assert "sessions_ended" not in [entry.action for entry in office.provider.ledger]


@pytest.mark.parametrize("error", [ForbiddenError("no scope"), ZeroDivisionError("a defect of ours")])
async def test_failed_session_end_does_not_fail_the_second_look(office: Office, error: Exception) -> None:
    """Removal proved and sessions late are two things: the look stands, and says unsigned what became of the sessions."""
    request = ObserveInput(order=(await office.pair()).order, then_end_sessions=True)
    office.provider.fail("end_sessions", error)
    looked = await office.call(office.access.observe_access, request)
    assert seen(looked, office).presence is Presence.ABSENT
    assert looked.sessions is not None
    assert (looked.sessions.sessions, looked.sessions.receipt) == (SessionsEnded.FAILED, None)
    assert str(error) in looked.sessions.note


async def test_ending_of_sessions_that_hangs_does_not_lengthen_the_second_look(office: Office) -> None:
    """It has what is left of the time in which this attempt may send; the look is not done again for its sake."""
    request = ObserveInput(order=(await office.pair()).order, then_end_sessions=True)
    office.provider.capabilities = SMALL_CAPABILITIES
    gate = office.provider.hold("end_sessions")
    environment = office.caller()
    short = SMALL_CAPABILITIES.client_timeout + timedelta(seconds=0.3)
    environment.info = replace(environment.info, start_to_close_timeout=short)
    async with asyncio.timeout(short.total_seconds()):
        looked = await environment.run(office.access.observe_access, request)
    gate.release()
    assert seen(looked, office).presence is Presence.ABSENT
    assert looked.sessions is not None
    assert looked.sessions.sessions is SessionsEnded.FAILED


async def test_receipt_counts_the_attempt(office: Office) -> None:
    """A receipt tells at which attempt the vendor took the write: an earlier one may still land."""
    request = await office.pair()
    result = await office.caller(attempt=3).run(office.access.revoke_access, request)
    assert result.receipt is not None
    receipt = result.receipt.open(Receipt, office.keys.trusted)
    assert (receipt.attempt, receipt.action, receipt.lease_id, receipt.run_id) == (3, "revoke", LEASE, RUN)


async def test_standing_access_is_not_called_our_own(office: Office) -> None:
    """A member that no run of this lease has added is standing: the look says present and not own."""
    request = await office.pair()
    office.provider.add_by_hand(request.order.grantee.target, request.order.grantee.subject)
    look = seen(await office.call(office.access.look_before_grant, request), office)
    assert (look.presence, look.own) == (Presence.PRESENT, False)


async def test_reset_run_knows_the_access_as_its_own(office: Office) -> None:
    """A run that is not the first of its lease takes what it finds for its own, by the engine's word."""
    request = await office.pair()
    office.provider.add_by_hand(request.order.grantee.target, request.order.grantee.subject)
    office.runs.told[RUN] = OURS.model_copy(update={"follows_another": True})
    look = seen(await office.call(office.access.look_before_grant, request), office)
    assert look.own


@pytest.mark.parametrize("name", ["look_before_grant", "trace_run", "revoke_access", "observe_access", "end_sessions"])
@pytest.mark.parametrize("lease", [None, "request:example/1", LEASE.replace("alice", "bob")])
async def test_activity_vouches_for_nobody_but_its_caller(office: Office, name: str, lease: str | None) -> None:
    """Started on its own or by another workflow, an activity signs nothing in the name of a lease, and sends nothing."""
    request = await office.pair()
    with pytest.raises(ApplicationError, match="spoke for"):
        await office.call(activity_of(office.access, name), request, lease)
    assert office.provider.ledger == []


async def test_trace_of_a_reset_run_asks_the_engine_alone(office: Office) -> None:
    """Whether an earlier run may have added access is the engine's word; a ticket system that is down delays it by nothing."""
    request = await office.pair()
    office.runs.told[RUN] = OURS.model_copy(update={"follows_another": True})
    office.tickets.down()
    office.provider.fail("verify", RetryableError("down"))
    look = seen(await office.call(office.access.trace_run, request), office)
    assert (look.own, look.presence) == (True, Presence.UNKNOWN)


async def test_trace_finds_access_that_the_engine_has_forgotten(office: Office) -> None:
    """Set back to before the grant, the engine knows of none; the ticket's `armed` record does, and the provider shows the pair."""
    armed = await office.armed()
    target, subject = armed.order.grantee.target, armed.order.grantee.subject
    request = PairInput(order=armed.order)
    assert not seen(await office.call(office.access.trace_run, request), office).own
    office.provider.add_by_hand(target, subject)
    assert seen(await office.call(office.access.trace_run, request), office).own
    office.provider.fail("verify", RetryableError("down"))
    assert seen(await office.call(office.access.trace_run, request), office).own


async def test_trace_calls_nothing_its_own_that_was_never_armed(office: Office) -> None:
    """A standing member who is refused stays, also when their ticket is deleted meanwhile."""
    request = await office.pair()
    office.provider.add_by_hand(request.order.grantee.target, request.order.grantee.subject)
    assert not seen(await office.call(office.access.trace_run, request), office).own
    office.tickets.delete(request.order.ticket)
    assert not seen(await office.call(office.access.trace_run, request), office).own


async def test_access_behind_an_armed_record_of_this_ticket_is_own(office: Office) -> None:
    """A second lease on the ticket takes what it finds for the first one's, which was armed only where nothing stood."""
    armed = await office.armed()
    office.provider.add_by_hand(armed.order.grantee.target, armed.order.grantee.subject)
    request = PairInput(order=armed.order)
    look = seen(await office.call(office.access.look_before_grant, request, LEASE, "run-2"), office)
    assert look.own


async def test_unknown_instance_is_named_and_never_ends_a_removal(office: Office) -> None:
    """A provider that is not configured refuses a grant for good; a removal goes on being tried until it is."""
    request = await office.pair()
    target = request.order.grantee.target.model_copy(update={"instance": "okta/gone"})
    subject = request.order.grantee.subject.model_copy(update={"instance": "okta/gone"})
    grantee = request.order.grantee.model_copy(update={"target": target, "subject": subject})
    elsewhere = PairInput(order=request.order.model_copy(update={"grantee": grantee}))
    lease_id = str(grantee.lease_id)
    for function, final in ((office.access.look_before_grant, True), (office.access.revoke_access, False)):
        with pytest.raises(ApplicationError, match="okta/gone") as caught:
            await office.call(activity_of(office.access, function.__name__), elsewhere, lease_id)
        assert caught.value.non_retryable is final
