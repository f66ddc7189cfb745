"""A journal each of whose calls is a step of a test."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["Around"]


class Around:
    """Something is done before each call of a journal, and after it.

    Args:
        journal: answers.
    """

    def __init__(self, journal: Any) -> None:
        self._journal = journal

    def __getattr__(self, name: str) -> Any:
        answer = getattr(self._journal, name)
        if not inspect.iscoroutinefunction(answer):
            return answer

        async def ask(*args: Any, **kwargs: Any) -> Any:
            number = await self.begin()
            answered = await answer(*args, **kwargs)
            await self.end(number)
            return answered

        return ask

    async def begin(self) -> int:
        """A call is about to be made; its number."""
        raise NotImplementedError

    async def end(self, number: int) -> None:
        """The journal has answered the call of this number."""
        raise NotImplementedError
