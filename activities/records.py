"""Reading and appending the signed records of a ticket: write, read back, believe only what stands there."""

import json
from contextlib import suppress
from typing import Any

from activities.ports import TicketSystem
from domain.canonical import KeyRing, SigningKey, digest
from domain.errors import InvalidInputError, MalformedError, SignatureRefusedError
from domain.evidence import Record, RecordKind, property_key, read_chain, read_verified, to_segments, write_record
from domain.ids import TicketRef
from domain.paper import Fact

PREFIX = "nightlatch."

MAX_TEXT = 40

MAX_GENERATIONS = 100
"""How often a chain that was tampered with may be begun anew; each time is on the ticket for all to see."""


def judge_writer(name: str) -> str:
    """The chain in which the judge speaks about the lease or request `name`."""
    return f"judge/{name}"


def sweep_writer(lease_id: str) -> str:
    """The chain in which the sweep tells what it did about a lease."""
    return f"sweep/{lease_id}"


class TicketRecords:
    """The evidence of tickets, held in issue properties."""

    def __init__(self, tickets: TicketSystem, keys: KeyRing) -> None:
        self._tickets = tickets
        self._keys = keys

    async def any_on(self, ticket: TicketRef) -> bool:
        """Whether the ticket bears any Nightlatch property, readable or not."""
        return bool(await self._tickets.read_properties(ticket, PREFIX))

    async def chain(self, ticket: TicketRef, writer: str, kept_on: TicketRef | None = None) -> tuple[Record, ...]:
        """One writer's chain about `ticket`, verified. It is kept on that ticket, or on another when that one is gone.

        Raises:
            SignatureRefusedError: it was tampered with.
            VendorError: it cannot be read.
        """
        own = property_key(writer, 0).rsplit(".", 1)[0] + "."
        properties = await self._tickets.read_properties(kept_on or ticket, own)
        return read_chain(_in_order(properties, writer), ticket, writer, self._keys)

    async def all_chains(self, ticket: TicketRef) -> dict[str, tuple[Record, ...]]:
        """Every chain on the ticket that verifies, by writer. What does not verify shields nothing and is left out."""
        return {writer: chain for writer, (chain, is_whole) in (await self.read_all(ticket)).items() if is_whole}

    async def read_all(self, ticket: TicketRef) -> dict[str, tuple[tuple[Record, ...], bool]]:
        """By writer: the records of each chain on the ticket as far as they verify, and whether all of them do.

        A lease's chain and the judge's about it are looked for wherever one of the two names itself: what somebody has
        written over is not whole, and not missing.
        """
        properties = await self._tickets.read_properties(ticket, PREFIX)
        named = {writer for text in properties.values() if (writer := _named_writer(text))}
        leases = {writer.removeprefix(judge_writer("")) for writer in named}
        chains = {}
        for writer in named | leases | {judge_writer(lease) for lease in leases}:
            own = property_key(writer, 0).rsplit(".", 1)[0] + "."
            segments = {key: text for key, text in properties.items() if key.startswith(own)}
            if segments:
                chains[writer] = self._as_far_as_it_verifies(segments, ticket, writer)
        return chains

    def _as_far_as_it_verifies(
        self, segments: dict[str, str], ticket: TicketRef, writer: str
    ) -> tuple[tuple[Record, ...], bool]:
        whole = [segments[key] for number in range(len(segments)) if (key := property_key(writer, number)) in segments]
        chain, fault = read_verified(whole, ticket, writer, self._keys)
        return chain, fault is None and len(whole) == len(segments)

    async def append_newest(
        self,
        ticket: TicketRef,
        writer: str,
        facts: tuple[Fact, ...],
        key: SigningKey,
        kept_on: TicketRef | None = None,
    ) -> tuple[Record, ...]:
        """Append to the writer's newest chain; one that no longer verifies is left as it is and a new one tells of it.

        Raises:
            InvalidInputError: it was broken more often than anybody breaks it by mistake.
            VendorError: it could not be written or read back.
        """
        for generation in range(1, MAX_GENERATIONS):
            name = writer if generation == 1 else f"{writer}~{generation}"
            try:
                chain = await self.chain(ticket, name, kept_on)
            except SignatureRefusedError:
                continue
            return await self.append(ticket, name, facts, key, chain, kept_on)
        raise InvalidInputError(f"{ticket.key}: the evidence of {writer} was broken {MAX_GENERATIONS} times")

    async def append(
        self,
        ticket: TicketRef,
        writer: str,
        facts: tuple[Fact, ...],
        key: SigningKey,
        chain: tuple[Record, ...],
        kept_on: TicketRef | None = None,
    ) -> tuple[Record, ...]:
        """`chain` with every fact that it does not hold yet, as it stands afterwards on the ticket, or where it is kept instead.

        Raises:
            MalformedError: the ticket was read back and does not hold what was written.
            VendorError: it could not be written or read back.
        """
        grown = chain
        for fact in facts:
            if all(record.record_id != fact.fact_id for record in grown):
                grown = (*grown, _record_of(fact, ticket, writer, grown, key))
        if grown == chain:
            return chain
        before, after = to_segments(chain), to_segments(grown)
        for number, text in enumerate(after):
            if number >= len(before) or before[number] != text:
                await self._tickets.write_property(kept_on or ticket, property_key(writer, number), text)
        if await self.chain(ticket, writer, kept_on) != grown:
            raise MalformedError(
                f"the evidence of {writer} on {ticket.key} reads back differently from what was written"
            )
        return grown


