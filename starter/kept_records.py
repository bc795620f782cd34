"""Records of a ticket that is gone: the scribe keeps them on the control ticket, where they are found here by the lost key.

Which issue bore that key only the scribe's comment says, and comments are signed by nobody; each record is checked as ever.
"""

import json
import re
from collections.abc import Mapping

from activities.evidence import GONE, marker_of
from domain.canonical import KeyRing
from domain.ids import TicketRef
from domain.ticket import TicketView
from starter.ticket_evidence import Line, read_lines


def kept_lines(
    key: str, control: TicketView, properties: Mapping[str, str], keys: KeyRing, own_account: str
) -> list[Line]:
    """What is kept of the ticket that bore `key`; nothing when nothing is.

    `properties` are the control ticket's, and `own_account` is who wrote its comments.
    """
    told = GONE.format(key=key)
    ours = [comment.text for comment in control.comments if comment.author == own_account]
    markers = {text.rpartition("\n")[2] for text in ours if text.startswith(told)}
    kept: dict[TicketRef, dict[str, str]] = {}
    for chain in {name.rpartition(".")[0] for name in properties}:
        ticket = _bearer(properties.get(f"{chain}.0", ""), control.ref.site, key, markers)
        if ticket is not None:
            segments = {name: text for name, text in properties.items() if name.startswith(f"{chain}.")}
            kept.setdefault(ticket, {}).update(segments)
    return [line for ticket, segments in kept.items() for line in read_lines(segments, ticket, keys)]


def _bearer(segment: str, site: str, key: str, markers: set[str]) -> TicketRef | None:
    """The issue that a chain is about, if one of the comments announced that chain of that issue."""
    try:
        first = json.loads(segment)["records"][0]
        issue_id, writer = str(first["ticket"]).removeprefix(f"{site}/"), re.sub(r"~\d+$", "", str(first["writer"]))
        ticket = TicketRef(site=site, issue_id=issue_id, key=key)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None
    return ticket if marker_of(writer, f"gone/{issue_id}") in markers else None
