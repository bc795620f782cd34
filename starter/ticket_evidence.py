"""A ticket's signed records read for people, by someone who trusts only public keys. Nothing is written, nothing decided."""

import json
from collections.abc import Mapping
from typing import Any

from activities.integrations.jira_person import JiraPerson
from activities.integrations.jira_settings import JiraSettings
from activities.integrations.jira_tickets import JiraTickets
from domain.canonical import KeyRing
from domain.evidence import property_key, read_verified
from domain.ids import TicketRef
from domain.ticket import TicketView
from domain.values import Value
from starter.record_words import told

PREFIX = "nightlatch."


class Line(Value):
    """One record as it stands on the ticket. `verified`: signed by a trusted key, and in its place in its chain.

    `told` is for people, and names the target where a ticket has several; `facts` is what was signed.
    """

    at: str
    kind: str
    writer: str
    record_id: str
    key: str
    told: str
    facts: dict[str, Any] = {}
    verified: bool
    problem: str = ""


async def read_ticket(settings: JiraSettings, key: str) -> tuple[TicketView, dict[str, str]]:
    """The ticket of that key, and every Nightlatch property of it.

    Raises:
        VendorError: it cannot be read; `NotFoundError` when there is none.
    """
    finder = JiraPerson(settings)
    try:
        ticket = finder.find(key)
    finally:
        finder.close()
    tickets = JiraTickets(settings)
    try:
        return await tickets.read(ticket), await tickets.read_properties(ticket, PREFIX)
    finally:
        await tickets.close()


def read_lines(properties: Mapping[str, str], ticket: TicketRef, keys: KeyRing) -> list[Line]:
    """Every record of every writer by time, whether or not it verifies; what cannot be read is a line that says so."""
    lines: list[Line] = []
    for name, segments in sorted(_chains(properties).items()):
        lines += _chain_lines(name, segments, ticket, keys)
    return _with_targets(sorted(lines, key=lambda line: line.at))


def _with_targets(lines: list[Line]) -> list[Line]:
    """Lines of leases name their target, as its arming called it, unless the ticket has only one."""
    names = {line.writer.removeprefix("judge/"): line.facts.get("name") for line in lines if line.kind == "armed"}
    if len(names) < 2:
        return lines
    return [
        line.model_copy(update={"told": f"{name}: {line.told}"})
        if line.kind != "armed" and (name := names.get(line.writer.removeprefix("judge/")))
        else line
        for line in lines
    ]


def _chains(properties: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Properties by the part of their key that stands for the writer. The freeze word is no record."""
    chains: dict[str, dict[str, str]] = {}
    for key, text in properties.items():
        name, _, segment = key.removeprefix(PREFIX).rpartition(".")
        if name and segment.isascii() and segment.isdecimal():
            chains.setdefault(name, {})[segment] = text
    return chains


def _chain_lines(name: str, segments: Mapping[str, str], ticket: TicketRef, keys: KeyRing) -> list[Line]:
    order = sorted(segments, key=int)
    try:
        records = [record for segment in order for record in _records(segments[segment])]
        writer = str(records[0]["writer"])
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return [_bad_line(name, "the property holds no records")]
    if order != [str(number) for number in range(len(order))]:
        return [_bad_line(writer, "a segment of the chain is missing")]
    if property_key(writer, 0) != f"{PREFIX}{name}.0":
        return [_bad_line(writer, "the property belongs to another writer")]
    good, fault = read_verified([json.dumps({"records": records})], ticket, writer, keys)
    problem = str(fault) if fault is not None else ""
    return [_line(record, verified=number < len(good), problem=problem) for number, record in enumerate(records)]


def _records(segment: str) -> list[dict[str, Any]]:
    records = json.loads(segment)["records"]
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ValueError("a segment is a list of records")
    return records


def _line(record: Mapping[str, Any], *, verified: bool, problem: str) -> Line:
    kept = record.get("facts")
    facts, kind = (kept if isinstance(kept, dict) else {}), str(record.get("kind", ""))
    return Line(
        at=str(record.get("at", "")),
        kind=kind,
        writer=str(record.get("writer", "")),
        record_id=str(record.get("id", "")),
        key=str(record.get("key", "")),
        told=told(kind, facts),
        facts=facts,
        verified=verified,
        problem="" if verified else problem,
    )


def _bad_line(writer: str, problem: str) -> Line:
    return Line(at="", kind="", writer=writer, record_id="", key="", told="", verified=False, problem=problem)
