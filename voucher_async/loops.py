"""Event loops: what each has for itself, and the error for what belongs to another one that still runs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from voucher_async.errors import ConfigurationError
from voucher_async.forks import keep, renew_in_children

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PerLoop", "elsewhere"]

_PARTING: Final = 5.0  # seconds for which closing waits for another loop


class _Opened(Protocol):
    async def open(self) -> None: ...

    async def aclose(self) -> None: ...


T = TypeVar("T", bound=_Opened)


class PerLoop(Generic[T]):
    """Parts that belong to one event loop each, such as connections. Any number of loops may use it.

    In a forked child those of the parent, which goes on using them, are left alone.

    Args:
        make: makes the parts of a loop when it asks for the first time.

    Attributes:
        is_closed: they were closed; whoever asks has to look.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, T] = {}
        self._lock = threading.Lock()
        self.is_closed: bool = False
        renew_in_children(self)

    def after_fork(self) -> None:
        """Leave the parts to the parent."""
        keep(self._made)
        self._made = {}
        self._lock = threading.Lock()

    async def here(self) -> T:
        """The parts of this event loop."""
        loop = asyncio.get_running_loop()
        here = self._made.get(loop)
        if here is None:
            here = self._make()
            with self._lock:
                for gone in [each for each in self._made if each.is_closed()]:
                    del self._made[gone]
                self._made[loop] = here
            await here.open()
        return here

    async def aclose(self) -> None:
        """Close the parts of every loop that runs; a second call does nothing."""
        self.is_closed = True
        with self._lock:
            made, self._made = self._made, {}
        here = asyncio.get_running_loop()
        for loop, each in made.items():
            if loop is here:
                await each.aclose()
            elif loop.is_running():  # one that is closed has dropped its parts
                closing = asyncio.run_coroutine_threadsafe(each.aclose(), loop)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.wrap_future(closing), _PARTING)


def elsewhere(what: str, advice: str = "") -> ConfigurationError:
    """The error for the use of something on a second event loop.

    Args:
        what: what happens on the first loop.
        advice: what to do; default: one background loop for threads, a client for each loop elsewhere.
    """
    advice = advice or (
        "A client serves one running loop at a time. Threads share one loop in the background: "
        "voucher_async.integrations.blocking, described in docs/frameworks.md under Threads. Elsewhere make "
        "a client for each loop."
    )
    return ConfigurationError(f"{what} on another event loop, which still runs. {advice}")
