"""Taking access away until it was seen absent twice, the second time behind the fence. Nothing in here gives up."""

import asyncio
from datetime import datetime, timedelta
from functools import partial

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.access import AccessActivities
from activities.paging import PagingActivities
from domain.errors import SignatureRefusedError
from domain.evidence import RecordKind
from domain.lease import LeaseEvent, Sent
from domain.lease_messages import ObserveInput, SessionsResult
from domain.paper import Alarm, TicketFields
from domain.signed import Signed
from domain.witness import Observation, Presence, Proof, SessionsEnded, sessions_action, verify_proof
from workflows import options, words
from workflows.asking import ask
from workflows.failures import cause_of
from workflows.lease_book import LeaseBook
from workflows.suspension import Suspension

PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=15)
DOUBLINGS = 10
"""Before asking again after an answer that proves nothing, a pair that came back, or an activity failed from outside: doubled
each time. The engine ends a run at 51,200 events, and a turn makes about 40: at this pace a pair that comes back every time
takes more than a week to get there, with a ticket that says "late" all the while. A vendor that is merely down makes none."""

LONGEST_STUCK_PAUSE = timedelta(hours=1)


class Removal:
    """The end loop of a lease: revoke, wait, look; begin again for as long as the pair is not proved absent."""

    def __init__(self, book: LeaseBook) -> None:
        self._book = book
        self._turns = 0
        self._late = False
        self._alarms = 0
        self._watch: asyncio.Task[None]
        self._pages: list[asyncio.Task[None]] = []
        self._suspension = Suspension(book, self._page)
        self._given_up = False
        self.proof: Proof | None = None
        self.looks: tuple[Observation, Observation] | None = None
        self.sessions: SessionsEnded | None = None

    async def run(self) -> None:
        """Return when the removal is proved and the sessions were ended once more."""
        status = self._book.status
        self._book.record("ending", RecordKind.ENDING, facts={"reason": str(status.reason)})
        if status.sent is not Sent.GRANTED:
            # The siblings of a grant that failed must not be held until this removal is proved.
            self._book.tell_request(ending=words.ending(status.reason, self._book.note))
        self._watch = asyncio.create_task(self._say_when_stuck())
        self._suspension.begin()
        while self.proof is None:
            first = await self._revoke()
            if first is not None:
                await self._look_again(first)
        while self.sessions is None:
            await self._end_sessions()
        await self._suspension.end()
        self.say_it_is_over("done")

    def give_up(self) -> None:
        """The lease is forgotten: no step begins any more. Whoever says so cancels `run`, which ends once its attempt has."""
        self._given_up = True
        self._watch.cancel()

    async def suspend_no_more(self) -> None:
        """Return when no attempt to suspend the account is under way any more."""
        await self._suspension.end()

    def say_it_is_over(self, what: str) -> None:
        """Tell whoever was woken."""
        if self._alarms:
            self._book.paper.do(partial(self._page, what, workflow.now(), over=True))

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
        if self._given_up or look is None or look.presence is not Presence.ABSENT:
            await self._ask_again("no witness saw the pair absent")
            return None
        self._book.write_closed(revoked.receipt)
        self._book.advance(LeaseEvent.LOOKED_ABSENT_AFTER)
        self._book.record("removed", RecordKind.REMOVED, witness=(revoked.observation,))
        return revoked.observation

    async def _look_again(self, first: Signed) -> None:
        await workflow.sleep(self._book.until_second_look(), summary="until nothing can land any more")
        asked_at = workflow.now()
        request = ObserveInput(order=self._book.brief, then_end_sessions=True)
        try:
            seen = await ask(AccessActivities.observe_access, request, **options.revoking("look a second time"))
        except (ActivityError, SignatureRefusedError) as error:
            await self._begin_again(cause_of(error))
            return
        if self._given_up or self._book.believe(seen.observation, asked_at) is None:
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
        except SignatureRefusedError as error:
            await self._begin_again(cause_of(error))
            return
        self.proof = proof
        self._book.advance(LeaseEvent.PROVED)
        if self._late:
            self._book.paper.show(TicketFields(state=f"Removed: {order.grantee.target_name}"))
        instants = (look.observed_at for look in self.looks)
        suspended = self._suspension.is_done
        comment = words.proved_comment(
            order, self._book.status.reason, self._book.note, *instants, is_suspended=suspended
        )
        facts: dict[str, object] = {"turns": self._turns + 1}
        self._book.record("proved", RecordKind.PROVED, facts=facts, witness=(seen.observation,), comment=comment)
        if not self._believe_ended(seen.sessions, asked_at):
            self._book.speak_up()

    async def _end_sessions(self) -> None:
        asked_at = workflow.now()
        try:
            ended = await ask(
                AccessActivities.end_sessions, self._book.pair, **options.revoking("end sessions once more")
            )
        except (ActivityError, SignatureRefusedError) as error:
            await self._ask_again(cause_of(error))
            return
        if not self._believe_ended(ended, asked_at):
            await self._ask_again("no witness ended the sessions")

    def _believe_ended(self, ended: SessionsResult | None, asked_at: datetime) -> bool:
        """Whether a witness says that the sessions were ended after `asked_at`; then that is over, and told."""
        if ended is None or ended.receipt is None:
            return False
        if not self._book.is_witnessed(ended.receipt, sessions_action(ended.sessions), asked_at):
            return False
        self.sessions = ended.sessions
        facts: dict[str, object] = {"achieved": str(ended.sessions), "note": ended.note[:160]}
        self._book.record("sessions", RecordKind.SESSIONS_ENDED, facts=facts, witness=(ended.receipt,))
        return True

    async def _say_when_stuck(self) -> None:
        """Name the state of a late revocation and page, ever more seldom.

        Its timer is not cancelled when all is well: that would cost an event of every lease, and it may find paper that hangs.
        """
        pause, due_at = options.STUCK_AFTER, workflow.now()
        while True:
            await workflow.sleep(pause, summary="if it is not proved by then, it is late")
            self._book.speak_up()
            if self.sessions is not None:
                return
            pause = min(pause * 2, LONGEST_STUCK_PAUSE)
            what = "ending of sessions at" if self.proof is not None else "removal from"
            if self.proof is None:
                self._book.advance(LeaseEvent.OVERDUE)
                self._late = True
                self._book.paper.show(TicketFields(state=f"Removal late: {self._book.order.grantee.target_name}"))
            comment = words.late_comment(self._book.order, what, due_at, self._suspension.warning())
            name = "stuck" if self.proof is None else "sessions-stuck"
            self._book.record(name, RecordKind.STUCK, comment=comment)
            page = self._page(f"the {what} {self._book.order.grantee.target_name} is late", due_at)
            self._pages.append(asyncio.create_task(page))

    async def _page(self, what: str, since: datetime, *, over: bool = False) -> None:
        """Wake people, or tell them that it is over. One who cannot be reached changes nothing about the removal."""
        self._alarms += not over
        order = self._book.order
        alarm = Alarm(
            key=self._book.lease_id,
            summary=f"{order.ticket.key}: {what}",
            ticket=order.ticket.key,
            since=since,
            times=max(self._alarms, 1),
            over=over,
        )
        try:
            await ask(PagingActivities.page_people, alarm, **options.paging(f"page: {what}"[:100]))
        except (ActivityError, SignatureRefusedError) as error:
            workflow.logger.warning("nobody was paged: %s", cause_of(error))

    async def _begin_again(self, why: str) -> None:
        self._stop_if_given_up()
        self._book.advance(LeaseEvent.LOOKED_PRESENT_AFTER)
        await self._ask_again(why)

    async def _ask_again(self, why: str) -> None:
        """Wait a little longer each time: a history that grew without end would end the lease, with the access still on."""
        self._stop_if_given_up()
        workflow.logger.warning("the removal is not proved and begins again: %s", why)
        self._book.write_closed_uncleanly()
        await workflow.sleep(pause_before_turn(self._turns), summary=f"ask again: {why}"[:100])
        self._turns += 1

    def _stop_if_given_up(self) -> None:
        """An attempt that was cancelled, or came to its end all the same, leads to no other."""
        if self._given_up:
            raise asyncio.CancelledError


def pause_before_turn(turns: int) -> timedelta:
    """How long to wait when the removal has begun again `turns` times before: doubled each time, up to the longest."""
    return min(PAUSE * (1 << min(turns, DOUBLINGS)), LONGEST_PAUSE)
