"""The timeline of a request as a story: each thing that happened, once, and nothing that decided nothing."""

from itertools import pairwise

from domain.messages import TimelineView
from tests.house import House

NOISE = "the ticket has changed: it is read again"


async def test_timeline_tells_each_thing_once_and_no_hint_that_changed_nothing(house: House) -> None:
    """An answer that does not count is one line however often it is read; wishes tell what became of them."""
    async with house.working():
        ticket = house.ask()
        handle = await house.start(ticket)
        await house.asked(ticket)
        await house.approve(ticket, handle, "alice")
        await house.told(ticket, "alice is the subject")
        for _ in range(3):
            await handle.signal("approve", {"by": "alice"})
            await house.settled(handle)
        house.tickets.transition_as(ticket, "Waiting for approval", "bob")
        await house.approve(ticket, handle)
        await house.until(house.is_member)
        await house.told(ticket, "Access is active")
        for wish, verdict in (("/extend 10m", "Extended by alice"), ("/extend 900h", "Not extended")):
            house.tickets.comment_as(ticket, wish, "alice")
            await handle.signal("extend", {"by": "alice"})
            await house.told(ticket, verdict)
        await handle.signal("approve", {"by": "bob"})
        await handle.signal("revoke", {"by": "alice", "note": "by a comment on the ticket"})
        await house.soon(handle.result())
        timeline = await handle.query("timeline", result_type=TimelineView)
    assert not house.is_member()
    told = [entry.what.partition(" 20")[0] for entry in timeline.entries if entry.what != NOISE]
    assert told == [
        "asked for admin for alice (round 1)",
        "the approval by alice does not count: alice is the subject of this request, and nobody approves for themselves",
        "approved by bob",
        "active until",
        "somebody wishes for more time: the ticket is read again",
        "extended until",
        "somebody wishes for more time: the ticket is read again",
        next(line for line in told if line.startswith("not extended, as alice wished: ")),
        "told to revoke, by alice",
        "ended: revoked by a comment on the ticket",
        "every lease is over",
        "closing the ticket",
        "closed",
    ]
    noisy = [entry.what for entry in timeline.entries]
    assert all(pair != (NOISE, NOISE) for pair in pairwise(noisy))
    assert NOISE not in noisy[noisy.index("approved by bob") :]
