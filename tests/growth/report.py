"""The results of `make growth` in a file, and the tables of `docs/growth.md` that are made of it."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from codegen.site.results import replaced
from tests.bench.report import processor
from tests.growth.paying import IN_FLIGHT

__all__ = ["RESULTS", "TABLES", "facts", "keep", "write"]

RESULTS: Final = Path(__file__).parent / "results.json"
DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "growth.md"
_MB: Final = 1_000_000
_WHOLE: Final = 30  # days
_KEPT: Final = (60, 370, 1_065)  # days for which shrunk records stay

Results = dict[str, Any]


def facts() -> dict[str, str]:
    """The facts of this machine; no names and no paths."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return {
        "date": f"{dt.datetime.now(dt.UTC):%Y-%m-%d}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} x {processor()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "busy": f"{load:.0%}",
    }


def keep(parts: Mapping[str, Any], path: Path = RESULTS) -> Results:
    """Keep the results of the parts that were measured, beside those of the others."""
    kept: Results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept |= parts
    path.write_text(f"{json.dumps(kept, indent=1)}\n", encoding="utf-8")
    return kept


def write(results: Results, document: Path = DOCUMENT) -> None:
    """Write the tables into the document; those of parts that were never measured stay as they are."""
    text = document.read_text(encoding="utf-8")
    for name, made in TABLES.items():
        has_lengths = name != "daily" or "whole row" in results["postgresql"]["records"]
        if _PARTS.get(name, set()) <= set(results) and has_lengths:
            text = replaced(text, name, made(results))
    document.write_text(text, encoding="utf-8")


def machine(results: Results) -> str:
    """The machines on which the parts were measured, one line each."""
    lines: list[str] = []
    for part in ("postgresql", "sqlite", "workers"):
        if part in results:
            on, version = results[part]["facts"], results[part].get("version")
            server = f", PostgreSQL {version}" if version else ""
            words = f"{on['date']}, {on['python']}{server}, {on['machine']}, {on['busy']} busy when it began"
            lines.append(f"* {part}: {words}")
    return "\n".join(lines)


def sizes(results: Results) -> str:
    """Tables and indexes with a million records."""
    postgresql, sqlite = results["postgresql"], results["sqlite"]
    rows: list[tuple[str, ...]] = [("records", f"{postgresql['rows']:,}", f"{sqlite['rows']:,}")]
    own, other = postgresql["sizes"], sqlite["sizes"]
    rows.append(
        (
            "table `voucher_records`, MB",
            _mb(own["voucher_records (with TOAST)"]),
            _mb(other["voucher_records"]),
        )
    )
    indexes = [name for name in own if name.startswith("voucher_records_")]
    rows += [
        (f"index `{name}`, MB", _mb(own[name]), _mb(other.get(name)))
        for name in sorted(indexes, key=lambda each: -own[each])
    ]
    everything = sum(own[name] for name in indexes), sum(other.get(name, 0) for name in indexes)
    rows.append(("all indexes, MB", *map(_mb, everything)))
    whole = own["voucher_records (with TOAST)"] + everything[0], other["voucher_records"] + everything[1]
    per_record = (whole[0] / postgresql["rows"], whole[1] / sqlite["rows"])
    rows.append(("bytes per record, indexes included", *(f"{each:,.0f}" for each in per_record)))
    rows.append(("WAL while they were copied in, MB", _mb(postgresql["WAL"]), ""))
    return _table(("", "PostgreSQL", "SQLite"), rows)


def daily(results: Results) -> str:
    """The room that payments take, by how many there are a day, from the rows that were measured."""
    seen = results["postgresql"]
    indexes = sum(size for name, size in seen["sizes"].items() if name.startswith("voucher_records_"))
    index = indexes / seen["rows"]
    whole, shrunk = (seen["records"][f"{kind} row"] + index for kind in ("whole", "shrunk"))
    rows = [
        (f"{payments:,}", *(f"{payments * (_WHOLE * whole + days * shrunk) / 1e9:,.1f}" for days in _KEPT))
        for payments in (1_000, 10_000, 100_000)
    ]
    words = (
        f"A row is {whole - index:,.0f} bytes whole, {shrunk - index:,.0f} shrunk, and "
        f"{index:,.0f} in all indexes; a payment by one voucher is one record."
    )
    head = "payments a day", *(f"GB after {_WHOLE + days} days" for days in _KEPT)
    return f"{_table(head, rows)}\n\n{words}"


