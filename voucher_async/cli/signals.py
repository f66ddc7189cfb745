"""Ctrl-C and SIGTERM cancel a command, so that its client is closed, and what is known is told."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

__all__ = ["cancelled_by_signals"]

_TURNS: Final = 2


@contextlib.contextmanager
def cancelled_by_signals() -> Generator[None]:
    """Let Ctrl-C, or SIGTERM, cancel the current task twice; asyncio's own second Ctrl-C raises in the loop.

    A task whose wake-up is lost to that exception waits for ever, and so does whoever closes the loop. The
    first one lets the command end what is under way, the second one ends that. The third one raises, for a
    loop that is stuck.
    """
    task, count = asyncio.current_task(), itertools.count(1)

    def stop(_: int, __: FrameType | None) -> None:
        if task is None or next(count) > _TURNS:
            raise KeyboardInterrupt
        task.get_loop().call_soon_threadsafe(task.cancel)

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
