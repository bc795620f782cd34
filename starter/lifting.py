"""Lifting a freeze: verified and signed where the judge's key is, and only when two operators have asked for it on the control ticket."""

from collections.abc import Callable
from datetime import datetime, timedelta

from activities.bundle import Keys
from activities.ports import TicketSystem
from domain.canonical import SigningKey, digest
from domain.catalogue import Catalogue
from domain.errors import FrozenError, InvalidInputError
from domain.freeze import (
    LIFTED,
    PROPERTY,
    FreezeWord,
    announcements,
    frozen_since,
    read_freeze,
    refuse_if_frozen,
    seal_text,
)
from domain.ids import TicketRef
from domain.signed import Signed
from domain.ticket import TicketView
from domain.two_people import TwoPeopleVerdict, judge_two_people
from domain.values import render_instant, whole_millis
from starter.cli_output import CommandError, ExitCode
from starter.freezing import MAX_REASON, freeze, one_line, word_on

COMMAND = "/unfreeze"


async def lift(
    tickets: TicketSystem, control: TicketRef, keys: Keys, catalogue: Catalogue, *, clock: Callable[[], datetime]
) -> FreezeWord | None:
    """The word that lifts the freeze, as it stands on the control ticket now; None when nothing is frozen.

    Raises:
        CommandError: it is not lifted, and the message says why and what to do.
        InvalidInputError: the judge's key is not here, or the catalogue names no operators.
        VendorError: the control ticket cannot be read or written.
    """
    if keys.judge is None:
        raise InvalidInputError(
            "keys.judge is not set: a lifting is signed with the judge's key; run this where that key is"
        )
    if not catalogue.operators:
        raise InvalidInputError(
            "the catalogue names no operators, so that nobody may lift a freeze; write `operators: [<person>, <person>]` in it"
        )
    text = await word_on(tickets, control)
    view = await tickets.read(control)
    since = _since(text, view, keys, tickets.rules.own_account, clock())
    if since is None:
        return None
    verdict = judge_two_people(
        view.comments, COMMAND, catalogue, own_account=tickets.rules.own_account, since=since, now=view.read_at
    )
    if not verdict.holds:
        raise _refused(control, verdict, since)
    word = _word(control, verdict, since, clock())
    await tickets.write_property(control, PROPERTY, seal_text(Signed.seal(word, keys.judge)))
    await tickets.comment(control, _comment(word, verdict), LIFTED + digest(word)[7:19])
    await _look_again(tickets, view, word, keys, keys.judge, clock)
    return word


def _since(text: str | None, view: TicketView, keys: Keys, own_account: str, now: datetime) -> datetime | None:
    try:
        word = read_freeze(text, view.ref, keys.trusted, now)
    except FrozenError:
        word = None
    try:
        return frozen_since(word, announcements(view.comments, own_account))
    except FrozenError as frozen:
        raise CommandError(f"{view.ref.key}: {frozen}: nightlatch freeze REASON", ExitCode.REFUSED) from frozen


def _word(control: TicketRef, verdict: TwoPeopleVerdict, since: datetime, now: datetime) -> FreezeWord:
    """Dated after everything that it answers, whatever this machine's clock says: an older word lifts nothing."""
    reason = one_line("; ".join(consent.reason for consent in verdict.consents), MAX_REASON)
    at = max(whole_millis(now), since + timedelta(milliseconds=1))
    return FreezeWord(ticket=control, frozen=False, by=verdict.by, at=at, reason=reason)


def _comment(word: FreezeWord, verdict: TwoPeopleVerdict) -> str:
    said = ", ".join(f"{consent.person} in comment {consent.comment_id}" for consent in verdict.consents)
    return f"No longer frozen, by {word.by}: {word.reason}\n\nAccess may be granted again. It was asked for by {said}."


async def _look_again(
    tickets: TicketSystem,
    before: TicketView,
    word: FreezeWord,
    keys: Keys,
    judge: SigningKey,
    clock: Callable[[], datetime],
) -> None:
    """Return when the word holds, and nobody froze anew since the consents were read: that freeze is put back.

    Raises:
        CommandError: it is frozen all the same.
    """
    view, own = await tickets.read(before.ref), tickets.rules.own_account
    known = {told.comment_id for told in announcements(before.comments, own)}
    if any(told.frozen and told.comment_id not in known for told in announcements(view.comments, own)):
        reason = "somebody froze while an earlier freeze was being lifted"
        await freeze(tickets, before.ref, judge, by="nightlatch unfreeze", reason=reason, now=clock())
        raise CommandError(f"{before.ref.key}: {reason}; it stays frozen", ExitCode.REFUSED)
    try:
        # A clock that is behind the ticket system's makes no word of the future of one that was dated after a comment.
        standing = read_freeze(await word_on(tickets, before.ref), before.ref, keys.trusted, max(clock(), word.at))
        refuse_if_frozen(standing, word.at)
    except FrozenError as frozen:
        raise CommandError(f"the word was written and does not hold: {frozen}", ExitCode.REFUSED) from frozen


def _refused(control: TicketRef, verdict: TwoPeopleVerdict, since: datetime) -> CommandError:
    message = f"{control.key} stays frozen: {verdict.lacking(COMMAND, since)}"
    facts = verdict.model_dump(mode="json") | {"frozen": True, "since": render_instant(since)}
    return CommandError(message, ExitCode.REFUSED, **facts)
