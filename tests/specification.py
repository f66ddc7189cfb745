"""The vendored specification of the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

__all__ = ["SPEC", "resolve"]

SPEC: Final[Any] = yaml.load(
    (Path(__file__).resolve().parents[1] / "openapi" / "voucher.yaml").read_text(encoding="utf-8"),
    yaml.CSafeLoader,
)


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """What a node says, or the one that it refers to."""
    while "$ref" in node:
        target = SPEC
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node
