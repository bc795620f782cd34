"""One pair taken away without the engine: removed, its sessions ended, seen absent twice, and told on its ticket."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from activities.bundle import Keys
from activities.evidence import marker_of
from activities.persisting import persist
from activities.ports import AccessProvider, Look, SessionsReceipt, TicketSystem
from activities.records import TicketRecords, sweep_writer
from activities.send_window import LONGEST_ATTEMPT, SendWindow
from domain.drift import Finding
from domain.errors import NotFoundError, RetryableError, VendorError
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

NO_RUN = "sweep"


@dataclass(frozen=True)
class Taken:
    """What was seen and answered while a pair went."""

    first: Look
    second: Look
    sessions: SessionsReceipt


async def take_away(provider: AccessProvider, pair: LeaseId, *, fence: timedelta, patience: timedelta) -> Taken:
    """Remove the pair and prove it: absent, and absent again when nothing can land any more that was sent before.

    `fence`: how long an attempt of somebody else's may still be under way. Sessions that could not be ended are told as such.

    Raises:
        VendorError: the pair was not proved to be gone within `patience`, or came back meanwhile.
    """
    able = provider.capabilities

    async def removed() -> Look:
        window = SendWindow(LONGEST_ATTEMPT - able.client_timeout)
        await provider.revoke(pair.target, pair.subject, window)
        look = await provider.verify(pair.target, pair.subject)
        if look.presence is not Presence.ABSENT:
            raise RetryableError(f"read back {look.presence} after the removal ({look.note or 'no note'})")
        return look

    first = await persist(removed, patience, over=(VendorError,))
    ending = asyncio.create_task(_end_sessions(provider, pair, patience))
    try:
        await asyncio.sleep((fence + max(able.read_lag, able.landing_lag)).total_seconds())
        second = await persist(lambda: provider.verify(pair.target, pair.subject), patience, over=(VendorError,))
    finally:
        sessions = await ending
    if second.presence is not Presence.ABSENT:
        raise RetryableError(
            f"{second.presence} again {fence.total_seconds():.0f} s after the removal; the next run judges it"
        )
    return Taken(first, second, sessions)


async def _end_sessions(provider: AccessProvider, pair: LeaseId, patience: timedelta) -> SessionsReceipt:
    async def ended() -> SessionsReceipt:
        window = SendWindow(LONGEST_ATTEMPT - provider.capabilities.client_timeout)
        receipt = await provider.end_sessions(pair.target, pair.subject, window)
        if receipt.achieved is SessionsEnded.FAILED:
            raise RetryableError(receipt.note)
        return receipt

    try:
        return await persist(ended, patience, over=(VendorError,))
    except VendorError as error:
        return SessionsReceipt(achieved=SessionsEnded.FAILED, note=str(error)[:160])


class SweepPaper:
    """Tells a removal on the pair's ticket, or on the control ticket where none stands. Nothing waits for it to be told."""

    def __init__(self, tickets: TicketSystem, records: TicketRecords, control: TicketRef, keys: Keys) -> None:
        self._tickets = tickets
        self._records = records
        self._control = control
        self._keys = keys

    async def tell(
        self, target: WatchedTarget, finding: Finding, claim: Claim | None, taken: Taken, before: Presence
    ) -> Removed:
        """What was done, as it was told. `before`: how the pair was seen right before.

        Raises:
            VendorError: the ticket system did not take it.
        """
        ticket = claim.ticket if claim is not None else self._control
        removed_at, proved_at = _seen_at(taken.first), _seen_at(taken.second)
        try:
            await self._write(ticket, target, finding, claim, taken, before)
        except NotFoundError:
            ticket = self._control
            await self._write(ticket, target, finding, claim, taken, before)
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
            problem=_problem_of(taken.sessions),
        )

    async def _write(
        self,
        ticket: TicketRef,
        target: WatchedTarget,
        finding: Finding,
        claim: Claim | None,
        taken: Taken,
        before: Presence,
    ) -> None:
        writer = sweep_writer(finding.lease_id)
        facts = self._facts(finding, claim.run_id if claim is not None else NO_RUN, taken)
        if facts and self._keys.scribe is not None:
            await self._records.append_newest(ticket, writer, facts, self._keys.scribe)
        marker = marker_of(writer, f"{finding.run_id}/{_seen_at(taken.first)}")
        await self._tickets.comment(ticket, _words(target, finding, taken, before), marker)

    def _facts(self, finding: Finding, run_id: str, taken: Taken) -> tuple[Fact, ...]:
        """The records, with the witness's own words in them; none where this process holds no witness's key."""
        witness = self._keys.witness
        if witness is None:
            return ()
        looks = [
            Signed.seal(_observation(finding.lease_id, run_id, look), witness) for look in (taken.first, taken.second)
        ]
        told: list[tuple[RecordKind, Signed, dict[str, object]]] = [
            (RecordKind.REMOVED, looks[0], {}),
            (RecordKind.PROVED, looks[1], {"turns": 1}),
        ]
        if taken.sessions.achieved is not SessionsEnded.FAILED:
            ended = Receipt(
                lease_id=finding.lease_id,
                run_id=run_id,
                action=sessions_action(taken.sessions.achieved),
                acknowledged_at=_seen_at(taken.second),
            )
            facts: dict[str, object] = {"achieved": str(taken.sessions.achieved), "note": taken.sessions.note[:160]}
            told.append((RecordKind.SESSIONS_ENDED, Signed.seal(ended, witness), facts))
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


def _words(target: WatchedTarget, finding: Finding, taken: Taken, before: Presence) -> str:
    subject = LeaseId.parse(finding.lease_id).subject
    access = f"{target.name} at {target.ref.instance}"
    seen = f"Observed absent at {minute(_seen_at(taken.first))} and again at {minute(_seen_at(taken.second))}."
    if before is Presence.ABSENT:
        return f"The sweep found that {subject} had lost {access}, which nobody had proved yet. {seen}"
    return f"The sweep took away {access} from {subject}: {finding.kind}. {seen}"


def _problem_of(sessions: SessionsReceipt) -> str:
    failed = sessions.achieved is SessionsEnded.FAILED
    return f"gone, and its sessions were not ended: {sessions.note}" if failed else ""


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
