"""Freezing takes one person and lifting two: by processes over the sandbox's Jira, and by two of them at once over the double."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities.bundle import Keys
from activities.freeze import FreezeGate
from activities.key_files import write_new_keys
from activities.ports import TicketSystem
from activities.registry import load_keys
from activities.settings import FILE_VARIABLE, KeySettings, load_settings
from domain.catalogue import Catalogue
from domain.errors import InvalidInputError, MalformedError, RetryableError
from domain.freeze import PROPERTY
from domain.ids import TicketRef
from domain.ticket import TicketComment
from sandbox.client import SandboxClient
from starter.cli_output import CommandError
from starter.first_word import write_first_word
from starter.freezing import freeze
from starter.lifting import lift
from tests.e2e.cli_process import nightlatch
from tests.e2e.installation import commented, control_of, installed, tickets_of
from tests.fakes.tickets import FakeTickets
from tests.house import make_catalogue, make_keys
from tests.sandbox_process import SandboxProcess, running_sandbox
from tests.specs_gate import SPECS_AT_HAND, assert_official


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProcess]:
    async with running_sandbox(tmp_path_factory.mktemp("sandbox")) as process:
        yield process
        if SPECS_AT_HAND:
            await assert_official(process.base_url)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "keys"
    write_new_keys(folder)
    return folder


async def why_closed(env: dict[str, str]) -> str:
    """What keeps the judge of that installation from granting, as a worker that has just started reads it."""
    trusted = load_keys(KeySettings(trusted=Path(env["NIGHTLATCH_KEYS__TRUSTED"]))).trusted
    tickets = tickets_of(env)
    try:
        return await FreezeGate(tickets, control_of(env), trusted).why_closed(datetime.now(UTC))
    finally:
        await tickets.close()


async def set_up(monkeypatch: pytest.MonkeyPatch, env: dict[str, str]) -> str:
    """What `nightlatch setup` does about the word."""
    monkeypatch.delenv(FILE_VARIABLE, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return await write_first_word(load_settings())


async def test_freeze_by_one_person_is_lifted_by_two_operators(
    sandbox: SandboxProcess, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One operator and somebody who is none lift nothing, though they say the word; a second operator does."""
    env = await installed(sandbox, keys)
    control = control_of(env)
    await set_up(monkeypatch, env)
    assert await why_closed(env) == ""
    await commented(sandbox, "dave", control, "/unfreeze just in case")
    said = await nightlatch("freeze", "keys\x1b were\nleaked", "--by", "erin", "--json", env=env)
    assert (said.code, said.document["signed"]) == (0, True), said
    assert await why_closed(env) == "frozen by erin: keys were leaked"
    await commented(sandbox, "bob", control, "/unfreeze the keys are new")
    await commented(sandbox, "alice", control, "/unfreeze I need access")
    said = await nightlatch("unfreeze", env=env)
    assert (said.code, said.out) == (1, "")
    assert all(words in said.err for words in ("; bob has", "alice is no operator", "before what it is to answer"))
    assert await why_closed(env) == "frozen by erin: keys were leaked"
    await commented(sandbox, "carol", control, "/unfreeze I have seen them")
    said = await nightlatch("unfreeze", "--json", env=env)
    assert (said.code, said.document["lifted"], said.document["by"]) == (0, True, "bob and carol"), said
    assert await why_closed(env) == ""
    said = await nightlatch("unfreeze", env=env)
    assert (said.code, said.out) == (0, "SEC-1: not frozen\n"), said


