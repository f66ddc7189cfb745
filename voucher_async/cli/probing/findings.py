"""Findings about a server: questions, verdicts, evidence, and the report of all."""

from __future__ import annotations

import datetime as dt
import enum
import json

import attrs

from voucher_async.values import Written

__all__ = ["Finding", "Notes", "Probed", "Question", "Remains", "Report", "Verdict"]


class Verdict(enum.StrEnum):
    """The answer to a question about the server."""

    CONFIRMED = "confirmed"
    """The server was seen to do what is assumed."""

    REFUTED = "refuted"
    """The server was seen to do something else."""

    UNKNOWN = "unknown"
    """Nothing was seen that decides it; the evidence says why."""


@attrs.frozen
class Question:
    """A question about the server, asked so that "yes" is what the SDK or its specification assumes.

    Attributes:
        id: its name, stable from version to version.
        text: one plain sentence.
        places: JSON pointers into `openapi/voucher.yaml`, to what is marked `x-assumed` there; none where
            the assumption is in the words of the contract alone.
    """

    id: str
    text: str
    places: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Finding(Written):
    """The answer to one question.

    Attributes:
        id: the question's name.
        question: one plain sentence; "yes" is what is assumed.
        verdict: confirmed, refuted or unknown.
        evidence: statuses, codes, ids and seconds that were seen, or why nothing was; never a secret.
        follows: what to change in the SDK's settings or in the code around it; None: nothing.
        places: JSON pointers into `openapi/voucher.yaml`.
    """

    id: str
    question: str
    verdict: Verdict
    evidence: str
    follows: str | None = None
    places: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Remains(Written):
    """A voucher that the probe has made, or may have made, after the cleaning up.

    Attributes:
        id: the voucher's id.
        state: `deleted`, `absent` (never made), `inactive` (it has charges, and cannot be deleted) or
            `unknown`: it may be active, and has to be looked for.
        evidence: the answers to the cleaning up.
    """

    id: str
    state: str
    evidence: str


@attrs.frozen(kw_only=True)
class Report(Written):
    """The findings of one run.

    Attributes:
        host: the host that was probed.
        batch: the batch of every voucher that was made; it finds them in the Admin UI.
        began: when the run began; aware, in UTC.
        ended: when it ended.
        requests: how many requests were sent.
        findings: one for each question, in the order of the table.
        remains: the vouchers that were made, and what became of them.
        settings: settings of the SDK that should be changed, in seconds, by name.
    """

    host: str
    batch: str
    began: dt.datetime
    ended: dt.datetime
    requests: int
    findings: tuple[Finding, ...]
    remains: tuple[Remains, ...]
    settings: dict[str, float]

    def finding(self, id: str) -> Finding:
        """The answer to one question.

        Raises:
            KeyError: there is no such question in this report.
        """
        for finding in self.findings:
            if finding.id == id:
                return finding
        raise KeyError(id)

    def of(self, verdict: Verdict) -> tuple[Finding, ...]:
        """The findings with one verdict."""
        return tuple(finding for finding in self.findings if finding.verdict == verdict)

    @property
    def left(self) -> tuple[Remains, ...]:
        """The vouchers that are still on the server, or may be."""
        return tuple(each for each in self.remains if each.state in {"inactive", "unknown"})

    def specification(self) -> str:
        """Lines for `openapi/voucher.yaml`: an `x-observed` for every place that was decided.

        Each stands under a comment with its place. Where all of a place was confirmed, the line replaces
        `x-assumed` and `x-assumed-reason`; where something was refuted, the specification is wrong.
        """
        by_place: dict[str, list[Finding]] = {}
        for finding in self.findings:
            for place in finding.places:
                by_place.setdefault(place, []).append(finding)
        lines: list[str] = []
        for place, findings in by_place.items():
            decided = [each for each in findings if each.verdict != Verdict.UNKNOWN]
            if decided:
                lines += [f"# {place}: {_advice(findings)}", f"x-observed: {self._observed(decided)}"]
        return "\n".join(lines)

    def _observed(self, decided: list[Finding]) -> str:
        words = "; ".join(f"{each.id} {each.verdict} ({each.evidence})" for each in decided)
        return json.dumps(f"{self.began:%Y-%m-%d} at {self.host}: {words}")  # a JSON text is one of YAML


def _advice(findings: list[Finding]) -> str:
    verdicts = {each.verdict for each in findings}
    if Verdict.REFUTED in verdicts:
        return "correct it, then replace x-assumed and x-assumed-reason"
    if Verdict.UNKNOWN in verdicts:
        return "add beside x-assumed, since a part of it is still unknown"
    return "replaces x-assumed and x-assumed-reason"


@attrs.frozen
class Probed:
    """One answer, before it is a finding."""

    verdict: Verdict
    evidence: str
    follows: str | None = None


@attrs.define
class Notes:
    """The answers of a run while it is under way.

    Attributes:
        answers: by the question's name.
        settings: settings that should be changed, in seconds.
    """

    answers: dict[str, Probed] = attrs.field(factory=dict[str, Probed])
    settings: dict[str, float] = attrs.field(factory=dict[str, float])

    def say(
        self, question: Question, evidence: str, *, holds: bool | None, follows: str | None = None
    ) -> None:
        """Answer a question.

        Args:
            question: what was asked.
            evidence: what was seen.
            holds: True, False, or None when nothing decides it.
            follows: what follows from a refutation.
        """
        verdict = Verdict.UNKNOWN
        if holds is not None:
            verdict = Verdict.CONFIRMED if holds else Verdict.REFUTED
        self.answers[question.id] = Probed(verdict, evidence, follows if holds is False else None)

    def finding(self, question: Question, otherwise: str) -> Finding:
        """The finding for a question.

        Args:
            question: what was asked.
            otherwise: the evidence when it was not answered.
        """
        answer = self.answers.get(question.id, Probed(Verdict.UNKNOWN, otherwise))
        return Finding(
            id=question.id,
            question=question.text,
            verdict=answer.verdict,
            evidence=answer.evidence,
            follows=answer.follows,
            places=question.places,
        )
