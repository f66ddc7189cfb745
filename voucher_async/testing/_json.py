"""JSON, read as strictly as the standard has it."""

from __future__ import annotations

import json
from typing import NoReturn

__all__ = ["read_json"]


def read_json(text: str | bytes) -> object:
    """The value that a JSON text holds.

    Raises:
        ValueError: when it is no JSON, holds `NaN` or `Infinity`, or is nested too deeply.
    """
    try:
        value: object = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
