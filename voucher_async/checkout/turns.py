"""Turns: a second reservation of a voucher would kill the first, so its users wait for one another."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import TYPE_CHECKING, Protocol

from voucher_async.errors import CallTimeout, Fate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable
    from types import TracebackType

    from voucher_async.clock import Deadline

__all__ = ["LocalVoucherLock", "VoucherLock", "in_turn", "voucher_key"]


class VoucherLock(Protocol):
    """Lets one holder at a time use a voucher; implement it on what your machines share."""

    def hold(self, key: str) -> contextlib.AbstractAsyncContextManager[None]:
        """Wait for the turn, keep it inside the block.

        Args:
            key: stands for a voucher code; a keyed digest, so the code itself goes nowhere.
        """
        ...


def voucher_key(code: str, secret: str) -> str:
    """What stands for a voucher code in a lock; it tells nothing to who has not the client's secret."""
    # the server may trim codes and ignore their case: two spellings of one voucher must wait for each other
    text = code.strip().casefold().encode(errors="surrogatepass")
    key = hashlib.blake2b(secret.encode(errors="surrogatepass")).digest()
    return hashlib.blake2b(text, key=key, digest_size=16).hexdigest()


class LocalVoucherLock:
    """Turns within one process, first come, first served."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}

    def hold(self, key: str) -> _Holding:
        """Wait for the turn, keep it inside the block."""
        return _Holding(self._turns, key)


class _Turn:
    __slots__ = ("lock", "loop", "users")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.lock = asyncio.Lock()
        self.users = 0


class _Holding:
    """One wait for a turn; the turn is forgotten when nobody uses it any more."""

    __slots__ = ("_key", "_turn", "_turns")

    def __init__(self, turns: dict[str, _Turn], key: str) -> None:
        self._turns = turns
        self._key = key
        self._turn: _Turn | None = None

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        turn = self._turns.get(self._key)
        if turn is None or turn.loop is not loop:
            # whoever held a turn on a loop that is gone is gone, too
            turn = self._turns[self._key] = _Turn(loop)
        turn.users += 1
        try:
            await turn.lock.acquire()
        except BaseException:
            self._leave(turn)
            raise
        self._turn = turn

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.lock.release()
            self._leave(turn)

    def _leave(self, turn: _Turn) -> None:
        turn.users -= 1
        if not turn.users and self._turns.get(self._key) is turn:
            del self._turns[self._key]


@contextlib.asynccontextmanager
async def in_turn(lock: VoucherLock, keys: Iterable[str], deadline: Deadline) -> AsyncGenerator[None, None]:
    """Hold the turns of some vouchers, taken in one order by everybody so that nobody waits in a circle.

    Raises:
        CallTimeout: the deadline passed before it was our turn; nothing was sent.
    """
    async with contextlib.AsyncExitStack() as stack:
        limit = asyncio.timeout(deadline.left())
        try:
            async with limit:
                for key in sorted(set(keys)):
                    await stack.enter_async_context(lock.hold(key))
        except TimeoutError:
            if not limit.expired():
                raise  # the lock's own
            raise CallTimeout(
                f"gave up after {deadline.total:g} s: another call is using the voucher; nothing was sent",
                fate=Fate.NOT_SENT,
            ) from None
        yield
