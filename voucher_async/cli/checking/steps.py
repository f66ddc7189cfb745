"""One step: limited in time, and no failure of it ends the check."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

from voucher_async.cli.checking.findings import Finding, failed, skipped

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from voucher_async.clock import Deadline

__all__ = ["Steps", "the_finding"]

T = TypeVar("T")

_LIMIT: Final = 12.0  # seconds of a step
_LEAST: Final = 0.05  # seconds, less than which nothing is begun


class Steps:
    """Does steps until a deadline.

    Args:
        deadline: of all steps.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    async def do(
        self, name: str, about: str, work: Coroutine[Any, Any, T], made_of: Callable[[Finding], T]
    ) -> T:
        """Do a step.

        Args:
            name: the step's.
            about: what it is about.
            work: does it.
            made_of: makes the result of a finding, where the step gave none.
        """
        left = self._deadline.left()
        if left < _LEAST:
            work.close()
            reason = f"the {self._deadline.total:g} s of the whole check were over"
            return made_of(skipped(name, about, reason))
        limit = min(left, _LIMIT)
        try:
            async with asyncio.timeout(limit):
                return await work
        except TimeoutError:
            seen = f"it had not ended after {limit:.1f} s"
            advice = (
                "Look for a firewall that swallows what is sent, or a server that hangs; then check again."
            )
            return made_of(failed(name, about, seen, advice, problem="time-out"))
        except Exception as error:  # noqa: BLE001 - the next steps may say more
            seen = f"it broke with an unforeseen {type(error).__name__}"
            advice = "Report this, with the version of voucher_async."
            return made_of(failed(name, about, seen, advice, problem="unforeseen"))


def the_finding(finding: Finding) -> Finding:
    """The finding itself, for steps whose result is one."""
    return finding
