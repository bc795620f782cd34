"""A ticket's records as sentences for people. What a record really says is its facts; nothing rests on these words."""

from collections.abc import Callable, Mapping
from datetime import datetime

Facts = Mapping[str, object]


def told(kind: str, facts: Facts) -> str:
    """The record in words; one of a kind that is not known here, or that lacks what its kind has, as its bare facts."""
    try:
        return _SENTENCES[kind](facts)
    except (KeyError, ValueError):
        return ", ".join(f"{name} {value}" for name, value in facts.items() if name != "witness" and value != "")


def instant(text: object) -> str:
    """An instant of a record, to the second. Raises `ValueError` when it is none."""
    return f"{datetime.fromisoformat(str(text)):%Y-%m-%d %H:%M:%SZ}"


def _answered(facts: Facts) -> str:
    return (
        f"approved by {facts['by']}"
        if facts["counts"] is True
        else f"the answer by {facts['by']} does not count: {facts['reason']}"
    )


def _judged(facts: Facts) -> str:
    who = facts["by"] or "somebody"
    if facts["granted"] is True:
        return f"extended until {instant(facts['until'])}, as {who} wished"
    return f"not extended, as {who} wished: {facts['reason']}"


def _armed(facts: Facts) -> str:
    latest = f"never after {instant(facts['never_after'])}"
    return f"{facts['name']} may be granted until {instant(facts['until'])}, {latest}; approved by {facts['approver']}"


def _beside(facts: Facts) -> str:
    """Another target, as the witness has it; of a record that was cut only the digest of its words is left."""
    try:
        beside = facts["witness"][0]["body"]["beside"]  # type: ignore[index]
        return f"{beside['instance']}/{beside['scope']}/{beside['container_id']}"
    except (KeyError, IndexError, TypeError):
        return "another"


_SENTENCES: Mapping[str, Callable[[Facts], str]] = {
    "asked": lambda facts: (
        f"round {facts['round']}: the question was posted; answers are bound to {str(facts['digest'])[:19]}..."
    ),
    "answered": _answered,
    "armed": _armed,
    "extended": lambda facts: f"may be extended from {instant(facts['from'])} to {instant(facts['until'])}",
    "granted": lambda facts: f"added at the provider and read back, until {instant(facts['until'])}",
    "active": lambda facts: f"access to {facts['target']} is active, until {instant(facts['active_until'])}",
    "extension_judged": _judged,
    "ending": lambda facts: f"it ends: {str(facts['reason']).replace('_', ' ')}",
    "removed": lambda _: "removed at the provider, and seen absent",
    "proved": lambda _: "seen absent for the second time",
    "sessions_ended": lambda facts: (
        f"sessions: {str(facts['achieved']).replace('_', ' ')}" + (f" ({facts['note']})" if facts["note"] else "")
    ),
    "target_gone": lambda facts: (
        f"the provider said that the target does not exist, while {_beside(facts)} stood beside it"
    ),
    "forgotten": lambda facts: (
        f"given up, not proved, by {facts['by']} because {facts['reason']}; asked for on {facts['asked_on']}"
    ),
    "forget_refused": lambda facts: f"not given up, as was asked for on {facts['asked_on']}: {facts['why']}",
    "stuck": lambda _: "the removal is late, and goes on being tried",
    "suspended": lambda _: (
        "the whole account was suspended: its access, or the sessions that came of it, could not be ended in time"
    ),
    "closed": lambda facts: f"{str(facts['outcome']).replace('_', ' ')}: {facts['why']}",
}
