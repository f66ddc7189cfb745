"""What is printed when a storm is over, and written into `docs/storm.md`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from codegen.site.results import replaced
from tests.chaos.conductor import Report
from tests.chaos.config import Storm
from tests.chaos.judge import Kind, Verdict
from tests.chaos.records import CANCELLED, CRASHED, DONE, NOT_DONE, UNKNOWN
from tests.chaos.shares import UNTELLABLE, Share

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "storm.md"
LEAST_SHARE: Final = 0.999
MOST_OPEN: Final = 0.02
_SHOWN: Final = 20


def command_of(storm: Storm) -> str:
    """The command that runs a storm again."""
    return (
        f"python -m tests.chaos --calls {storm.calls} --workers {storm.workers} --share {storm.share:g} "
        f"--lanes {storm.lanes} --kills {storm.kills} --pauses {storm.pauses} --delay {storm.delay:g} "
        f"--slack {storm.slack:g} --turn {storm.turn:g} --seed {storm.seed} --variant {storm.variant}"
    )


def problems_of(report: Report) -> list[str]:
    """Why a storm was not passed; empty when it was."""
    verdict = report.verdict
    problems = [f"{violation.kind}: {violation.text} ({violation.call})" for violation in verdict.violations]
    if report.storm.variant == "habits":
        problems += too_open(verdict.shares)
    elif not report.storm.has_habits and _are_too_many_open(verdict):
        problems.append(f"only {verdict.share:.2%} of the calls in doubt were settled automatically")
    if noise := noise_of(report):
        problems.append(f"standard error: {noise}")
    if problems and report.late >= report.storm.slack:
        # a request may have been carried out after the settle window, which breaks an assumption of the
        # promise
        problems.append(
            f"void: the server was {report.late:.1f} s late, this machine is too busy for a storm"
        )
    return problems


def _are_too_many_open(verdict: Verdict) -> bool:
    return verdict.doubted - verdict.automatic > max(1, verdict.doubted * (1 - LEAST_SHARE))


def too_open(shares: Sequence[Share]) -> list[str]:
    """The habits under which too many lost charges with a live reservation stay open, and all together.

    Two calls are no share of one habit, which has its turn for some seconds and loses a dozen answers: one
    outage of the token endpoint, or of this machine, keeps as many from charging again. Of all they are.
    """
    told = [share for share in shares if share.habit not in UNTELLABLE]
    return [
        f"{share.habit}: {share.lost_and_open} of {share.lost} lost charges are still open"
        for share, least in (*((share, 2) for share in told), (_sum_of(told), 1))
        if share.lost_and_open > max(least, share.lost * MOST_OPEN)
    ]


def noise_of(report: Report) -> str:
    """The end of what the processes had to complain about."""
    return complaints_of(report.noise)


def complaints_of(noise: str) -> str:
    """The end of a standard error with complaints: a task nobody looked after, a socket left open."""
    bad = ("Traceback", "never retrieved", "never awaited", "Warning", "a hook failed")
    return noise[-2_000:] if any(word in noise for word in bad) else ""


def rows(report: Report) -> list[tuple[str, str]]:
    """The lines of the table: what, how much."""
    verdict = report.verdict
    told = verdict.told
    faults = sum(report.injected.values())
    lines = [
        ("money-moving calls", f"{report.calls:,}"),
        ("worker processes / killed / paused", f"{report.storm.workers} / {report.kills} / {report.pauses}"),
        ("requests", f"{report.requests:,}"),
        ("faults injected", f"{faults:,}"),
        *((f"- {kind}", f"{count:,}") for kind, count in sorted(report.injected.items())),
        ("token endpoint down", f"{report.outages}"),
        ("told done", f"{told.get(DONE, 0):,}"),
        ("told not done", f"{told.get(NOT_DONE, 0):,}"),
        ("told unknown", f"{told.get(UNKNOWN, 0):,}"),
        ("cancelled", f"{told.get(CANCELLED, 0):,}"),
        ("cut off by a kill", f"{verdict.killed:,}"),
        ("charged once too often / refunded", f"{verdict.surplus:,} / {verdict.taken_back:,}"),
        ("calls with a request in doubt", f"{verdict.doubted:,}"),
        ("settled automatically", f"{verdict.share:.2%}"),
        ("left open for good", f"{verdict.left_open:,}"),
        ("- of these answered 200, and nothing was done", f"{verdict.lied_to:,}"),
        ("carried out twice by a proxy behind one good answer", f"{verdict.twins:,}"),
        ("carried out twice by a proxy behind another answer", f"{verdict.hidden_twins:,}"),
    ]
    lines += [(str(kind), f"{verdict.count(kind):,}") for kind in Kind]
    if told.get(CRASHED):
        lines.append(("crashed", f"{told[CRASHED]:,}"))
    lines.append(("seconds", f"{report.seconds:.0f}"))
    return lines


def table(reports: Sequence[Report]) -> str:
    """All storms side by side, as Markdown."""
    columns = [dict(rows(report)) for report in reports]
    names = list(dict.fromkeys(name for column in columns for name in column))
    lines = [
        "| | " + " | ".join(report.storm.variant for report in reports) + " |",
        "|---|" + "---:|" * len(reports),
    ]
    lines += [
        f"| {name} | " + " | ".join(column.get(name, "") for column in columns) + " |" for name in names
    ]
    return "\n".join(lines)


def table_of_habits(shares: Sequence[Share]) -> str:
    """What came of the calls of each habit, as Markdown."""
    head = "habit", "calls", "in doubt", "left open", "lost charges", "of these open", "violations"
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    for share in (*shares, _sum_of(shares)):
        part = share.lost_and_open / share.lost if share.lost else 0.0
        cells = (
            *(share.habit, f"{share.calls:,}", f"{share.doubted:,}", f"{share.left_open:,}"),
            *(f"{share.lost:,}", f"{share.lost_and_open:,} ({part:.1%})", f"{share.violations:,}"),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def write(reports: Sequence[Report], document: Path = DOCUMENT) -> None:
    """Write the tables into the document."""
    text = replaced(document.read_text(encoding="utf-8"), "storms", table(reports))
    for report in reports:
        if report.storm.variant == "habits":
            text = replaced(text, "habits", table_of_habits(report.verdict.shares))
    document.write_text(text, encoding="utf-8")


def _sum_of(shares: Sequence[Share]) -> Share:
    names = [field.name for field in attrs.fields(Share) if field.name != "habit"]
    return Share(habit="all", **{name: sum(getattr(share, name) for share in shares) for name in names})


def problems(report: Report) -> str:
    """What is wrong, shortened."""
    found = problems_of(report)
    lines = found[:_SHOWN]
    if len(found) > _SHOWN:
        lines.append(f"and {len(found) - _SHOWN} more")
    return "\n".join(lines)
