"""Orders for leases: one that grants, from terms that were approved; one that only ends, from what a ticket was armed for."""

from datetime import datetime, timedelta

from domain.canonical import KeyRing
from domain.catalogue import SURFACES
from domain.extension import latest_end
from domain.ids import LeaseId, TicketRef, request_workflow_id
from domain.lease_messages import LeaseOrder
from domain.messages import ArmedLease
from domain.terms import Grantee, RequestTerms


def order_to_grant(
    ticket: TicketRef, terms: RequestTerms, grantee: Grantee, until: datetime, keys: KeyRing
) -> LeaseOrder:
    return LeaseOrder(
        ticket=ticket,
        request_id=request_workflow_id(ticket),
        grantee=grantee,
        entitlement=terms.entitlement,
        terms_digest=terms.digest,
        expires_at=until,
        never_after=latest_end(until, terms.extension),
        keys=keys,
        surface=SURFACES[grantee.kind],
    )


def order_to_end(ticket: TicketRef, armed: ArmedLease, keys: KeyRing) -> LeaseOrder:
    """The order by which a lease that was armed on this ticket is followed to its end, or ended anew."""
    lease_id = LeaseId.parse(armed.lease_id)
    grantee = Grantee(
        kind=armed.kind,
        target=lease_id.target,
        subject=lease_id.subject,
        target_name=armed.target_name,
        max_residual=timedelta(hours=1),
    )
    return LeaseOrder(
        ticket=ticket,
        request_id=request_workflow_id(ticket),
        grantee=grantee,
        entitlement="",
        terms_digest=armed.terms_digest,
        expires_at=armed.until,
        never_after=armed.until,
        keys=keys,
        surface=SURFACES[armed.kind],
        end_only=True,
    )
