"""The page of what is assumed of the API, from `x-assumed` in the specification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from codegen.spec_diff.assumptions import assumptions
from codegen.spec_diff.document import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["assumed"]

_TITLE: Final = """# What is assumed of the API

<!-- written by `make docs` from openapi/voucher.yaml: edit that file -->

The vendor's documentation does not say everything. What the SDK takes for granted beyond it is marked
`x-assumed` in [openapi/voucher.yaml](../openapi/voucher.yaml); these are all {count} places. No request of
the SDK may cost money when one of them is wrong. `voucher-async probe` tries what a server can tell
([Probe a server](probe.md)), `make spec-diff` compares all with a file of the vendor's
([Upgrade the specification](specification.md)). What is assumed of time, of lists and of the way to the
server is in [How a money call is settled](settlement.md#2-what-is-assumed).
"""
_SECTIONS: Final = {
    "paths": "Operations",
    "parameters": "Parameters",
    "responses": "Answers",
    "schemas": "Bodies and their fields",
}


def assumed(specification: Path) -> str:
    """The text of the page."""
    document = load(specification)
    found = assumptions(document)
    rows: dict[str, list[tuple[str, str]]] = {section: [] for section in _SECTIONS}
    for pointer, reason in found.items():
        names = [_name(part) for part in pointer.removeprefix("#/").split("/")]
        section = names[0] if names[0] == "paths" else names[1]
        rows[section].append((_place(names, document.content), reason))
    return _TITLE.format(count=len(found)) + "".join(
        f"\n## {title}\n\n{chr(10).join(_table(rows[section]))}\n" for section, title in _SECTIONS.items()
    )


def _name(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _place(names: list[str], content: dict[str, Any]) -> str:
    """The place in words: `POST /vouchers`, `Charge.order_number`."""
    if names[0] != "paths":
        rest = [name for name in names[2:] if name != "properties"]
        return f"`{'.'.join(rest)}`"
    path, method, *rest = names[1:]
    operation = content["paths"][path].get(method, {})
    if method == "servers":
        return f"the servers of `{path}`"
    place = f"`{method.upper()} {path}` ({operation['operationId']})"
    return f"{place}, status {rest[-1]}" if rest else place


def _table(rows: list[tuple[str, str]]) -> Iterator[str]:
    """The rows, those with one reason together."""
    places: dict[str, list[str]] = {}
    for place, reason in rows:
        places.setdefault(reason, []).append(place)
    yield from ("| what | why, and what follows |", "|---|---|")
    for reason, which in places.items():
        yield f"| {', '.join(which)} | {reason.replace('|', chr(92) + '|')} |"
