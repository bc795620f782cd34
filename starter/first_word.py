"""The first word about the freeze on the control ticket: not frozen. It is written where none ever stood, and lifts no freeze."""

from datetime import UTC, datetime

from activities.bundle import Keys
from activities.integrations.jira_tickets import JiraTickets
from activities.ports import TicketSystem
from activities.registry import load_keys
from activities.settings import Settings
from domain.errors import FrozenError, InvalidInputError
from domain.freeze import PROPERTY, FreezeWord, announcements, read_freeze, refuse_if_frozen, seal_text
from domain.ids import TicketRef
from domain.signed import Signed
from domain.values import whole_millis
from starter.cli_output import CommandError, ExitCode
from starter.freezing import word_on


async def write_first_word(settings: Settings) -> str:
    """Write the word and read it back, unless one stands there that allows grants; say what was done.

    Raises:
        CommandError: a word that freezes or does not verify stands there, or stood there and is gone: that is for two people
            to lift, not for set-up.
        InvalidInputError: the keys are not configured here, or not usable.
    """
    keys = load_keys(settings.keys)
    tickets = JiraTickets(settings.jira)
    try:
        standing = await word_on(tickets, settings.control_ticket)
        if standing is None:
            await _refuse_if_one_is_gone(tickets, settings.control_ticket)
            return await _write(tickets, settings, keys)
        try:
            _check(standing, settings.control_ticket, keys)
        except FrozenError as frozen:
            raise CommandError(f"left as it is: {frozen}. Set-up lifts no freeze; {_TWO}", ExitCode.REFUSED) from None
        return f"{settings.control_ticket.key} already says that grants are allowed"
    finally:
        await tickets.close()


_TWO = "two people do, and `nightlatch unfreeze`"


async def _refuse_if_one_is_gone(tickets: TicketSystem, control: TicketRef) -> None:
    """Whoever may edit the control ticket can remove the word; what was told of it stands in the comments."""
    view = await tickets.read(control)
    if announcements(view.comments, tickets.rules.own_account):
        message = f"the freeze record of {control.key} was removed. Set-up lifts no freeze; {_TWO}"
        raise CommandError(message, ExitCode.REFUSED)


async def _write(tickets: TicketSystem, settings: Settings, keys: Keys) -> str:
    control = settings.control_ticket
    if keys.judge is None:
        raise InvalidInputError("keys.judge is not set: the first freeze word is signed with the judge's key")
    word = FreezeWord(ticket=control, frozen=False, by="nightlatch setup", at=whole_millis(datetime.now(UTC)))
    await tickets.write_property(control, PROPERTY, seal_text(Signed.seal(word, keys.judge)))
    try:
        _check(await word_on(tickets, control), control, keys)
    except FrozenError as frozen:
        raise CommandError(f"the word was written and does not hold: {frozen}", ExitCode.REFUSED) from None
    return f"wrote the first freeze word (not frozen) on {control.key}, signed by {keys.judge.public.key_id}"


def _check(text: str | None, control: TicketRef, keys: Keys) -> None:
    word = read_freeze(text, control, keys.trusted, datetime.now(UTC))
    refuse_if_frozen(word, word.at)