def plans(results: Results) -> str:
    """Every method's statements: what they read, and how much."""
    rows = []
    for each in results["postgresql"]["plans"]:
        reads = ", ".join(f"`{name}`" for name in _places(each["reads"]))
        kind = "generic" if each["generic"] else "custom"
        rows.append(
            (each["asked"], reads, kind, f"{each['rows']:,}", f"{each['buffers']:,}", f"{each['filtered']:,}")
        )
    return _table(("method", "reads", "plan", "rows", "pages", "left out"), _largest(rows))


def purge(results: Results) -> str:
    """The purge, and claims beside it."""
    seen = results["postgresql"]["purge"]
    alone, beside = seen["alone"], seen["beside"]
    rows = [
        ("claims, each with a durable save", f"{alone['claims']:,}", f"{beside['claims']:,}"),
        *((f"{name} ms", f"{alone[name]:.1f}", f"{beside[name]:.1f}") for name in ("p50", "p99", "max")),
        ("longest transaction seen, ms", *(f"{each['longest transaction']:.0f}" for each in (alone, beside))),
        ("locks waited for, at a time", *(f"{each['locks waited for']}" for each in (alone, beside))),
        ("strongest lock on the table", *(f"`{_strongest(each['locks'])}`" for each in (alone, beside))),
    ]
    due, killed, left, told = seen["due"], seen["left_by_kill"], seen["left"], seen["told"]
    words = (
        f"{due[0]:,} records were due to be shrunk, and {due[1]:,} to be dropped. A first purge was killed "
        f"(SIGKILL) when {sum(due) - sum(killed):,} of them were done; the next one did the other "
        f"{told['changed']:,}, and left {sum(left):,}. It needed {told['statements']:,} statements, none of "
        f"which wrote more than {told['most']} rows."
    )
    return f"{_table(('', 'without a purge', 'beside a purge'), rows)}\n\n{words}"


def workers(results: Results) -> str:
    """Redeems by numbers of workers, and what each part of the machine works for a thousand of them."""
    seen: dict[str, dict[str, float]] = results["workers"]["workers"]
    head = ("workers", "redeems/s", "x memory", "p50 ms", "p99 ms", "tokens")
    costs = (
        "CPU s workers",
        "CPU s PostgreSQL",
        "CPU s emulator",
        "transactions that write",
        "statements",
        "WAL MB",
    )
    rows: list[Sequence[str]] = []
    for name, each in seen.items():
        rates = f"{each['per second']:,.0f}", f"{each['x memory']:.2f}"
        times = f"{each['p50']:.0f}", f"{each['p99']:.0f}", f"{each['tokens']:.0f}"
        cpu = [f"{each[f'cpu of {who}']:.2f}" for who in ("workers", "PostgreSQL", "emulator")]
        writes = (
            f"{each['transactions that write']:,.0f}",
            f"{each['statements']:,.0f}",
            f"{each['WAL'] / _MB:.1f}",
        )
        if name == "memory":
            cpu[1], writes = "", ("", "", "")
        rows.append((f"1, in {name}" if name == "memory" else name, *rates, *times, *cpu, *writes))
    measured = results["workers"]
    words = (
        f"{IN_FLIGHT} calls under way at a time, of all workers together; medians of {measured['rounds']} "
        f"rounds of {measured['calls']:,}. What follows `tokens` is for 1,000 redeems."
    )
    return f"{_table((*head, *costs), rows)}\n\n{words}"


TABLES: Final[Mapping[str, Callable[[Results], str]]] = {
    "machine": machine,
    "sizes": sizes,
    "daily": daily,
    "plans": plans,
    "purge": purge,
    "workers": workers,
}


_PARTS: Final[Mapping[str, set[str]]] = {
    "sizes": {"postgresql", "sqlite"},
    "daily": {"postgresql"},
    "plans": {"postgresql"},
    "purge": {"postgresql"},
    "workers": {"workers"},
}


def _places(reads: Sequence[str]) -> list[str]:
    """Indexes, and tables that are read without one, by their short names."""
    return sorted({each.split()[-1].removeprefix("voucher_") for each in reads})


def _largest(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Of a method that has several statements, the one that touches most."""
    worst: dict[str, tuple[str, ...]] = {}
    for row in rows:
        known = worst.get(row[0])
        if known is None or int(known[4].replace(",", "")) < int(row[4].replace(",", "")):
            worst[row[0]] = row
    return list(worst.values())


_ORDER: Final = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)


def _strongest(locks: Sequence[str]) -> str:
    return max(locks, key=_ORDER.index, default="none")


def _mb(size: float | None) -> str:
    return "" if size is None else f"{size / _MB:,.0f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
