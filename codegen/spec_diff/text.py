"""Writes a report for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.spec_diff.node import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codegen.spec_diff.compare import Finding, Verdict
    from codegen.spec_diff.report import Assumption, Report

__all__ = ["lines"]

_SHOWN = 3
_LONGEST = 160


def lines(report: Report) -> Iterator[str]:
    """The report, line by line."""
    ours, theirs = report.versions
    yield f"JTL-Voucher Cloud API: ours is of version {ours}, the vendor's file of {theirs}."
    for kind in ("added", "removed", "changed"):
        found = [finding for finding in report.findings if finding.kind == kind]
        if found:
            yield from ("", f"{kind.capitalize()} ({len(found)})")
            for finding in found:
                yield from _finding(finding)
    yield from _codes(report)
    yield from _assumptions(report.assumptions)
    yield from _aside(report)
    yield from ("", "Something differs." if report.differs else "Nothing differs.")


def _finding(finding: Finding) -> Iterator[str]:
    if finding.kind == "changed":
        yield f"  {finding.what}: {plain(finding.ours)} -> {plain(finding.theirs)}"
    else:
        about = finding.theirs if finding.kind == "added" else finding.ours
        named = isinstance(about, str) and about and about not in finding.what
        yield f"  {finding.what}" + (f": {_short(about)}" if named else "")
    yield from _places([place for place in finding.places if place])


def _places(places: list[str]) -> Iterator[str]:
    for place in places[:_SHOWN]:
        yield f"      at {place}"
    if len(places) > _SHOWN:
        yield f"      and {len(places) - _SHOWN} more"


def _codes(report: Report) -> Iterator[str]:
    if not report.codes:
        return
    yield from (
        "",
        f"New error codes ({len(report.codes)}): lines for `x-known-codes` in openapi/voucher.yaml",
    )
    homes = {home: None for operations in report.codes.values() for home in operations or [""]}
    for home in homes:
        yield f"  {home or 'the vendor names no operation'}"
        for code, operations in report.codes.items():
            if home in (operations or [""]):
                yield f"        - {code}"


def _assumptions(found: list[Assumption]) -> Iterator[str]:
    by_verdict = {
        verdict: [entry for entry in found if entry.verdict == verdict]
        for verdict in ("refuted", "confirmed", "unknown")
    }
    counts = ", ".join(f"{len(entries)} {verdict}" for verdict, entries in by_verdict.items())
    yield from ("", f"Assumptions: {counts}")
    for verdict, entries in by_verdict.items():
        if entries:
            yield f"  {verdict}"
        for entry in entries:
            yield f"    {entry.pointer}"
            yield f"      assumed: {entry.reason}"
            yield from _evidence(entry.evidence, _SHOWN if verdict == "refuted" else 1)


def _evidence(evidence: list[Verdict], shown: int) -> Iterator[str]:
    for entry in evidence[:shown]:
        words = f' - the vendor: "{_short(entry.words)}"' if entry.words else ""
        yield f"      {entry.says}, at {entry.place}{words}"
    if len(evidence) > shown:
        yield f"      and {len(evidence) - shown} more"


def _aside(report: Report) -> Iterator[str]:
    if report.deprecated:
        yield from ("", "Deprecated there, and not in ours: " + "; ".join(report.deprecated))
    if report.unnamed:
        yield from ("", f"Error codes of ours that the file does not name: {', '.join(report.unnamed)}")
    if report.silent:
        yield from ("", "Not compared, since the vendor's file never says it: " + ", ".join(report.silent))


def _short(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= _LONGEST else joined[: _LONGEST - 3] + "..."
