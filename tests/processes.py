"""Processes that tests start."""

from __future__ import annotations

import os

__all__ = ["plain_environment"]


def plain_environment() -> dict[str, str]:
    """The variables of this process, without development mode, which slows a process down."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDEVMODE"}
