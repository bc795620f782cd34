"""What tests of the kernel rely on in the provider double beyond the port: gates, late effects, failures, deadlines."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import OutcomeUnknownError, RetryableError
from domain.ids import SubjectRef, TargetRef
from domain.witness import Presence
from tests.contract.vendors import open_window, warrant_for
from tests.fakes.providers import FakeAccessProvider
from tests.fakes.script import When


@pytest.fixture
def fake() -> FakeAccessProvider:
    return FakeAccessProvider()


@pytest.fixture
def target(fake: FakeAccessProvider) -> TargetRef:
    return fake.make_group("group")


@pytest.fixture
def subject(fake: FakeAccessProvider) -> SubjectRef:
    return fake.make_user("user", "user@example.com")


@pytest.mark.parametrize(("when", "landed"), [("before", False), ("after", True)])
async def test_gate_holds_a_call_on_either_side_of_its_effect(
    fake: FakeAccessProvider, target: TargetRef, subject: SubjectRef, when: When, landed: bool
) -> None:
    """A held call has taken effect or not, as the test says, and goes on when released."""
    gate = fake.hold("grant", when)
    async with asyncio.TaskGroup() as tasks:
        grant = tasks.create_task(fake.grant(warrant_for(target, subject), open_window()))
        await gate.reached()
        assert fake.is_member(target, subject) is landed
        assert not grant.done()
        gate.release()
    assert fake.is_member(target, subject)


async def test_late_write_lands_after_its_caller_was_told_nothing(
    fake: FakeAccessProvider, target: TargetRef, subject: SubjectRef
) -> None:
    """The zombie write: an unknown outcome first, the effect later, once."""
    fake.land_late("grant", timedelta(seconds=0.05))
    with pytest.raises(OutcomeUnknownError):
        await fake.grant(warrant_for(target, subject), open_window())
    assert not fake.is_member(target, subject)
    await fake.settle()
    assert fake.is_member(target, subject)
    await fake.revoke(target, subject, open_window())
    assert [entry.action for entry in fake.ledger] == ["added", "removed"]


async def test_failure_lasts_as_often_as_told(fake: FakeAccessProvider, target: TargetRef, subject: SubjectRef) -> None:
    """A failed call has no effect, and the next one succeeds."""
    fake.fail("revoke", RetryableError("down"), times=2)
    fake.add_by_hand(target, subject)
    for _ in range(2):
        with pytest.raises(RetryableError):
            await fake.revoke(target, subject, open_window())
        assert fake.is_member(target, subject)
    await fake.revoke(target, subject, open_window())
    assert not fake.is_member(target, subject)


async def test_native_deadline_ends_access_by_the_vendors_clock() -> None:
    """With native expiry the vendor removes by itself at the instant it was told, no sooner; prolonging moves it."""
    now = datetime.now(UTC)
    clock = [now]
    fake = FakeAccessProvider(clock=lambda: clock[0], native_expiry=True)
    target, subject = fake.make_group("group"), fake.make_user("user", "user@example.com")
    warrant = warrant_for(target, subject)
    await fake.grant(warrant, open_window())
    later = warrant.model_copy(update={"expires_at": warrant.expires_at + timedelta(hours=1)})
    await fake.prolong(later, open_window())
    clock[0] = later.expires_at - timedelta(milliseconds=1)
    assert fake.is_member(target, subject)
    clock[0] = later.expires_at
    assert (await fake.verify(target, subject)).presence is Presence.ABSENT
    assert fake.ledger[1].action == "removed"
    assert fake.ledger[1].at == later.expires_at
