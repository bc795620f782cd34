"""What a sweep says on the control ticket when it is done, and to people when it had to do something."""

from datetime import UTC, datetime

from activities.ports import Pager, TicketSystem
from domain.canonical import KeyRing, SigningKey
from domain.errors import NightlatchError, SignatureRefusedError
from domain.freeze import seal_text, unseal_text
from domain.ids import ProviderInstance, TicketRef
from domain.paper import Alarm
from domain.signed import Signed
from domain.sweep import PROPERTY, SweepMemory, SweepReport, SweepWord
from domain.values import whole_millis

ALARM_KEY = "sweep"
MOST_HELD, MOST_STRANGERS = 120, 80
"""Together at most 26 KB of the 32 KB that a property holds, with the longest names there are usually."""


async def write_word(
    tickets: TicketSystem, control: TicketRef, keys: KeyRing, scribe: SigningKey, report: SweepReport
) -> None:
    """Say for each instance that it was looked at to the end; an instance that was not keeps its older word.

    Raises:
        VendorError: the control ticket did not take it.
    """
    standing = await read_word(tickets, control, keys)
    looked_at = dict(standing.looked_at) if standing is not None else {}
    word = SweepWord(ticket=control, looked_at=looked_at | _looked_at(report), memory=_short(report.memory))
    await tickets.write_property(control, PROPERTY, seal_text(Signed.seal(word, scribe)))


async def read_word(tickets: TicketSystem, control: TicketRef, keys: KeyRing) -> SweepWord | None:
    """The word that stands there; None where there is none that verifies.

    Raises:
        VendorError: the control ticket cannot be read.
    """
    text = (await tickets.read_properties(control, PROPERTY)).get(PROPERTY)
    try:
        word = unseal_text(text or "").open(SweepWord, keys)
    except SignatureRefusedError:
        return None
    return word if word.ticket.issue_id == control.issue_id else None


async def page_for(pager: Pager, control: TicketRef, report: SweepReport) -> str:
    """Wake people where the engine had left something, or something was left. Says why nobody was woken, if so."""
    ours = [each for each in report.removed if each.was_ours and each.proved_at is not None]
    if not ours and not report.faults:
        return ""
    told = [f"{len(ours)} that the engine had left were taken away"] if ours else []
    told += report.faults[:5]
    return await _page(
        pager,
        Alarm(key=ALARM_KEY, summary=f"sweep: {'; '.join(told)}"[:400], ticket=control.key, since=report.began_at),
    )


async def page_failure(pager: Pager, control: TicketRef, error: Exception) -> str:
    """Wake people for a run that came to no end."""
    summary = f"sweep: it failed, and ended nothing more: {type(error).__name__}"
    return await _page(
        pager, Alarm(key=ALARM_KEY, summary=summary, ticket=control.key, since=whole_millis(datetime.now(UTC)))
    )


async def _page(pager: Pager, alarm: Alarm) -> str:
    try:
        await pager.page(alarm)
    except NightlatchError as error:
        return f"nobody was paged: {error}"
    return ""


def _short(memory: SweepMemory) -> SweepMemory:
    """As much as fits into an issue property: what ends first, and who was seen first."""
    seen_first = sorted(memory.strangers.items(), key=lambda pair: pair[1])
    return SweepMemory(held=dict([*memory.held.items()][:MOST_HELD]), strangers=dict(seen_first[:MOST_STRANGERS]))


def _looked_at(report: SweepReport) -> dict[ProviderInstance, datetime]:
    if report.problems:
        return {}
    broken = {target.instance for target in report.targets if target.problem}
    return {target.instance: report.began_at for target in report.targets if target.instance not in broken}
