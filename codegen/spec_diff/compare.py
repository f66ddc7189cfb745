"""Compares two specifications in their one form."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from attrs import Factory, define, frozen

from codegen.spec_diff.node import EXISTENCE, REQUIRED_BODY, WHOLE, Node, plain
from codegen.spec_diff.schemas import ALWAYS, NULLABLE, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Comparison", "Finding", "Verdict", "compare"]

_MARKS = (NULLABLE, REQUIRED, ALWAYS, REQUIRED_BODY)
_SAID_ELSEWHERE = ("authentication", "scopes", "token address")
_BOOLEAN = {*_MARKS, "deprecated", "uniqueItems"}


@define
class Finding:
    """One difference, at every place where it shows.

    Attributes:
        kind: `added`, `removed` or `changed`.
        what: the part or keyword that differs.
        ours: what our specification says.
        theirs: what the vendor's says.
        places: the operations and fields where it shows.
    """

    kind: str
    what: str
    ours: Any
    theirs: Any
    places: list[str] = Factory(list)


@frozen
class Verdict:
    """What the vendor says of one assumption at one place.

    Attributes:
        verdict: `confirmed`, `refuted` or `unknown`.
        place: the operation and field.
        says: what differs, or is the same.
        words: the vendor's own words there.
    """

    verdict: str
    place: str
    says: str
    words: str = ""


@define
class Comparison:
    """The differences between two specifications.

    Attributes:
        silent: the keywords that the vendor's file uses nowhere, so that it says nothing by leaving them out.
        findings: the differences, by what makes them one.
        verdicts: by assumption, what is said of it at each place.
        wholes: what differs within what is assumed as a whole: assumption, place, words, differences.
        retired: what only the vendor has, deprecated.
    """

    silent: set[str]
    findings: dict[str, Finding] = Factory(dict)
    verdicts: dict[str, list[Verdict]] = Factory(dict)
    wholes: list[tuple[str, str, str, dict[str, Finding]]] = Factory(list)
    retired: list[str] = Factory(list)

    def compare(self, ours: Node, theirs: Node, place: str = "") -> None:
        """Compare what two nodes say, and everything below them."""
        if WHOLE in ours.assumed:
            self._compare_whole(ours, theirs, place)
            return
        if ours.sort == "body" and not (theirs.facts or theirs.parts):
            self._find(Finding("changed", "schema", ours.short(), None), place, ours.pointer)
            return
        if EXISTENCE in ours.assumed:
            self._judge(ours.assumed[EXISTENCE], Verdict("confirmed", place, "it is there", theirs.words))
        for fact in ours.facts | theirs.facts:
            if fact not in self.silent:
                self._compare_fact(ours, theirs, fact, place)
        for pointer in ours.assumed.values():
            if pointer in self.verdicts:
                continue
            self._judge(pointer, Verdict("unknown", place, "not said", theirs.words))
        if ours.parts or theirs.parts:
            self._compare_parts(ours, theirs, place)

    def settle_wholes(self) -> None:
        """Judge what is assumed as a whole: what differs in the same way elsewhere is no matter of it."""
        for pointer, place, words, inside in self.wholes:
            own = [finding for key, finding in inside.items() if key not in self.findings]
            if all(finding.theirs is None for finding in own):
                verdict = Verdict(
                    "unknown" if own else "confirmed", place, "says less" if own else "the same", words
                )
            else:
                verdict = Verdict("refuted", place, "; ".join(map(_says, own)), words)
            self._judge(pointer, verdict)

    def _compare_whole(self, ours: Node, theirs: Node, place: str) -> None:
        inner = Comparison(self.silent)
        pointer = ours.assumed[WHOLE]
        bare = Node(ours.sort, ours.pointer, ours.facts, ours.parts, ours.origins)
        inner.compare(bare, theirs, place)
        self.wholes.append((pointer, place, theirs.words, inner.findings))
        self.wholes += inner.wholes
        self.retired += inner.retired
        for name, verdicts in inner.verdicts.items():
            self.verdicts.setdefault(name, []).extend(verdicts)

    def _compare_fact(self, ours: Node, theirs: Node, fact: str, place: str) -> None:
        old, new = ours.facts.get(fact), theirs.facts.get(fact)
        if fact in _SAID_ELSEWHERE and new is None:
            return
        if fact in ours.assumed and fact in ours.facts:
            verdict = self._verdict(ours, fact, new)
            says = f"{fact} {plain(new)}" if old == new else f"{fact} {plain(old)} -> {plain(new)}"
            self._judge(ours.assumed[fact], Verdict(verdict, place, says, theirs.words))
        elif old == new:
            return
        elif fact == "enum" and old and new:
            self._compare_values(ours, old, new, place)
        else:
            self._find(Finding("changed", fact, old, new), place, ours.origins.get(fact, ""))

    def _verdict(self, ours: Node, fact: str, new: Any) -> str:
        if ours.facts[fact] == new:
            return "confirmed"
        says_nothing = new is None and fact not in _BOOLEAN
        # the form of every amount says nothing about the least one
        is_any_amount = fact == "pattern" and new == r"^[0-9]+\.[0-9]{2}$"
        return "unknown" if says_nothing or is_any_amount else "refuted"

    def _compare_values(self, ours: Node, old: list[Any], new: list[Any], place: str) -> None:
        for value in new:
            if value not in old:
                self._find(
                    Finding("added", f"value {plain(value)}", None, value), place, ours.origins["enum"]
                )
        for value in old:
            if value not in new:
                self._find(
                    Finding("removed", f"value {plain(value)}", value, None), place, ours.origins["enum"]
                )

    def _compare_parts(self, ours: Node, theirs: Node, place: str) -> None:
        pairs = _pairs(ours.parts, theirs.parts)
        for name, part in ours.parts.items():
            others = [other for known, other in pairs if known == name]
            for other in others:
                self.compare(part, other, _below(place, name))
            if not others:
                self._missing(part, theirs, name, place)
        for name, other in pairs:
            if name not in ours.parts:
                self._extra(other, name, place)

    def _missing(self, part: Node, theirs: Node, name: str, place: str) -> None:
        if part.sort in {"server", "scope"} and not _has(theirs, part.sort):
            return
        if part.sort == "operation" and _is_token(name) and "token address" in theirs.facts:
            return
        if not {EXISTENCE, WHOLE, "status"} & part.assumed.keys():
            self._find(Finding("removed", name, part.short(), None), place, part.pointer)

    def _extra(self, other: Node, name: str, place: str) -> None:
        if other.facts.get("deprecated"):
            if (where := _below(place, name)) not in self.retired:
                self.retired.append(where)
            return
        shape = json.dumps(other.rendered(), sort_keys=True, default=str)
        self._find(Finding("added", name, None, other.short()), place, shape)

    def _find(self, finding: Finding, place: str, origin: str) -> None:
        """Note a difference: one of the same kind and origin is the same, and shows at one more place."""
        parts = [finding.kind, finding.what, finding.ours, finding.theirs, origin]
        known = self.findings.setdefault(json.dumps(parts, sort_keys=True, default=str), finding)
        if place not in known.places:
            known.places.append(place)

    def _judge(self, pointer: str, verdict: Verdict) -> None:
        self.verdicts.setdefault(pointer, []).append(verdict)


def compare(ours: Node, theirs: Node) -> Comparison:
    """The differences between our specification and the vendor's."""
    comparison = Comparison(set(_MARKS) - theirs.every_fact())
    comparison.compare(ours, theirs)
    comparison.settle_wholes()
    return comparison


