"""Error codes: those that a document names anywhere, in texts, examples, enums or extensions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from codegen.spec_diff.addresses import template
from codegen.spec_diff.document import mapping, sequence, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

from codegen.spec_diff.document import Document

__all__ = ["Codes"]

_CODE = re.compile(
    r"(?<![\w.<-])[A-Z][A-Z0-9_]*(?:\.[A-Z][A-Z0-9_]*)+(?::[A-Z0-9_,-]*[A-Z0-9_])?(?![\w.>-]\w)"
)
_WORD = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+|[A-Z]{4,}")
# a code begins with an entity and an operation
_FAMILY = 2
_METHODS = {"get", "put", "post", "delete", "patch"}


class Codes:
    """The error codes of our specification.

    Args:
        document: the specification.
    """

    def __init__(self, document: Document) -> None:
        lists = [sequence(mapping(value).get("x-known-codes")) for _, value in walk(document.content)]
        self._known = {str(code) for codes in lists for code in codes}
        # what our examples are refused with is partly made up, and the vendor's file may be made from ours
        examples = mapping(mapping(document.content.get("components")).get("examples"))
        self._examples = [mapping(example).get("value") for example in examples.values()]
        self._operations = {key: mapping(value) for key, value in _operations(document).items()}

    def against(self, theirs: Document) -> tuple[dict[str, list[str]], list[str]]:
        """New codes with the operations of ours they belong to, and those of ours that it does not name."""
        named = _named(theirs.content, self._examples)
        new = sorted(named - self._known)
        homes = self._where(theirs) if new else {}
        found = {
            code: self._family(code) or sorted(key for key, codes in homes.items() if code in codes)
            for code in new
        }
        return found, sorted(self._known - named)

    def _where(self, theirs: Document) -> dict[str, set[str]]:
        return {
            self._key(key): _below(theirs, value, self._examples)
            for key, value in _operations(theirs).items()
        }

    def _key(self, key: str) -> str:
        """The operation of ours that an operation of the vendor's is, whatever its path begins with."""
        method, _, path = key.partition(" ")
        fitting = [
            name
            for name in self._operations
            if name.startswith(f"{method} /") and path.endswith(name.partition(" ")[2])
        ]
        return max(fitting, key=len, default=key)

    def _family(self, code: str) -> list[str]:
        """The operations that have codes of the same entity and operation already."""
        if code.count(".") < _FAMILY:
            return []
        family = ".".join(code.split(".")[:_FAMILY]) + "."
        return sorted(
            key
            for key, operation in self._operations.items()
            if any(str(other).startswith(family) for other in sequence(operation.get("x-known-codes")))
        )


def _operations(document: Document) -> dict[str, Any]:
    """The operations of a document as they are written, by method and path template."""
    found = dict[str, Any]()
    for path, raw in mapping(document.content.get("paths")).items():
        item, _ = document.follow(raw, "")
        for method, operation in item.items():
            if method in _METHODS:
                found[f"{method.upper()} {template(path)}"] = operation
    return found


def _named(value: Any, ignored: list[Any]) -> set[str]:
    """The codes named in a part of a document.

    Args:
        value: the part.
        ignored: examples of ours, which the vendor's file may have been made from.
    """
    if isinstance(value, str):
        return set(_CODE.findall(value))
    if isinstance(value, dict) and value in ignored:
        return set()
    codes = set(_of_one_word(mapping(value)))
    for key, child in mapping(value).items():
        codes |= set(_CODE.findall(key)) | _named(child, ignored)
    for child in sequence(value):
        codes |= _named(child, ignored)
    return codes


def _below(document: Document, value: Any, ignored: list[Any]) -> set[str]:
    """The codes named in a part of a document, and in everything it refers to."""
    codes, seen, left = _named(value, ignored), set[str](), [value]
    while left:
        for _, child in walk(left.pop()):
            reference = mapping(child).get("$ref")
            if isinstance(reference, str) and reference not in seen:
                seen.add(reference)
                target = document.target(reference)
                codes |= _named(target, ignored)
                left.append(target)
    return codes


def _of_one_word(value: dict[str, Any]) -> Iterator[str]:
    """The codes without a point, which only their place beside a message tells from other texts."""
    if "message" in value:
        code = value.get("code")
        candidates = [code, *sequence(mapping(code).get("enum")), mapping(code).get("example")]
        yield from (text for text in candidates if isinstance(text, str) and _WORD.fullmatch(text))
