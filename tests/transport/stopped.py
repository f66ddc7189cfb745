"""A process that is stopped in the midst of its work, and goes on later."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

__all__ = ["said_after_a_stop"]


async def said_after_a_stop(program: str, url: str, seconds: float) -> str:
    """What a program prints that stops itself, and is woken up so many seconds later."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, url, stdout=asyncio.subprocess.PIPE, env=os.environ
    )
    while not _is_stopped(child.pid):
        await asyncio.sleep(0.02)
    await asyncio.sleep(seconds)
    child.send_signal(signal.SIGCONT)
    said, _ = await child.communicate()
    return said.decode().strip()


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T"
