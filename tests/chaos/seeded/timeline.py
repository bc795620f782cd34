"""The timeline as one SVG: faults above, and below them a row for each account in each group."""

from collections.abc import Iterator
from datetime import datetime
from html import escape

from domain.values import parse_instant
from tests.chaos.seeded.account import Account, Pair
from tests.chaos.seeded.bounds import STALL, Happening
from tests.chaos.seeded.oracle import Exposure, Verdict
from tests.chaos.seeded.plan import Fault

LEFT = 190
ROW = 16
BAR = 10
PER_SECOND = 6.0
WIDEST = 16_000
TICK_SECONDS = 30

COLOURS: dict[str, str] = {
    Fault.WORKER_KILLED: "#8250df",
    Fault.WORKER_FROZEN: "#a475f9",
    Fault.SERVER_KILLED: "#0550ae",
    Fault.SERVER_FROZEN: "#218bff",
    Fault.BRIDGE_KILLED: "#6e7781",
    Fault.BRIDGE_FROZEN: "#8c959f",
    Fault.VENDORS_KILLED: "#953800",
    Fault.VENDORS_FROZEN: "#bc4c00",
    Fault.OKTA: "#e16f24",
    Fault.JIRA: "#d4a72c",
    Fault.SERVER_LINK: "#1b7c83",
    Fault.VENDOR_LINK: "#3192aa",
    Fault.CLOCK: "#bf3989",
    Fault.WEBHOOKS: "#57606a",
    STALL: "#cf222e",
}


class _Scale:
    """Instants as places on the line."""

    def __init__(self, account: Account) -> None:
        self.begun_at = account.begun_at
        last = max((parse_instant(entry["at"]) for entry in account.log[-1:]), default=account.begun_at)
        self.seconds = max(60.0, (last - account.begun_at).total_seconds() + 5)
        self._per_second = min(PER_SECOND, WIDEST / self.seconds)

    @property
    def width(self) -> float:
        return LEFT + self.seconds * self._per_second

    def x(self, at: datetime) -> float:
        return LEFT + max(0.0, (at - self.begun_at).total_seconds()) * self._per_second

    def after(self, seconds: float) -> float:
        return LEFT + seconds * self._per_second


def draw_timeline(account: Account, verdict: Verdict) -> str:
    """The whole chart; every mark has its story as a title."""
    scale = _Scale(account)
    kinds = [kind for kind in COLOURS if any(one.what == kind for one in account.happened)]
    pairs = sorted({stay.pair for stay in verdict.stays}, key=lambda pair: (pair.group_id, pair.user_id))
    lines: list[str] = []
    for row, kind in enumerate(kinds):
        lines.append(_label(row, str(kind)))
        lines += [_bar(scale, row, one) for one in account.happened if one.what == kind]
    for row, pair in enumerate(pairs, start=len(kinds) + 1):
        lines.append(_label(row, f"{pair.user_id[3:10].rstrip('0')} in {pair.group_id}"))
        lines += _stays(scale, row, pair, verdict)
        lines += _acts(scale, row, pair, account)
    height = (len(kinds) + len(pairs) + 3) * ROW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{scale.width:.0f}" height="{height}" role="img">'
        f"{''.join(_ticks(scale, height))}{''.join(lines)}</svg>"
    )


def _ticks(scale: _Scale, height: int) -> Iterator[str]:
    for seconds in range(0, int(scale.seconds) + 1, TICK_SECONDS):
        x = scale.after(seconds)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - ROW}" stroke="#eaeef2"/>'
        yield f'<text x="{x:.1f}" y="{height - 4}" text-anchor="middle">{seconds // 60}:{seconds % 60:02d}</text>'


def _label(row: int, text: str) -> str:
    return f'<text x="4" y="{row * ROW + BAR + 1}">{escape(text)}</text>'


def _bar(scale: _Scale, row: int, one: Happening) -> str:
    x, end = scale.x(one.began_at), scale.x(one.ended_at)
    seconds = (one.ended_at - one.began_at).total_seconds()
    title = f"{one.what} ({one.where}) {one.how}: {seconds:.1f} s from {one.began_at:%H:%M:%S}"
    return _rectangle(x, end, row, COLOURS[one.what], title)


def _stays(scale: _Scale, row: int, pair: Pair, verdict: Verdict) -> Iterator[str]:
    for exposure in verdict.exposures:
        if exposure.stay.pair == pair:
            yield from _stay(scale, row, exposure)


def _stay(scale: _Scale, row: int, exposure: Exposure) -> Iterator[str]:
    claim, stay = exposure.claim, exposure.stay
    left_at = stay.left_at or scale.begun_at.fromtimestamp(
        scale.begun_at.timestamp() + scale.seconds, tz=scale.begun_at.tzinfo
    )
    title = (
        f"{claim.told.ticket.key} by {claim.told.request.planned.subject}: in from {stay.came_at:%H:%M:%S.%f} to"
        f" {left_at:%H:%M:%S.%f}; signed end {claim.until:%H:%M:%S.%f}; {exposure.late.total_seconds():.2f} s late,"
        f" {exposure.allowed.total_seconds():.2f} s allowed; due by {exposure.way}"
    )
    yield _rectangle(scale.x(claim.armed_at), scale.x(claim.proved_at or left_at), row, "#d0d7de", title)
    yield _rectangle(
        scale.x(stay.came_at), scale.x(min(left_at, max(claim.until, stay.came_at))), row, "#2da44e", title
    )
    if left_at > claim.until:
        yield _rectangle(scale.x(max(claim.until, stay.came_at)), scale.x(left_at), row, "#cf222e", title)
    x = scale.x(claim.until)
    yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{row * ROW}" y2="{row * ROW + BAR + 3}" stroke="#1b1f24"/>'
    for line in claim.told.lines:
        if line.kind == "extended" and line.facts.get("run") == claim.run:
            yield _mark(
                scale.x(parse_instant(line.at)),
                row,
                "+",
                f"{claim.told.ticket.key} extended until {line.facts['until']}",
            )


def _acts(scale: _Scale, row: int, pair: Pair, account: Account) -> Iterator[str]:
    for told in account.told:
        if pair in told.request.pairs:
            for done in told.request.done:
                yield _mark(scale.x(done.at), row, "x", f"{told.ticket.key}: {done.act} at {done.at:%H:%M:%S}")


def _rectangle(x: float, end: float, row: int, colour: str, title: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{row * ROW + 1}" width="{max(1.5, end - x):.1f}" height="{BAR}" fill="{colour}">'
        f"<title>{escape(title)}</title></rect>"
    )


def _mark(x: float, row: int, sign: str, title: str) -> str:
    return f'<text x="{x:.1f}" y="{row * ROW + BAR}" text-anchor="middle">{sign}<title>{escape(title)}</title></text>'
