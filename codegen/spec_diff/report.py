"""The report on what differs, for people and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import asdict, frozen

from codegen.spec_diff.assumptions import BEYOND, assumptions
from codegen.spec_diff.codes import Codes
from codegen.spec_diff.compare import Comparison, Finding, Verdict, compare
from codegen.spec_diff.document import mapping
from codegen.spec_diff.operations import Operations, templates

if TYPE_CHECKING:
    from codegen.spec_diff.document import Document

__all__ = ["Assumption", "Ours", "Report"]


@frozen
class Assumption:
    """One assumption, and what the vendor says of it.

    Attributes:
        pointer: its JSON pointer in our specification.
        reason: the reason for which it is assumed.
        verdict: `confirmed`, `refuted` or `unknown`.
        evidence: what is said at each place that led to the verdict.
    """

    pointer: str
    reason: str
    verdict: str
    evidence: list[Verdict]


@frozen
class Report:
    """What differs between our specification and the vendor's.

    Attributes:
        versions: our version of the API and the vendor's.
        findings: the differences, but for those an assumption is about.
        assumptions: every assumption of ours.
        codes: new error codes, each with the operations of ours that they belong to.
        unnamed: our error codes that the vendor's file does not name; other pages of the vendor may.
        deprecated: what the vendor has beside ours, and gives up.
        silent: the keywords that the vendor's file uses nowhere: they are not compared.
    """

    versions: tuple[str, str]
    findings: list[Finding]
    assumptions: list[Assumption]
    codes: dict[str, list[str]]
    unnamed: list[str]
    deprecated: list[str]
    silent: list[str]

    @property
    def differs(self) -> bool:
        """Whether there is anything to do."""
        refuted = any(assumption.verdict == "refuted" for assumption in self.assumptions)
        return bool(self.findings or refuted or self.codes)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return {"differs": self.differs, **asdict(self)}


class Ours:
    """Our specification, to be compared with others.

    Args:
        document: the document.

    Raises:
        Unreadable: it refers to what it does not hold.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._templates = templates(document)
        self._root = Operations(document, self._templates).read()
        self._assumptions = assumptions(document)
        self._codes = Codes(document)

    def against(self, theirs: Document) -> Report:
        """Compare it with the vendor's.

        Raises:
            Unreadable: that refers to what it does not hold.
        """
        comparison = compare(self._root, Operations(theirs, self._templates).read())
        codes, unnamed = self._codes.against(theirs)
        findings = list(comparison.findings.values())
        for finding in findings:
            finding.places.sort()
        return Report(
            versions=(_version(self._document), _version(theirs)),
            findings=sorted(findings, key=_order),
            assumptions=[_judged(*entry, comparison) for entry in self._assumptions.items()],
            codes=codes,
            unnamed=unnamed,
            deprecated=sorted(comparison.retired),
            silent=sorted(comparison.silent),
        )


def _order(finding: Finding) -> tuple[str, str, list[str], str]:
    return finding.kind, finding.what, finding.places, str(finding.theirs)


def _version(document: Document) -> str:
    return str(mapping(document.content.get("info")).get("version", "?"))


def _evidence_order(entry: Verdict) -> tuple[str, str]:
    return entry.place, entry.says


def _judged(pointer: str, reason: str, comparison: Comparison) -> Assumption:
    """One refutation outweighs every confirmation, and a confirmation everything that is not said."""
    found = comparison.verdicts.get(pointer, [])
    said = {verdict.verdict for verdict in found}
    verdict = next((name for name in ("refuted", "confirmed") if name in said), "unknown")
    evidence = sorted(
        {entry for entry in found if entry.verdict == verdict}, key=lambda entry: (entry.place, entry.says)
    )
    is_open = verdict == "confirmed" and pointer in BEYOND
    return Assumption(
        pointer, reason, "unknown" if is_open else verdict, sorted(evidence, key=_evidence_order)
    )
