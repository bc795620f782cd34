"""Whether a ticket is gone, or only out of reach: asked beside the control ticket, which is known to stand.

A ticket system answers 404 for what was deleted and for what our account may not see, and both are the same to us.
"""

from temporalio import activity

from activities.ports import TicketSystem
from activities.records import PREFIX
from domain.errors import NotFoundError
from domain.ids import TicketRef

LOOKS = 3
"""From which attempt on a 404 is believed: by then some seconds lie between the first and this one."""


class GoneTickets:
    def __init__(self, tickets: TicketSystem, control: TicketRef) -> None:
        self._tickets = tickets
        self.control = control

    async def confirm(self, ticket: TicketRef, error: NotFoundError) -> None:
        """Return when the ticket is gone: several attempts of the calling activity found none, and the control ticket stands.

        Raises:
            NotFoundError: `error`, while that is not certain.
            VendorError: the control ticket cannot be read either, so that nothing is known.
        """
        if activity.info().attempt < LOOKS:
            raise error
        try:
            await self._tickets.read_properties(ticket, PREFIX)
        except NotFoundError:
            await self._tickets.read_properties(self.control, PREFIX)
        else:
            raise error