def find(chain: tuple[Record, ...], kind: RecordKind) -> tuple[Record, ...]:
    return tuple(record for record in chain if record.kind is kind)


def _named_writer(text: str) -> str:
    """Who says to have written a segment; empty for what is no segment."""
    try:
        writer = str(json.loads(text)["records"][0]["writer"])
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return ""
    return writer if writer.isascii() else ""


def _in_order(properties: dict[str, str], writer: str) -> list[str]:
    segments: list[str] = []
    while (key := property_key(writer, len(segments))) in properties:
        segments.append(properties[key])
    if len(segments) != len(properties):
        raise SignatureRefusedError(f"the evidence of {writer} has a segment missing")
    return segments


def _record_of(fact: Fact, ticket: TicketRef, writer: str, chain: tuple[Record, ...], key: SigningKey) -> Record:
    witness = [
        {"body": json.loads(sealed.payload), "key": sealed.signature.key_id, "sig": sealed.signature.value}
        for sealed in fact.witness
    ]
    told = {**fact.facts, "witness": witness} if witness else fact.facts
    for facts in (told, _shortened(told)):
        with suppress(ValueError):
            return _write(fact, facts, ticket, writer, chain, key)
    return _write(fact, _bare(told), ticket, writer, chain, key)


def _write(
    fact: Fact,
    facts: dict[str, Any],
    ticket: TicketRef,
    writer: str,
    chain: tuple[Record, ...],
    key: SigningKey,
) -> Record:
    return write_record(
        ticket=ticket,
        writer=writer,
        record_id=fact.fact_id,
        kind=fact.kind,
        at=fact.at,
        facts=facts,
        chain=chain,
        key=key,
    )


def _shortened(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts with every text cut to what certainly fits: a record that is too long must not hold up an end for ever."""
    cut = {name: value[:MAX_TEXT] if isinstance(value, str) else value for name, value in facts.items()}
    return {**cut, "cut": True}


def _bare(facts: dict[str, Any]) -> dict[str, Any]:
    """What is left when even short texts do not fit: the run, and of each witness's words the digest that was signed over."""
    words = [{**sealed, "body": digest(sealed["body"])} for sealed in facts.get("witness", ())]
    return {"run": str(facts.get("run", ""))[:MAX_TEXT], "witness": words, "cut": True}