def _pairs(ours: Mapping[str, Node], theirs: Mapping[str, Node]) -> list[tuple[str, Node]]:
    """The vendor's parts, each by the names of ours that it belongs to.

    The only success belongs to the only success whatever its status, and a status to the range it is in.
    """
    if ours.keys() == theirs.keys():
        return list(theirs.items())
    left = [name for name in ours if name not in theirs]
    successes = [name for name in theirs if _is_success(name) and name not in ours]
    targets = [name for name in left if _is_success(name)]
    pairs = list[tuple[str, Node]]()
    for name, part in theirs.items():
        if len(successes) == len(targets) == 1 and name in successes:
            names = targets
        else:
            names = [name] if name in ours else _in_range(name, left) or [name]
        pairs += [(known, part) for known in names]
    return pairs


def _is_success(name: str) -> bool:
    return bool(re.fullmatch(r"response 2(\d\d|XX)", name))


def _in_range(name: str, left: list[str]) -> list[str]:
    """The answers of ours that a range takes in, or the range of ours that a status is in."""
    if name == "response DEFAULT":
        return [known for known in left if known.startswith("response") and not _is_success(known)]
    if re.fullmatch(r"response [345]XX", name):
        return [known for known in left if known.startswith(name[:-2])]
    within = re.sub(r"^(response \d)\d\d$", r"\1XX", name)
    return [within] if within in left else []


def _below(place: str, name: str) -> str:
    if name == "entries":
        return f"{place}[]"
    if name == "body application/json":
        return place
    short = name.removeprefix("property ")
    return f"{place} > {short}" if place else short


def _has(node: Node, sort: str) -> bool:
    return any(part.sort == sort or _has(part, sort) for part in node.parts.values())


def _is_token(name: str) -> bool:
    return name.endswith("/oauth/token")


def _says(finding: Finding) -> str:
    if finding.kind == "changed":
        return f"{finding.what} {plain(finding.ours)} -> {plain(finding.theirs)}"
    return f"{finding.what} {finding.kind}"
