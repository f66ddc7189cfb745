"""What is printed when a storm is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.chaos.conductor import Report
from tests.chaos.config import Storm
from tests.chaos.judge import Kind
from tests.chaos.records import CANCELLED, CRASHED, DONE, NOT_DONE, UNKNOWN

LEAST_SHARE: Final = 0.99
_SHOWN: Final = 20


def command_of(storm: Storm) -> str:
    """The command that runs a storm again."""
    return (
        f"python -m tests.chaos --calls {storm.calls} --workers {storm.workers} --share {storm.share:g} "
        f"--lanes {storm.lanes} --kills {storm.kills} --delay {storm.delay:g} "
        f"--slack {storm.slack:g} --seed {storm.seed} --variant {storm.variant}"
    )


def problems_of(report: Report) -> list[str]:
    """Why a storm was not passed; empty when it was."""
    verdict = report.verdict
    problems = [f"{violation.kind}: {violation.text} ({violation.call})" for violation in verdict.violations]
    if verdict.share <= LEAST_SHARE:
        problems.append(f"only {verdict.share:.2%} of the calls in doubt were settled automatically")
    if noise := noise_of(report):
        problems.append(f"standard error: {noise}")
    if problems and report.late >= report.storm.slack:
        # a request may have been carried out after the settle window, which is beyond what is promised
        problems.append(
            f"void: the server was {report.late:.1f} s late, this machine is too busy for a storm"
        )
    return problems


def noise_of(report: Report) -> str:
    """The end of what the processes had to complain about: a task nobody looked after, a socket left open."""
    bad = ("Traceback", "never retrieved", "never awaited", "Warning", "a hook failed")
    return report.noise[-2_000:] if any(word in report.noise for word in bad) else ""


def rows(report: Report) -> list[tuple[str, str]]:
    """The lines of the table: what, how much."""
    verdict = report.verdict
    told = verdict.told
    faults = sum(report.injected.values())
    lines = [
        ("money-moving calls", f"{report.calls:,}"),
        ("worker processes / killed", f"{report.storm.workers} / {report.kills}"),
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


def problems(report: Report) -> str:
    """What is wrong, shortened."""
    found = problems_of(report)
    lines = found[:_SHOWN]
    if len(found) > _SHOWN:
        lines.append(f"and {len(found) - _SHOWN} more")
    return "\n".join(lines)
