"""The report that a person reads: one HTML file without anything from elsewhere, and the same facts as JSON beside it."""

import json
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from tests.chaos.seeded.account import Account
from tests.chaos.seeded.oracle import Exposure, Verdict
from tests.chaos.seeded.summary import Figures, Summary
from tests.chaos.seeded.timeline import draw_timeline

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Chaos, seed {seed}</title>
<style>
body {{ font: 14px/1.5 system-ui, sans-serif; margin: 2rem; color: #1b1f24; background: #fff; }}
h1 {{ margin: 0; }} .ok {{ color: #1a7f37; }} .bad {{ color: #b3261e; }}
table {{ border-collapse: collapse; margin: .6rem 0 1.6rem; }}
td, th {{ padding: .15rem .7rem; text-align: left; border-bottom: 1px solid #d8dee4; }}
td.n {{ text-align: right; font-variant-numeric: tabular-nums; }} code {{ background: #f3f4f6; padding: .1rem .3rem; }}
.chart {{ overflow-x: auto; border: 1px solid #d8dee4; }} svg {{ display: block; }}
text {{ font: 10px system-ui, sans-serif; fill: #57606a; }}
</style></head><body>
<h1>Chaos, seed {seed}: <span class="{tone}">{verdict}</span></h1>
<p>{requests} requests within {minutes:g} minutes, begun {begun}. Play it again: <code>{again}</code></p>
{findings}
<h2>How long members stayed</h2>
<p>By the vendor's own log, in seconds. The end is the one that the judge signed on the ticket, extensions included; a removal is due
then, or when somebody ended the access before. What is allowed is formed from the faults that overlapped.</p>
{figures}
<h2>Timeline</h2>
<p>Above: what befell the house. Below, a row for each account in each group: grey from arming to proof, green while the member was
in, red past the signed end; <b>|</b> is a signed end, <b>+</b> an extension, <b>x</b> what people or operators did. Point at
anything for its story.</p>
<div class="chart">{timeline}</div>
<h2>Memberships, nearest to their bound first</h2>
{stays}
<h2>What befell the house</h2>
{happened}
</body></html>
"""
SHOWN = 200


def write_report(folder: Path, summary: Summary, account: Account, verdict: Verdict) -> None:
    """`report.html` and `report.json` in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.html").write_text(_page(summary, account, verdict))
    (folder / "report.json").write_text(json.dumps(_document(summary, account, verdict), indent=1) + "\n")


def _page(summary: Summary, account: Account, verdict: Verdict) -> str:
    found = [(finding.what, finding.ticket, finding.detail) for finding in verdict.findings]
    rows = [("past the signed end", *_cells(summary.past_end))]
    for way, figures in summary.late.items():
        rows.append((f"late, due by {way}", *_cells(figures)))
        rows.append((f"allowed, due by {way}", *_cells(summary.allowed[way])))
    return PAGE.format(
        seed=summary.plan.seed,
        tone="ok" if summary.holds else "bad",
        verdict="everything holds" if summary.holds else f"{len(found)} findings",
        requests=len(summary.plan.leases),
        minutes=summary.plan.minutes,
        begun=f"{account.begun_at:%Y-%m-%d %H:%M:%S} UTC",
        again=escape(summary.again),
        findings=_table(("what does not hold", "ticket", "where to look"), found) if found else "",
        figures=_table(("seconds", "n", "p50", "p99", "max"), rows),
        timeline=draw_timeline(account, verdict),
        stays=_table(("ticket", "account", "group", "due by", "late", "allowed", "because of"), _stays(verdict)),
        happened=_table(
            ("from (s)", "seconds", "what", "where", "how"),
            [
                (
                    f"{_seconds(account, one.began_at):.1f}",
                    f"{(one.ended_at - one.began_at).total_seconds():.1f}",
                    str(one.what),
                    one.where,
                    one.how,
                )
                for one in sorted(account.happened, key=lambda one: one.began_at)
            ],
        ),
    )


def _stays(verdict: Verdict) -> list[tuple[str, ...]]:
    nearest = sorted(verdict.exposures, key=lambda it: it.late / it.allowed, reverse=True)
    return [
        (
            exposure.claim.told.ticket.key,
            exposure.stay.pair.user_id,
            exposure.stay.pair.group_id,
            str(exposure.way),
            f"{exposure.late.total_seconds():.2f}",
            f"{exposure.allowed.total_seconds():.2f}",
            " + ".join(str(one.what) for one in exposure.bound.because),
        )
        for exposure in nearest[:SHOWN]
    ]


def _cells(figures: Figures) -> tuple[str, ...]:
    return tuple(f"{figures[name]:g}" if figures else "" for name in ("n", "p50", "p99", "max"))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    def cell(text: str) -> str:
        kind = ' class="n"' if text.replace(".", "", 1).isdecimal() else ""
        return f"<td{kind}>{escape(text)}</td>"

    lines = ["<table><tr>", *(f"<th>{escape(name)}</th>" for name in head), "</tr>"]
    lines += [f"<tr>{''.join(cell(text) for text in row)}</tr>" for row in rows]
    return "".join([*lines, "</table>"])


def _document(summary: Summary, account: Account, verdict: Verdict) -> dict[str, Any]:
    return summary.document() | {
        "begun_at": account.begun_at.isoformat(),
        "findings": [vars(finding) for finding in verdict.findings],
        "memberships": [_membership(exposure) for exposure in verdict.exposures],
        "happened": [
            {
                "what": str(one.what),
                "where": one.where,
                "how": one.how,
                "began_at": one.began_at.isoformat(),
                "ended_at": one.ended_at.isoformat(),
            }
            for one in account.happened
        ],
    }


def _membership(exposure: Exposure) -> dict[str, Any]:
    stay = exposure.stay
    return {
        "ticket": exposure.claim.told.ticket.key,
        "group_id": stay.pair.group_id,
        "user_id": stay.pair.user_id,
        "came_at": stay.came_at.isoformat(),
        "left_at": stay.left_at.isoformat() if stay.left_at else None,
        "until": exposure.claim.until.isoformat(),
        "due_at": exposure.due_at.isoformat(),
        "due_by": str(exposure.way),
        "seconds_past_end": exposure.past_end.total_seconds(),
        "seconds_late": exposure.late.total_seconds(),
        "seconds_allowed": exposure.allowed.total_seconds(),
        "because_of": [str(one.what) for one in exposure.bound.because],
    }


def _seconds(account: Account, at: datetime) -> float:
    return (at - account.begun_at).total_seconds()
