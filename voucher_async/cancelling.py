"""Cancellation: who cancelled whom."""

from __future__ import annotations

import asyncio

__all__ = ["cancelled_from_outside"]


def cancelled_from_outside() -> bool:
    """Whether somebody cancelled the running task; False when a CancelledError came up from within it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
