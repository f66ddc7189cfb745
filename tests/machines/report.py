"""What is printed when a storm over machines is over, and written into `docs/machines.md`."""

from __future__ import annotations

import collections
import os
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import attrs

from codegen.site.results import replaced
from tests.chaos.records import CANCELLED, DONE, NOT_DONE, UNKNOWN
from tests.chaos.report import complaints_of
from tests.machines.columns import AFTERWARDS, OPEN, Column
from tests.machines.conductor import MachineReport
from tests.machines.plan import FAULTS
from tests.machines.tokens import NONE

__all__ = ["DOCUMENT", "details", "problems_of", "table", "write"]

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "machines.md"
_ASYNCPG: Final = re.compile(
    r"Future exception was never retrieved\n.*unexpected connection_lost\(\) call.*\n.*connection_lost.*\n"
)
"""A connection that asyncpg was making got lost in the very moment when its time was up."""

_HEAD: Final = (
    *("fault", "payments", "calls", "done", "not done", "unknown", "cancelled", "cut off", "in doubt"),
    *("settled later", "left open", "late writes refused", "tokens", "double", "lost", "false"),
)


def problems_of(report: MachineReport) -> list[str]:
    """Why a storm was not passed; empty when it was."""
    problems = [f"{each.kind}: {each.text} ({each.call})" for each in report.verdict.violations]
    problems += [f"{fault} had no turn" for fault in report.storm.faults if fault not in report.columns]
    for column in report.columns.values():
        if extra := column.reasons[NONE]:
            problems.append(f"{column.fault}: {extra} tokens that were fetched without a reason")
        if column.unsent < column.late:
            problems.append(
                f"{column.fault}: a refused write was followed by a request for money of its record"
            )
    if noise := complaints_of(_ASYNCPG.sub("", report.noise)):
        problems.append(f"standard error: {noise}")
    if problems and report.late >= report.storm.slack:
        problems.append(f"void: the API was {report.late:.1f} s late, this machine is too busy for a storm")
    return problems


def table(columns: Mapping[str, Column]) -> str:
    """What came of the payments under each fault, as Markdown."""
    rows = [columns[fault] for fault in (*FAULTS, AFTERWARDS) if fault in columns]
    lines = [_line(_HEAD), "|---|" + "---:|" * (len(_HEAD) - 1)]
    return "\n".join((*lines, *(_row(column) for column in (*rows, _sum_of(rows)))))


def _row(column: Column) -> str:
    told = column.told
    settled = sum(column.unsure.values()) - column.unsure[OPEN]
    figures = (
        *(column.payments, column.calls, told[DONE], told[NOT_DONE], told[UNKNOWN], told[CANCELLED]),
        *(column.cut_off, column.doubted, settled, column.unsure[OPEN], column.late, column.given),
        *(column.double, column.lost, column.false),
    )
    return _line((column.fault, *(f"{figure:,}" for figure in figures)))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _sum_of(columns: Iterable[Column]) -> Column:
    whole = Column(fault="all")
    for column in columns:
        for field in attrs.fields(Column):
            if field.name != "fault":
                setattr(whole, field.name, getattr(whole, field.name) + getattr(column, field.name))
    return whole


def details(report: MachineReport) -> str:
    """The storm, its machine, and what is not told by faults, as Markdown."""
    storm, whole = report.storm, _sum_of(report.columns.values())
    ends = collections.Counter(whole.unsure)
    settled = ", ".join(f"{count:,} {name}" for name, count in ends.most_common())
    injected = sum(report.injected.values())
    fetched = ", ".join(f"{count:,} {reason}" for reason, count in whole.reasons.most_common())
    means = "a network namespace each" if storm.means == "namespaces" else "behind a TCP relay each"
    lines = (
        (
            f"{storm.workers} workers, {means}; {storm.calls:,} payments, {whole.calls:,} calls, "
            f"{report.requests:,} requests to the API, {injected:,} of them with a fault of the API."
        ),
        (
            f"{report.kills} workers killed, {report.pauses} stopped for longer than their lease, "
            f"{report.restarts} restarted by SIGTERM; each fault had "
            f"{storm.rounds} {'turn' if storm.rounds == 1 else 'turns'}."
        ),
        f"Payments one of whose callers was not told their end, by their end: {settled}.",
        (
            f"Late writes refused: {whole.late:,}, followed by no request of their record: {whole.unsent:,}; "
            f"workers that found out that they had been declared dead: {whole.dead:,}."
        ),
        (
            f"Tokens: {whole.given:,}; without a reason: {whole.reasons[NONE]:,}. Workers received "
            f"{whole.reasons.total():,}, by the reason why one was fetched: {fetched}."
        ),
        f"{report.seconds:.0f} s on {_machine()}; the API was {report.late:.2f} s late at worst.",
        f"`{storm.command}`",
    )
    return "\n".join(f"* {line}" for line in lines)


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    models = [line for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    cores = os.cpu_count()
    system = f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}"
    return f"{cores} cores ({model}), {memory:.0f} GB, {system}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def write(report: MachineReport, document: Path = DOCUMENT) -> None:
    """Write the table into the document."""
    text = f"{details(report)}\n\n{table(report.columns)}"
    document.write_text(replaced(document.read_text(encoding="utf-8"), "machines", text), encoding="utf-8")
