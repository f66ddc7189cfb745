"""Waiting until nothing is left to do: what a moment is on a machine of any speed."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["idle"]


async def idle() -> None:
    """Wait until everybody waits, for time or for somebody else."""
    ready: Any = vars(asyncio.get_running_loop())["_ready"]
    turns = 0
    # what arrives on a socket needs a turn to be seen, and may send something on another
    while turns < 3:
        await asyncio.sleep(0)
        turns = 0 if ready else turns + 1
