"""Names of what operators filter by in the Temporal UI. No secret and nothing encrypted is ever put in one."""

from types import MappingProxyType

TICKET = "NightlatchTicket"
SUBJECT = "NightlatchSubject"
TARGET = "NightlatchTarget"
STATE = "NightlatchState"
EXPIRES_AT = "NightlatchExpiresAt"

KINDS = MappingProxyType(
    {TICKET: "Keyword", SUBJECT: "Keyword", TARGET: "KeywordList", STATE: "Keyword", EXPIRES_AT: "Datetime"}
)
"""Search attribute -> the type it is registered with in a namespace."""
