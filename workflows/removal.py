"""Taking access away until it was seen absent twice, the second time behind the fence. Nothing in here gives up."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.access import AccessActivities
from domain.errors import SignatureRefusedError
from domain.evidence import RecordKind
from domain.lease import LeaseEvent, Sent
from domain.signed import Signed
from domain.witness import Observation, Presence, Proof, SessionsEnded, verify_proof
from workflows import options, words
from workflows.asking import ask
from workflows.failures import cause_of
from workflows.lease_book import LeaseBook

PAUSE = timedelta(seconds=2)
"""Before asking again after an answer that proves nothing, or an activity that somebody failed from outside."""


class Removal:
    """The end loop of a lease: revoke, wait, look; begin again for as long as the pair is not proved absent."""

    def __init__(self, book: LeaseBook) -> None:
        self._book = book
        self._removals = 0
        self._telling: asyncio.Task[None] | None = None
        self.proof: Proof | None = None
        self.looks: tuple[Observation, Observation] | None = None
        self.sessions: SessionsEnded | None = None

    async def run(self) -> None:
        """Return when the removal is proved and the sessions were ended once more."""
        self._book.record("ending", RecordKind.ENDING, facts={"reason": str(self._book.status.reason)})
        if self._book.status.sent is not Sent.GRANTED:
            # The siblings of a grant that failed must not be held until this removal is proved.
            self._telling = asyncio.create_task(self._book.tell_request(note=self._why()))
        watch = asyncio.create_task(self._say_when_stuck())
        while self.proof is None:
            first = await self._revoke()
            if first is not None:
                await self._look_again(first)
        watch.cancel()
        while self.sessions is None:
            await self._end_sessions()

    async def _revoke(self) -> Signed | None:
        """One removal that a witness saw done, or None."""
        asked_at = workflow.now()
        target = self._book.order.grantee.target_name
        try:
            revoked = await ask(
                AccessActivities.revoke_access, self._book.pair, **options.revoking(f"remove from {target}")
            )
        except (ActivityError, SignatureRefusedError) as error:
            await self._ask_again(cause_of(error))
            return None
        look = self._book.believe(revoked.observation, asked_at)
        if look is None or look.presence is not Presence.ABSENT:
            await self._ask_again("no witness saw the pair absent")
            return None
        self._book.write_closed(revoked.receipt)
        self._book.advance(LeaseEvent.LOOKED_ABSENT_AFTER)
        self._removals += 1
        self._book.record(f"removed-{self._removals}", RecordKind.REMOVED, witness=(revoked.observation,))
        return revoked.observation

    async def _look_again(self, first: Signed) -> None:
        await workflow.sleep(self._book.until_second_look(), summary="until nothing can land any more")
        asked_at = workflow.now()
        try:
            seen = await ask(AccessActivities.observe_access, self._book.pair, **options.revoking("look a second time"))
        except (ActivityError, SignatureRefusedError) as error:
            await self._begin_again(cause_of(error))
            return
        if self._book.believe(seen.observation, asked_at) is None:
            await self._begin_again("no witness looked")
            return
        order, proof = self._book.order, Proof(first=first, second=seen.observation)
        try:
            self.looks = verify_proof(
                proof,
                order.keys,
                lease_id=self._book.lease_id,
                not_before=workflow.info().start_time,
                apart=order.surface.read_lag,
            )
        except SignatureRefusedError:
            self._book.advance(LeaseEvent.LOOKED_PRESENT_AFTER)
            return
        self.proof = proof
        self._book.advance(LeaseEvent.PROVED)
        instants = (look.observed_at for look in self.looks)
        comment = words.proved_comment(order, self._book.status.reason, self._book.note, *instants)
        self._book.record("proved", RecordKind.PROVED, witness=(seen.observation,), comment=comment)

    async def _end_sessions(self) -> None:
        try:
            ended = await ask(
                AccessActivities.end_sessions, self._book.pair, **options.revoking("end sessions once more")
            )
        except (ActivityError, SignatureRefusedError) as error:
            await self._ask_again(cause_of(error))
            return
        self.sessions = ended.sessions
        self._book.record(
            "sessions", RecordKind.SESSIONS_ENDED, facts={"achieved": str(ended.sessions), "note": ended.note[:160]}
        )

    async def _say_when_stuck(self) -> None:
        """Name the state of a late revocation. Swallows its own cancellation, so that nobody has to wait for it."""
        with suppress(asyncio.CancelledError):
            while True:
                await workflow.sleep(options.STUCK_AFTER, summary="proved by now?")
                self._book.advance(LeaseEvent.OVERDUE)
                target = self._book.order.grantee.target_name
                comment = f"The removal from {target} is late. It goes on being tried until it is proved."
                self._book.record("stuck", RecordKind.STUCK, comment=comment)

    def _why(self) -> str:
        return words.ending(self._book.status.reason, self._book.note)

    async def _begin_again(self, why: str) -> None:
        self._book.advance(LeaseEvent.LOOKED_PRESENT_AFTER)
        await self._ask_again(why)

    async def _ask_again(self, why: str) -> None:
        workflow.logger.warning("the removal is not proved and begins again: %s", why)
        self._book.write_closed_uncleanly()
        await workflow.sleep(PAUSE, summary=f"ask again: {why}"[:100])