async def test_freeze_without_a_key_freezes_too_and_no_setup_lifts_it(
    sandbox: SandboxProcess, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the installation's Jira login can freeze; lifting needs the judge's key, and the freeze outlives its word."""
    env = await installed(sandbox, keys)
    keyless = {name: value for name, value in env.items() if not name.endswith("JUDGE")}
    control = control_of(env)
    said = await nightlatch("freeze", "something is wrong", env=keyless)
    assert (said.code, "not signed, and freezing all the same: keys.judge is not set" in said.out) == (0, True), said
    assert "does not verify" in await why_closed(env)
    async with SandboxClient(sandbox.base_url) as administrator:
        await administrator.delete_jira_property(control.key, PROPERTY)
    with pytest.raises(CommandError, match=r"was removed\. Set-up lifts no freeze"):
        await set_up(monkeypatch, env)
    for name in ("carol", "dave"):
        await commented(sandbox, name, control, "/unfreeze it was a false alarm")
    said = await nightlatch("unfreeze", env=keyless)
    assert (said.code, "run this where that key is" in said.err) == (2, True), said
    assert "bears no freeze record" in await why_closed(env)
    said = await nightlatch("unfreeze", env=env)
    assert (said.code, "no longer frozen, by carol and dave" in said.out) == (0, True), said
    assert await why_closed(env) == ""


OPERATED: Catalogue = make_catalogue().model_copy(update={"operators": ("bob", "carol")})
WORDS = "/unfreeze it is over"


class Desk:
    """A control ticket in memory, frozen by erin; `beside` is another process's client of the same ticket system."""

    def __init__(self) -> None:
        self.keys: Keys = make_keys()
        self.tickets, self.beside = (FakeTickets(lambda: datetime.now(UTC)) for _ in range(2))
        self.beside._issues, self.beside._stamps = self.tickets._issues, self.tickets._stamps
        self.control: TicketRef = self.tickets.create(creator="carol", entitlement="", duration="", reason="control")

    async def freeze(self, tickets: TicketSystem | None = None, *, reason: str = "an incident") -> None:
        now = datetime.now(UTC)
        await freeze(tickets or self.tickets, self.control, self.keys.judge, by="erin", reason=reason, now=now)

    async def lift(self, keys: Keys | None = None, catalogue: Catalogue = OPERATED) -> bool:
        now = lambda: datetime.now(UTC)  # noqa: E731
        return await lift(self.tickets, self.control, keys or self.keys, catalogue, clock=now) is not None

    def consent(self) -> None:
        for person in ("bob", "carol"):
            self.tickets.comment_as(self.control, WORDS, person)

    async def why_closed(self) -> str:
        """As a worker reads it a second later: a lifting is dated after all that it answers, if by a moment of the future."""
        later = datetime.now(UTC) + timedelta(seconds=1)
        return await FreezeGate(self.tickets, self.control, self.keys.trusted).why_closed(later)


@pytest.fixture
async def desk() -> Desk:
    made = Desk()
    await made.freeze()
    return made


async def test_consents_are_used_up_by_a_lifting(desk: Desk) -> None:
    """What two people said about one freeze lifts no later one; they say it again."""
    desk.consent()
    assert await desk.lift()
    await desk.freeze()
    with pytest.raises(CommandError, match="nobody has"):
        await desk.lift()
    desk.consent()
    assert await desk.lift()
    assert await desk.why_closed() == ""


async def test_word_from_before_the_freeze_that_was_put_back_ends_none(desk: Desk) -> None:
    """A genuine word that allowed grants once: the freeze that was told of since then is still for two people to lift."""
    desk.consent()
    assert await desk.lift()
    allowed = desk.tickets.properties(desk.control)[PROPERTY]
    await asyncio.sleep(0.01)
    await desk.freeze()
    desk.tickets.properties(desk.control)[PROPERTY] = allowed
    with pytest.raises(CommandError, match="nobody has"):
        await desk.lift()


async def test_freeze_that_nobody_told_of_is_to_be_said_anew(desk: Desk) -> None:
    """A stranger made the word unreadable after a lifting: words that were said late about the old freeze lift nothing."""
    desk.consent()
    assert await desk.lift()
    desk.consent()
    desk.tickets.properties(desk.control)[PROPERTY] = "{}"
    with pytest.raises(CommandError, match="nobody can say since when it is frozen"):
        await desk.lift()
    await desk.freeze()
    with pytest.raises(CommandError, match="nobody has"):
        await desk.lift()


async def test_lifting_without_a_key_or_without_operators_is_refused_with_the_remedy(desk: Desk) -> None:
    """Whoever could not sign, and a catalogue that names nobody, lift nothing."""
    desk.consent()
    with pytest.raises(InvalidInputError, match="run this where that key is"):
        await desk.lift(Keys(desk.keys.trusted))
    with pytest.raises(InvalidInputError, match="names no operators"):
        await desk.lift(catalogue=make_catalogue())
    assert "frozen by erin" in await desk.why_closed()


@pytest.mark.parametrize("told_first", [True, False])
async def test_freeze_that_crosses_a_lifting_stands(desk: Desk, told_first: bool) -> None:
    """Whichever of the two writes last: the lifting finds the comment of the freeze, or the freeze finds its word replaced."""
    desk.consent()
    writing = desk.tickets.hold("write_property")
    lifting = asyncio.create_task(desk.lift())
    await writing.reached()
    telling = desk.beside.hold("comment")
    freezing = asyncio.create_task(desk.freeze(desk.beside, reason="another incident"))
    await telling.reached()
    if told_first:
        telling.release()
        await freezing
        writing.release()
        with pytest.raises(CommandError, match="it stays frozen"):
            await lifting
    else:
        writing.release()
        assert await lifting
        telling.release()
        await freezing
    assert await desk.why_closed() != ""
    with pytest.raises(CommandError, match="nobody has"):
        await desk.lift()


async def test_freeze_whose_comment_failed_is_told_as_a_failure_and_freezes(desk: Desk) -> None:
    """Whoever was not told of it is not to believe that all is well; doing it again is safe."""
    desk.consent()
    assert await desk.lift()
    desk.tickets.fail("comment", RetryableError("503"))
    with pytest.raises(RetryableError):
        await desk.freeze()
    assert "frozen by erin" in await desk.why_closed()
    await desk.freeze()


class Meddled(FakeTickets):
    """Where somebody puts a word back whenever it was replaced."""

    word = ""

    async def comment(self, ticket: TicketRef, text: str, marker: str) -> TicketComment:
        posted = await super().comment(ticket, text, marker)
        self.properties(ticket)[PROPERTY] = self.word
        return posted


async def test_freeze_that_is_undone_each_time_is_told_as_a_failure(desk: Desk) -> None:
    """Nobody believes that it is frozen where another word stands in the end; the ticket tells of one freeze, not of three."""
    desk.consent()
    assert await desk.lift()
    meddled = Meddled(lambda: datetime.now(UTC))
    meddled.word = desk.tickets.properties(desk.control)[PROPERTY]
    meddled._issues, meddled._stamps = desk.tickets._issues, desk.tickets._stamps
    before = len(desk.tickets.comments(desk.control))
    with pytest.raises(MalformedError, match="another word stands there"):
        await desk.freeze(meddled, reason="another incident")
    assert len(desk.tickets.comments(desk.control)) == before + 1
