"""One pair taken away without the engine: removed, its sessions ended, seen absent twice, and told on its ticket."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from activities.bundle import Keys
from activities.evidence import marker_of
from activities.ports import AccessProvider, Look, SessionsReceipt, TicketSystem
from activities.records import TicketRecords
from activities.send_window import LONGEST_ATTEMPT, SendWindow
from domain.drift import Finding
from domain.errors import NotFoundError, RateLimitedError, RetryableError, VendorError
from domain.evidence import RecordKind
from domain.ids import LeaseId, TicketRef
from domain.ledger import Claim
from domain.paper import Fact
from domain.signed import Signed
from domain.sweep import Removed
from domain.values import whole_millis
from domain.watch import WatchedTarget
from domain.witness import Observation, Presence, Receipt, SessionsEnded, sessions_action
from workflows.words import minute

PAUSE = timedelta(seconds=2)
NO_RUN = "sweep"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Taken:
    """What was seen and answered while a pair went."""

    first: Look
    second: Look
    sessions: SessionsReceipt


async def take_away(provider: AccessProvider, pair: LeaseId, *, fence: timedelta, patience: timedelta) -> Taken:
    """Remove the pair and prove it: absent, and absent again when nothing can land any more that was sent before.

    `fence`: how long an attempt of somebody else's may still be under way.

    Raises:
        VendorError: it was not, within `patience`.
    """
    until = asyncio.get_running_loop().time() + patience.total_seconds()
    able = provider.capabilities

    async def removed() -> Look:
        window = SendWindow(LONGEST_ATTEMPT - able.client_timeout)
        await provider.revoke(pair.target, pair.subject, window)
        look = await provider.verify(pair.target, pair.subject)
        if look.presence is not Presence.ABSENT:
            raise RetryableError(f"read back {look.presence} after the removal ({look.note or 'no note'})")
        return look

    async def sessions() -> SessionsReceipt:
        window = SendWindow(LONGEST_ATTEMPT - able.client_timeout)
        receipt = await provider.end_sessions(pair.target, pair.subject, window)
        if receipt.achieved is SessionsEnded.FAILED:
            raise RetryableError(f"the sessions were not ended: {receipt.note}")
        return receipt

    while True:
        first = await _again_and_again(removed, until)
        await asyncio.sleep((fence + max(able.read_lag, able.landing_lag)).total_seconds())
        second = await _again_and_again(lambda: provider.verify(pair.target, pair.subject), until)
        if second.presence is Presence.ABSENT:
            return Taken(first, second, await _again_and_again(sessions, until))


async def _again_and_again(call: Callable[[], Awaitable[Result]], until: float) -> Result:
    loop = asyncio.get_running_loop()
    while True:
        try:
            return await call()
        except VendorError as error:
            wish = error.delay if isinstance(error, RateLimitedError) else None
            pause = (wish or PAUSE).total_seconds()
            if loop.time() + pause > until:
                raise
            await asyncio.sleep(pause)


class SweepPaper:
    """Tells a removal on the pair's ticket, or on the control ticket where none stands. Nothing waits for it to be told."""

    def __init__(self, tickets: TicketSystem, records: TicketRecords, control: TicketRef, keys: Keys) -> None:
        self._tickets = tickets
        self._records = records
        self._control = control
        self._keys = keys

    async def tell(self, target: WatchedTarget, finding: Finding, claim: Claim | None, taken: Taken) -> Removed:
        """What was done, as it was told.

        Raises:
            VendorError: the ticket system did not take it.
        """
        ticket = claim.ticket if claim is not None else self._control
        removed_at, proved_at = _seen_at(taken.first), _seen_at(taken.second)
        try:
            await self._write(ticket, target, finding, claim, taken)
        except NotFoundError:
            ticket = self._control
            await self._write(ticket, target, finding, claim, taken)
        if claim is not None and ticket != self._control:
            await self._tickets.set_fields(
                ticket, state=f"Removed: {target.name}", active_from=None, active_until=removed_at
            )
        return Removed(
            lease_id=finding.lease_id,
            ticket=ticket.key,
            was_ours=finding.was_ours,
            removed_at=removed_at,
            proved_at=proved_at,
            sessions=taken.sessions.achieved,
        )

    async def _write(
        self, ticket: TicketRef, target: WatchedTarget, finding: Finding, claim: Claim | None, taken: Taken
    ) -> None:
        writer = f"sweep/{finding.lease_id}"
        facts = self._facts(finding, claim.run_id if claim is not None else NO_RUN, taken)
        if facts and self._keys.scribe is not None:
            await self._records.append_newest(ticket, writer, facts, self._keys.scribe)
        words = (
            f"The sweep took away {target.name} at {target.ref.instance} from {LeaseId.parse(finding.lease_id).subject}: "
            f"{finding.kind}. Observed absent at {minute(_seen_at(taken.first))} and again at {minute(_seen_at(taken.second))}."
        )
        marker = marker_of(writer, f"{finding.run_id}/{_seen_at(taken.first)}")
        await self._tickets.comment(ticket, words, marker)

    def _facts(self, finding: Finding, run_id: str, taken: Taken) -> tuple[Fact, ...]:
        """The records, with the witness's own words in them; none where this process holds no witness's key."""
        witness = self._keys.witness
        if witness is None:
            return ()
        looks = [
            Signed.seal(_observation(finding.lease_id, run_id, look), witness) for look in (taken.first, taken.second)
        ]
        ended = Receipt(
            lease_id=finding.lease_id,
            run_id=run_id,
            action=sessions_action(taken.sessions.achieved),
            acknowledged_at=_seen_at(taken.second),
        )
        told: list[tuple[RecordKind, Signed, dict[str, object]]] = [
            (RecordKind.REMOVED, looks[0], {}),
            (RecordKind.PROVED, looks[1], {"turns": 1}),
            (
                RecordKind.SESSIONS_ENDED,
                Signed.seal(ended, witness),
                {"achieved": str(taken.sessions.achieved), "note": taken.sessions.note[:160]},
            ),
        ]
        now = whole_millis(datetime.now(UTC))
        return tuple(
            Fact(
                fact_id=f"{kind}/{sealed.signature.value[:32]}",
                kind=kind,
                at=now,
                facts={"run": run_id, **facts},
                witness=(sealed,),
            )
            for kind, sealed, facts in told
        )


def _observation(lease_id: str, run_id: str, look: Look) -> Observation:
    return Observation(
        lease_id=lease_id,
        run_id=run_id,
        presence=look.presence,
        observed_at=_seen_at(look),
        vendor_request_id=look.vendor_request_id[:64],
    )


def _seen_at(look: Look) -> datetime:
    return whole_millis(look.vendor_at or datetime.now(UTC))
